//! Which versions of a window a request selects: by operation, by the values of fields, and by actor.

use changefeed_cosmos::{Container, Error, FieldPath, Key, KeyPath};
use serde_json::{Map, Value, json};

use crate::filter::{Filter, check_filter_count, matches_all};
use crate::untracked_fields::UntrackedFields;
use crate::version::{Operation, Version};
use crate::window::Window;

/// The property of a version that names its actor.
const ACTOR: &str = "actor";
/// The properties of a version whose body only this program can read.
const COMPRESSED: [&str; 2] = ["documentZstd", "documentParts"];

/// Which versions are selected. Without conditions, all of the window.
#[derive(Clone, Debug, PartialEq)]
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

    /// Checks the conditions, for queries of the changes container.
    ///
    /// # Errors
    /// When there are too many filters, and when the container does not index the actor.
    pub fn selector(&self, changes: &Container, key_paths: &[KeyPath], action: &str) -> Result<VersionSelector, Error> {
        check_filter_count(&self.filters).map_err(|message| Error::invalid(action, message))?;
        if self.actor.is_some() && !changes.definition().index.has_property(ACTOR) {
            let message = format!(
                "container {} does not index the actor; run changefeed provision --update-index, and wait until the service has \
                 updated the index",
                changes.name()
            );
            return Err(Error::invalid(action, message));
        }
        let identity = UntrackedFields::new(Vec::<String>::new(), key_paths);
        let of_identity = |filter: &Filter| filter.for_fields(|path| identity.is_identity(path.segments()));
        Ok(VersionSelector {
            removals: self.filters.iter().map(of_identity).collect(),
            select: self.clone(),
            key_paths: key_paths.to_vec(),
        })
    }
}

/// Finds the selected versions: by a query, and then one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionSelector {
    pub(super) select: VersionFilter,
    /// The conditions on the id and the key of a document that was removed; `None` if no removal meets them.
    removals: Option<Vec<Filter>>,
    key_paths: Vec<KeyPath>,
}

impl VersionSelector {
    /// Whether a version is selected.
    pub fn selects(&self, version: &Version) -> bool {
        let VersionFilter { window, operations, filters: _, actor } = &self.select;
        window.contains(version.source_ts)
            && (operations.is_empty() || operations.contains(&version.operation))
            && (actor.is_none() || *actor == version.actor)
            && self.matches(version)
    }

    /// Whether every version of the window is selected.
    pub(super) fn is_all(&self) -> bool {
        let VersionFilter { window: _, operations, filters, actor } = &self.select;
        operations.is_empty() && filters.is_empty() && actor.is_none()
    }

    /// The conditions of a query for the versions, without those on the time. They also select versions that only
    /// [`Self::selects`] can judge: those whose body is compressed, and removals of documents with a key of several components. Adds their parameters to `parameters`.
    pub fn conditions(&self, parameters: &mut Map<String, Value>) -> Vec<String> {
        let VersionFilter { window: _, operations, filters, actor } = &self.select;
        let mut conditions = Vec::new();
        if !operations.is_empty() {
            parameters.insert("@operations".to_owned(), json!(operations));
            conditions.push("ARRAY_CONTAINS(@operations, c.operation)".to_owned());
        }
        if let Some(actor) = actor {
            parameters.insert("@actor".to_owned(), json!(actor));
            conditions.push("c.actor = @actor".to_owned());
        }
        if !filters.is_empty() {
            let mut body = vec!["NOT ARRAY_CONTAINS(@removals, c.operation)".to_owned()];
            body.extend(filters.iter().map(|filter| filter.condition("c.document", parameters)));
            let mut alternatives = vec![format!("({})", body.join(" AND "))];
            alternatives.extend(COMPRESSED.map(|field| format!("IS_DEFINED(c.{field})")));
            parameters.insert("@removals".to_owned(), json!([Operation::Delete, Operation::Expire]));
            if let Some(removals) = &self.removals {
                let mut removal = vec!["ARRAY_CONTAINS(@removals, c.operation)".to_owned()];
                let column = |path: &FieldPath| self.column(path);
                removal.extend(removals.iter().map(|filter| filter.condition_on(&column, parameters)));
                alternatives.push(format!("({})", removal.join(" AND ")));
            }
            conditions.push(format!("({})", alternatives.join(" OR ")));
        }
        conditions
    }

    /// The column of a version that has a field of the document's identity. The components of a key of several are not indexed, and
    /// have none.
    fn column(&self, path: &FieldPath) -> Option<&'static str> {
        match (path.segments(), self.key_paths.as_slice()) {
            ([name], _) if name == "id" => Some("c.sourceId"),
            (names, [only]) if only.segments() == names => Some("c.pk"),
            _ => None,
        }
    }

    /// Whether a version that a query with [`Self::conditions`] has found is selected.
    pub(super) fn matches(&self, version: &Version) -> bool {
        if version.operation.is_removal() {
            return self.matches_removal(&version.source_id, &version.partition_key);
        }
        self.select.filters.is_empty()
            || version.document.as_ref().is_some_and(|document| matches_all(&self.select.filters, document))
    }

    /// Whether a body, or the part of it that the filters test, meets all filters.
    pub(super) fn matches_body(&self, body: &Value) -> bool {
        matches_all(&self.select.filters, body)
    }

    /// [`Self::matches`] for the removal of a document.
    pub(super) fn matches_removal(&self, id: &str, key: &Key) -> bool {
        let filters = self.removals.as_ref();
        filters.is_some_and(|filters| filters.is_empty() || matches_all(filters, &identity(id, key, &self.key_paths)))
    }
}

/// A document that has only its id and its partition key.
fn identity(id: &str, key: &Key, key_paths: &[KeyPath]) -> Value {
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
