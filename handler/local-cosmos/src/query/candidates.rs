//! The items that a query has to look at, found by its filter and by its order.

use std::ops::Bound;
use std::sync::Arc;

use query_engine::{ComputedProperty, Condition, KeyFilter, PathStep, Query, Resume, Values};
use serde_json::Value;

use super::request::QueryBody;
use crate::container::Container;
use crate::partition_key::{KeyRange, KeyValue};
use crate::store::{Contents, Entry, SortOrder};

/// Containers with fewer items need no index.
const MIN_INDEXED_ITEMS: usize = 200;

/// The most items that are selected by their values and then sorted.
const MAX_SELECTED_ITEMS: usize = 256;

/// The values of a property to which a sorted query of one partition key limits the items. If few items have them, this is less work than
/// to look at the items in their order until enough are found.
#[derive(Debug)]
pub(super) struct Selection {
    path: Vec<String>,
    values: Vec<Value>,
}

impl Selection {
    /// The first property outside of the key that the filter limits to such values.
    pub(super) fn of(query: &Query, sorting: &Sorting, container: &Container) -> Option<Self> {
        if !sorting.is_by_key {
            return None;
        }
        let (key, computed) = (container.key(), container.computed_properties());
        query.conditions().into_iter().find_map(|condition| match condition.values {
            Values::Equal(values)
                if key.paths.iter().all(|path| path.segments() != condition.path)
                    && computed.iter().all(|property| condition.path[0] != property.name()) =>
            {
                Some(Self { path: condition.path, values })
            }
            _ => None,
        })
    }

    /// Makes the index if the container has none and is large.
    pub(super) fn prepare(&self, container: &Container) {
        prepare(container, &self.path, true);
    }

    /// The items with these values; `None` without an index, and if there are many.
    pub(super) fn scan<'c>(
        &self,
        contents: &'c Contents,
        range: &KeyRange,
    ) -> Option<Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c>> {
        let found = contents.with_values(&range.min, &self.path, &self.values, MAX_SELECTED_ITEMS)?;
        Some(Box::new(found.into_iter()))
    }
}

/// Makes an index of a property if the container has none and is large.
fn prepare(container: &Container, path: &[String], is_by_key: bool) {
    let is_missing = {
        let contents = container.store().read();
        contents.len() >= MIN_INDEXED_ITEMS && !contents.has_sort_index(path, is_by_key)
    };
    if is_missing {
        container.store().write().add_sort_index(path, is_by_key);
    }
}

/// The order in which an index has the items of a query.
#[derive(Debug)]
pub(super) struct Sorting {
    path: Vec<String>,
    is_by_key: bool,
    is_descending: bool,
}

impl Sorting {
    /// The order of a query that sorts by one property.
    pub(super) fn of(query: &Query, range: &KeyRange, computed: &[ComputedProperty]) -> Option<Self> {
        let order = query.order_by_paths();
        let [(Some(path), is_descending)] = order.as_slice() else { return None };
        let names = path.iter().map(|step| match step {
            PathStep::Property(name) => Some(name.clone()),
            PathStep::Elements => None,
        });
        let path: Vec<String> = names.collect::<Option<_>>()?;
        // A computed property is not in the stored documents.
        if computed.iter().any(|property| path.first().is_some_and(|name| name == property.name())) {
            return None;
        }
        let is_by_key = range.max == range.min.next();
        Some(Self { path, is_by_key, is_descending: *is_descending })
    }

    /// Makes the index if the container has none and is large.
    pub(super) fn prepare(&self, container: &Container) {
        prepare(container, &self.path, self.is_by_key);
    }

    /// The items in this order, without those before the page; `None` without an index.
    pub(super) fn scan<'c>(
        &self,
        contents: &'c Contents,
        range: &KeyRange,
        query: &Query,
        resume: Option<&Resume>,
        body: &QueryBody,
    ) -> Option<Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c>> {
        let conditions = query.conditions();
        let from = match (resume, &body.resume_filter) {
            (Some(Resume::Sorted { values, .. }), _) => Some(values.first().and_then(|value| value.first())),
            (None, Some(filter)) => {
                filter.value.first().map(|value| Some(value).filter(|value| **value != Value::Array(Vec::new())))
            }
            _ => conditions.iter().find_map(|condition| self.bounds(condition).0).map(Some),
        };
        let to = conditions.iter().find_map(|condition| self.bounds(condition).1);
        let order =
            SortOrder { path: &self.path, is_by_key: self.is_by_key, from, to, is_descending: self.is_descending };
        contents.scan_sorted(range, &order)
    }

    /// The values at which a condition lets the scan start and end.
    fn bounds<'v>(&self, condition: &'v Condition) -> (Option<&'v Value>, Option<&'v Value>) {
        let value = |bound: &'v Bound<Value>| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value),
            Bound::Unbounded => None,
        };
        match &condition.values {
            Values::Range(low, high) if condition.path == self.path && self.is_descending => (value(high), value(low)),
            Values::Range(low, high) if condition.path == self.path => (value(low), value(high)),
            _ => (None, None),
        }
    }
}

/// The items of a range that can meet the query's filter, in the order of their creation, those after the number `after`.
pub(super) fn scan<'c>(
    container: &Container,
    contents: &'c Contents,
    range: &KeyRange,
    query: &Query,
    after: u64,
) -> Box<dyn Iterator<Item = &'c Arc<Entry>> + 'c> {
    if let Some(mut found) = by_keys(container, contents, range, query) {
        found.retain(|entry| entry.document > after);
        return Box::new(found.into_iter());
    }
    let scan = contents.scan(range, after);
    match ids(query) {
        Some(ids) => Box::new(scan.filter(move |entry| ids.iter().any(|id| **id == *entry.id))),
        None => scan,
    }
}

/// The ids to which the filter limits the items.
fn ids(query: &Query) -> Option<Vec<String>> {
    let ids = query.conditions().into_iter().find_map(|condition| match condition.values {
        Values::Equal(values) if condition.path == ["id"] => Some(values),
        _ => None,
    })?;
    Some(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

/// The items of the partition keys, or with the partition keys and ids, to which the filter limits the items.
fn by_keys<'c>(
    container: &Container,
    contents: &'c Contents,
    range: &KeyRange,
    query: &Query,
) -> Option<Vec<&'c Arc<Entry>>> {
    let key = container.key();
    let mut paths: Vec<Vec<String>> = key.paths.iter().map(|path| path.segments().to_vec()).collect();
    paths.push(vec!["id".to_owned()]);
    let KeyFilter::Values(lists) = query.key_values(&paths) else { return None };
    let mut found = Vec::new();
    for list in lists {
        let components = &list[..list.len().min(key.paths.len())];
        // A value that no key has selects nothing.
        let Ok(values) = components.iter().map(KeyValue::from_json).collect::<Result<Vec<_>, _>>() else { continue };
        let Some(keys) = KeyRange::of(&values, key).intersection(range) else { continue };
        match list.get(key.paths.len()) {
            Some(Value::String(id)) => found.extend(contents.partition_of(&keys.min).get(&keys.min, id)),
            Some(_) => {}
            None => found.extend(contents.scan(&keys, 0)),
        }
    }
    found.sort_by_key(|entry| entry.document);
    found.dedup_by_key(|entry| entry.document);
    Some(found)
}
