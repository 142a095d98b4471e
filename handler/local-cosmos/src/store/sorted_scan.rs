//! Scans in the order of a property.

use std::sync::Arc;

use serde_json::Value;

use super::contents::Contents;
use super::entry::Entry;
use super::partition::Partition;
use super::sort_index::{SortIndex, SortOrder};
use crate::partition_key::{EffectiveKey, KeyRange};

/// The most indexes of a container. Each is kept with every write, and needs memory for every item.
pub(super) const MAX_SORT_INDEXES: usize = 8;

impl Contents {
    /// Whether the container has an index for sorted scans.
    pub(crate) fn has_sort_index(&self, path: &[String], is_by_key: bool) -> bool {
        self.sort_indexes.iter().any(|index| index.is_for(path, is_by_key))
    }

    /// Makes an index for sorted scans, in place of the one that has not been used for the longest time if there are many.
    pub(crate) fn add_sort_index(&mut self, path: &[String], is_by_key: bool) {
        if self.has_sort_index(path, is_by_key) {
            return;
        }
        let mut index = SortIndex::new(path, is_by_key);
        self.partitions.iter().flat_map(Partition::items).for_each(|entry| index.add(entry, &entry.item()));
        if self.sort_indexes.len() >= MAX_SORT_INDEXES {
            let oldest = self.sort_indexes.iter().enumerate().min_by_key(|(_, index)| index.last_use());
            if let Some((oldest, _)) = oldest {
                self.sort_indexes.swap_remove(oldest);
            }
        }
        self.sort_indexes.push(index);
    }

    /// The items of a part of the key space in the order of a property, those with equal values by their numbers in the same direction. With
    /// `from`, items before that value are left out, and with `to` those after that one. `None` if no index has them.
    pub(crate) fn scan_sorted<'c>(
        &'c self,
        range: &KeyRange,
        order: &SortOrder<'_>,
    ) -> Option<Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c>> {
        let index = self.sort_indexes.iter().find(|index| index.is_for(order.path, order.is_by_key))?;
        index.mark_used();
        let numbers = index.is_usable().then(|| index.numbers(range, order))??;
        let partitions: Vec<&Partition> = self.overlapping(range).map(|(_, partition)| partition).collect();
        let range = range.clone();
        let entries =
            numbers.filter_map(move |number| partitions.iter().find_map(|partition| partition.by_number(number)));
        Some(Box::new(entries.filter(move |entry| range.contains(&entry.epk))))
    }

    /// The items of one partition key that have one of these values of a property, by their numbers. `None` if no index has them, and if
    /// there are more than `most`.
    pub(crate) fn with_values<'c>(
        &'c self,
        key: &EffectiveKey,
        path: &[String],
        values: &[Value],
        most: usize,
    ) -> Option<Vec<&'c Arc<Entry>>> {
        let index = self.sort_indexes.iter().find(|index| index.is_for(path, true))?;
        index.mark_used();
        let mut numbers = Vec::new();
        for value in values {
            numbers.extend(index.equal(key, value)?.take(most + 1));
        }
        if numbers.len() > most {
            return None;
        }
        numbers.sort_unstable();
        numbers.dedup();
        let partition = self.partition_of(key);
        Some(numbers.into_iter().filter_map(|number| partition.by_number(number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::contents::Store;
    use super::super::unique_keys::UniqueKeys;
    use super::*;
    use crate::resources::{ContainerDefinition, Ranges};

    #[test]
    fn the_index_that_is_not_used_makes_room_for_a_new_one() {
        let definition = ContainerDefinition::parse(br#"{"id":"c","partitionKey":{"paths":["/pk"]}}"#);
        let ranges = Ranges::new(definition.expect("a definition").partition_key.hash_space(), 1, 0);
        let rid = "lypXAMSZ-Cs=".parse().expect("a container");
        let store = Store::new(rid, ranges, UniqueKeys::new(Vec::new()), None, None);
        let path = |number: usize| [format!("p{number}")];
        for number in 0..MAX_SORT_INDEXES {
            store.write().add_sort_index(&path(number), false);
        }
        // All but the second are used again.
        for number in (0..MAX_SORT_INDEXES).filter(|number| *number != 1) {
            let order = SortOrder { path: &path(number), is_by_key: false, from: None, to: None, is_descending: false };
            assert!(store.read().scan_sorted(&KeyRange::all(), &order).is_some());
        }
        store.write().add_sort_index(&path(MAX_SORT_INDEXES), false);
        let has = |number: usize| store.read().has_sort_index(&path(number), false);
        let missing: Vec<usize> = (0..=MAX_SORT_INDEXES).filter(|number| !has(*number)).collect();
        assert_eq!(missing, [1]);
        store.write().add_sort_index(&path(MAX_SORT_INDEXES), false);
        assert_eq!(store.read().sort_indexes.len(), MAX_SORT_INDEXES);
    }
}
