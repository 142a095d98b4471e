//! The unique keys of a container: no two items of a logical partition have the same values at the paths of one.

use std::collections::HashMap;

use serde_json::Value;

use super::entry::Entry;
use crate::key_path::KeyPath;
use crate::partition_key::EffectiveKey;

/// The unique keys of a container, and the values that its items have.
#[derive(Debug, Default)]
pub(crate) struct UniqueKeys {
    keys: Vec<Vec<KeyPath>>,
    /// The id of the item that has the values.
    owners: HashMap<(usize, EffectiveKey, String), Box<str>>,
}

impl UniqueKeys {
    pub(crate) fn new(keys: Vec<Vec<KeyPath>>) -> Self {
        Self { keys, owners: HashMap::new() }
    }

    /// Whether another item of the logical partition has the values of this one.
    pub(super) fn conflicts(&self, epk: &EffectiveKey, id: &str, item: &Value) -> bool {
        self.values(item)
            .any(|(key, values)| self.owners.get(&(key, epk.clone(), values)).is_some_and(|owner| **owner != *id))
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        for (key, values) in self.values_of(entry) {
            self.owners.insert((key, entry.epk.clone(), values), entry.id.clone());
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        for (key, values) in self.values_of(entry) {
            self.owners.remove(&(key, entry.epk.clone(), values));
        }
    }

    fn values_of(&self, entry: &Entry) -> Vec<(usize, String)> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        self.values(&entry.item()).collect()
    }

    /// The values at the paths of each key. A missing value counts as null, and numbers as doubles.
    fn values<'a>(&'a self, item: &'a Value) -> impl Iterator<Item = (usize, String)> + 'a {
        self.keys.iter().enumerate().map(|(number, paths)| {
            let values: Vec<Value> = paths.iter().map(|path| canonical(path.value_in(item))).collect();
            (number, Value::Array(values).to_string())
        })
    }
}

fn canonical(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        Some(Value::Number(number)) => number.as_f64().map_or(Value::Null, Value::from),
        Some(value) => value.clone(),
    }
}
