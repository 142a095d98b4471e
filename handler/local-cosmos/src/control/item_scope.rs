//! Which items are meant.

use serde_json::Value;

use super::ControlError;
use crate::change_log::{Entry, KeyRange};
use crate::container::Definition;

/// Which items of a container are meant: all, those of a partition key, those of an id, or the one that has both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemScope {
    /// The id.
    pub id: Option<String>,
    /// The partition key: the array of its components, or the component if it has one. For a hierarchical key also the
    /// first of them.
    pub partition_key: Option<Value>,
}

impl ItemScope {
    /// Whether an item is meant.
    pub(super) fn matcher(self, definition: &Definition) -> Result<impl Fn(&Entry) -> bool + use<>, ControlError> {
        let range = match self.partition_key {
            Some(key) => key_range(definition, key)?,
            None => KeyRange::all(),
        };
        let id = self.id;
        Ok(move |entry: &Entry| range.contains(&entry.epk) && id.as_ref().is_none_or(|id| *id == entry.id))
    }
}

fn key_range(definition: &Definition, key: Value) -> Result<KeyRange, ControlError> {
    let components = if let Value::Array(components) = key { components } else { vec![key] };
    let levels = definition.partition_key.paths().len();
    let invalid = |found: String| {
        Err(ControlError::Invalid(format!("the partition key {found}; this container's has {levels} components")))
    };
    if components.is_empty() || components.len() > levels {
        return invalid(format!("has {} components", components.len()));
    }
    let header = Value::Array(components).to_string();
    definition.key_range(&header).or_else(|error| invalid(format!("{header} cannot be: {error}")))
}
