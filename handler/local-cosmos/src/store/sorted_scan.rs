//! Scans in the order of a property.

use std::sync::Arc;

use super::contents::Contents;
use super::entry::Entry;
use super::partition::Partition;
use super::sort_index::{SortIndex, SortOrder};
use crate::partition_key::KeyRange;

impl Contents {
    /// Whether the container has an index for sorted scans.
    pub(crate) fn has_sort_index(&self, path: &[String], is_by_key: bool) -> bool {
        self.sort_indexes.iter().any(|index| index.is_for(path, is_by_key))
    }

    /// Makes an index for sorted scans.
    pub(crate) fn add_sort_index(&mut self, path: &[String], is_by_key: bool) {
        if self.has_sort_index(path, is_by_key) {
            return;
        }
        let mut index = SortIndex::new(path, is_by_key);
        self.partitions.iter().flat_map(Partition::items).for_each(|entry| index.add(entry));
        self.sort_indexes.push(index);
    }

    /// The items of a part of the key space in the order of a property, those with equal values by their numbers in the same direction. With
    /// `from`, items before that value are left out. `None` if no index has them.
    pub(crate) fn scan_sorted<'c>(
        &'c self,
        range: &KeyRange,
        order: &SortOrder<'_>,
    ) -> Option<Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c>> {
        let index = self.sort_indexes.iter().find(|index| index.is_for(order.path, order.is_by_key))?;
        let numbers = index.is_usable().then(|| index.numbers(range, order.from, order.is_descending))??;
        let partitions: Vec<&Partition> = self.overlapping(range).map(|(_, partition)| partition).collect();
        let range = range.clone();
        let entries =
            numbers.filter_map(move |number| partitions.iter().find_map(|partition| partition.by_number(number)));
        Some(Box::new(entries.filter(move |entry| range.contains(&entry.epk))))
    }
}
