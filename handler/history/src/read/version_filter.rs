//! Which versions of a window a request selects: by operation, by the values of fields, and by actor.

use changefeed_cosmos::{Error, Key, KeyPath};
use serde_json::{Map, Value, json};

use crate::filter::{Filter, check_filter_count, matches_all};
use crate::version::{Operation, Version};
use crate::window::Window;

/// Which versions are selected. Without conditions, all of the window.
#[derive(Clone, Debug)]
pub struct VersionFilter {
    /// The window.
    pub window: Window,
    /// Only versions with one of these operations; all if it is empty.
    pub operations: Vec<Operation>,
    /// Conditions on the version's own body, all of which it must meet. A delete has no body: of it, only the id and the key are compared.
    pub filters: Vec<Filter>,
    /// Only versions of this actor.
    pub actor: Option<String>,
}

impl VersionFilter {
    /// All versions of a window.
    pub fn all(window: Window) -> Self {
        Self { window, operations: Vec::new(), filters: Vec::new(), actor: None }
    }

    /// Checks the number of filters.
    pub(super) fn check(&self, action: &str) -> Result<(), Error> {
        check_filter_count(&self.filters).map_err(|message| Error::invalid(action, message))
    }

    /// Whether every version of the window is selected.
    pub(super) fn is_all(&self) -> bool {
        self.operations.is_empty() && self.filters.is_empty() && self.actor.is_none()
    }

    /// The conditions of a query for the versions, without those on the time. They also select versions that only
    /// [`Self::matches`] can judge: those whose body is compressed, and removals. Adds their parameters to `parameters`.
    pub(super) fn conditions(&self, parameters: &mut Map<String, Value>) -> Vec<String> {
        let mut conditions = Vec::new();
        if !self.operations.is_empty() {
            parameters.insert("@operations".to_owned(), json!(self.operations));
            conditions.push("ARRAY_CONTAINS(@operations, c.operation)".to_owned());
        }
        if let Some(actor) = &self.actor {
            parameters.insert("@actor".to_owned(), json!(actor));
            conditions.push("c.actor = @actor".to_owned());
        }
        if !self.filters.is_empty() {
            let body: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", parameters)).collect();
            parameters.insert("@removals".to_owned(), json!([Operation::Delete, Operation::Expire]));
            conditions.push(format!(
                "({} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts) OR ARRAY_CONTAINS(@removals, c.operation))",
                body.join(" AND ")
            ));
        }
        conditions
    }

    /// Whether a version that a query with [`Self::conditions`] has found is selected.
    pub(super) fn matches(&self, version: &Version, key_paths: &[KeyPath]) -> bool {
        if version.operation.is_removal() {
            return self.filters.is_empty()
                || matches_all(&self.filters, &identity(&version.source_id, &version.partition_key, key_paths));
        }
        version.document.as_ref().is_some_and(|document| matches_all(&self.filters, document))
    }
}

/// A document that has only its id and its partition key.
pub(super) fn identity(id: &str, key: &Key, key_paths: &[KeyPath]) -> Value {
    let mut document = json!({"id": id});
    for (path, component) in key_paths.iter().zip(key.components()) {
        let value = Value::from(component.clone());
        // The empty object stands for a component that the document does not have.
        if value.is_object() {
            continue;
        }
        let mut place = &mut document;
        for name in path.segments() {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name.as_str()];
        }
        *place = value;
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_a_document_has_its_id_and_the_components_of_its_key() {
        let paths = ["/tenant/id", "/tenant/kind", "/zip"].map(|path| path.parse().expect("a path"));
        let key: Key = serde_json::from_value(json!(["a", 7, {}])).expect("a key");
        assert_eq!(identity("1", &key, &paths), json!({"id": "1", "tenant": {"id": "a", "kind": 7}}));
    }
}
