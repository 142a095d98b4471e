//! A selection by a time window: the versions that a restore undoes.

use changefeed_cosmos::{Container, Key, KeyComponent, KeyPath};
use changefeed_history::{Filter, LaterChanges, UndoOptions, Version, Window, matches_all};
use changefeed_jobs::PagedQuery;
use serde_json::{Map, Value, json};

use crate::scan::query_versions;

/// The versions of a time window, perhaps only some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSelection {
    /// The window.
    pub window: Window,
    /// Conditions, all of which a version's own document meets. Of a delete, only the id and the partition key are known.
    pub filters: Vec<Filter>,
    /// The partition key value of the documents.
    pub partition: Option<Key>,
    /// Who wrote the versions, as their documents claim.
    pub actor: Option<String>,
    /// What happens to documents that were changed later.
    pub later_changes: LaterChanges,
    /// Whether a document is a conflict if a merge would keep any path that the window changed.
    pub strict: bool,
    /// What the request should have said otherwise: its window ends in the future.
    pub warning: Option<String>,
}

impl WindowSelection {
    /// How the versions are undone.
    pub(super) fn undo_options(&self, delete_created_after: bool, force: bool) -> UndoOptions {
        UndoOptions { later_changes: self.later_changes, strict: self.strict, delete_created_after, force }
    }

    /// Whether a version is one of those to undo. `key_paths` are those of the monitored container.
    pub(super) fn selects(&self, version: &Version, key_paths: &[KeyPath]) -> bool {
        self.window.contains(version.source_ts)
            && self.partition.as_ref().is_none_or(|key| *key == version.partition_key)
            && (self.actor.is_none() || self.actor == version.actor)
            && match &version.document {
                Some(document) => matches_all(&self.filters, document),
                None => matches_all(&self.filters, &identity(version, key_paths)),
            }
    }

    /// The query for the versions that may be selected. A query cannot see into compressed documents, and a delete has none: those
    /// are decided by [`Self::selects`].
    pub(super) fn query<'a>(&self, changes: &'a Container, select: &str) -> PagedQuery<'a> {
        let mut versions = query_versions(changes, select.to_owned(), self.partition.as_ref());
        versions.conditions.push("c.sourceTs >= @from AND c.sourceTs <= @to AND IS_DEFINED(c.operation)".to_owned());
        let times = [("@from", json!(self.window.from())), ("@to", json!(self.window.to()))];
        versions.parameters.extend(times.map(|(name, value)| (name.to_owned(), value)));
        if let Some(actor) = &self.actor {
            versions.conditions.push("c.actor = @actor".to_owned());
            versions.parameters.insert("@actor".to_owned(), json!(actor));
        }
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut versions.parameters)).collect();
            versions.conditions.push(format!(
                "({} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts) OR c.operation IN ('delete', 'expire'))",
                fields.join(" AND ")
            ));
        }
        versions
    }
}

/// What is known of a deleted document: its id and its partition key.
fn identity(version: &Version, key_paths: &[KeyPath]) -> Value {
    let mut document = json!({"id": version.source_id});
    let components = key_paths.iter().zip(version.partition_key.components());
    for (path, component) in components.filter(|(_, component)| **component != KeyComponent::Undefined) {
        let mut at = &mut document;
        for name in path.segments() {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[name.as_str()];
        }
        *at = component.clone().into();
    }
    document
}
