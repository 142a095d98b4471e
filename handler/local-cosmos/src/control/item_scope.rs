//! Selects items of a container.

use serde_json::Value;

use super::ControlError;
use crate::container::Container;
use crate::partition_key::KeyRange;
use crate::store::Entry;

/// A selection of a container's items: all, those with a partition key, those with an id, or the one with both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemScope {
    /// The id.
    pub id: Option<String>,
    /// The partition key: the array of its values, or the value if the key has one path. For a hierarchical key, a prefix of
    /// the values is allowed.
    pub partition_key: Option<Value>,
}

impl ItemScope {
    /// A test of whether an item is selected.
    pub(super) fn matcher(self, container: &Container) -> Result<impl Fn(&Entry) -> bool + use<>, ControlError> {
        let range = match self.partition_key {
            Some(key) => key_range(container, key)?,
            None => KeyRange::all(),
        };
        let id = self.id;
        Ok(move |entry: &Entry| range.contains(&entry.epk) && id.as_ref().is_none_or(|id| **id == *entry.id))
    }
}

fn key_range(container: &Container, key: Value) -> Result<KeyRange, ControlError> {
    let components = if let Value::Array(components) = key { components } else { vec![key] };
    let levels = container.key().paths.len();
    let invalid = |found: String| {
        Err(ControlError::Invalid(format!("the partition key {found}; it must have {levels} values or fewer")))
    };
    if components.is_empty() || components.len() > levels {
        return invalid(format!("has {} values", components.len()));
    }
    let header = Value::Array(components).to_string();
    container.key_range(&header).or_else(|error| invalid(format!("{header} is invalid: {error}")))
}
