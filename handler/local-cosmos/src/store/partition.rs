//! A physical partition: the items of one part of the key space.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::entry::Entry;
use crate::partition_key::{EffectiveKey, KeyRange};

/// A physical partition and its items.
#[derive(Debug)]
pub(crate) struct Partition {
    /// The partition key range id.
    pub id: String,
    pub range: KeyRange,
    /// The number of the newest write.
    pub lsn: u64,
    /// By the number of the item.
    items: BTreeMap<u64, Arc<Entry>>,
    /// The numbers of the items, by effective key and id.
    numbers: BTreeMap<(EffectiveKey, Box<str>), u64>,
}

impl Partition {
    pub(super) fn new(id: String, range: KeyRange, lsn: u64) -> Self {
        Self { id, range, lsn, items: BTreeMap::new(), numbers: BTreeMap::new() }
    }

    pub(crate) fn get(&self, epk: &EffectiveKey, id: &str) -> Option<&Arc<Entry>> {
        self.items.get(self.numbers.get(&(epk.clone(), id.into()))?)
    }

    pub(super) fn by_number(&self, number: u64) -> Option<&Arc<Entry>> {
        self.items.get(&number)
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.items.values()
    }

    /// Adds an item, or replaces the one with its number.
    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        self.numbers.insert((entry.epk.clone(), entry.id.clone()), entry.document);
        self.items.insert(entry.document, entry);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.numbers.remove(&(entry.epk.clone(), entry.id.clone()));
        self.items.remove(&entry.document);
    }

    pub(super) fn into_items(self) -> impl Iterator<Item = Arc<Entry>> {
        self.items.into_values()
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The items of a part of the partition in the order of their creation, those after the number `after`.
    pub(super) fn scan<'p>(&'p self, range: &KeyRange, after: u64) -> Box<dyn Iterator<Item = &'p Arc<Entry>> + 'p> {
        if range.min <= self.range.min && self.range.max <= range.max {
            let later = (Bound::Excluded(after), Bound::Unbounded);
            return Box::new(self.items.range(later).map(|(_, entry)| entry));
        }
        let mut numbers: Vec<u64> = self.numbers_in(range).filter(|number| *number > after).collect();
        numbers.sort_unstable();
        Box::new(numbers.into_iter().filter_map(|number| self.items.get(&number)))
    }

    fn numbers_in(&self, range: &KeyRange) -> impl Iterator<Item = u64> {
        let from = (range.min.clone(), Box::default());
        let range = range.clone();
        let keys = self.numbers.range((Bound::Included(from), Bound::Unbounded));
        keys.take_while(move |((epk, _), _)| range.contains(epk)).map(|(_, number)| *number)
    }
}
