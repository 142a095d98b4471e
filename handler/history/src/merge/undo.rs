//! How a window is undone, and what the undo does with one document.

use std::borrow::Cow;

use changefeed_cosmos::FieldPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What happens to a document that later versions changed: versions after the first selected one that are not selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaterChanges {
    /// It is reported and not changed.
    #[default]
    Conflict,
    /// It is not changed.
    Keep,
    /// It returns to its state before the first selected version.
    Overwrite,
    /// It loses only what the selected versions changed, path by path.
    Merge,
}

/// How a window is undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndoOptions {
    /// What happens to documents with later versions.
    pub later_changes: LaterChanges,
    /// Whether a document is a conflict if a merge would keep any path that a selected version changed.
    pub strict: bool,
    /// Whether documents that the selected versions created are deleted.
    pub delete_created_after: bool,
    /// Whether versions are used in which the Functions host may have rewritten values.
    pub force: bool,
}

/// What an undo does with a document.
#[derive(Clone, Debug, PartialEq)]
pub enum UndoAction<'a> {
    /// It does not exist and is created.
    Create(Cow<'a, Value>),
    /// It returns to its state before the first selected version.
    Replace(Cow<'a, Value>),
    /// It is replaced by the live document without the changes of the selected versions.
    Merge(Value),
    /// It is deleted.
    Delete,
    /// Nothing remains to undo.
    Unchanged,
    /// It is not changed, on purpose: the options say so.
    Kept,
    /// It is not changed: its state before the first selected version is not known.
    Unknown,
    /// It is not changed: a decision is needed first.
    Conflict,
}

/// What an undo does with a document, path by path.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo<'a> {
    /// The action. A document in it has the `id` and the key; its system properties and its stamp mean nothing.
    pub action: UndoAction<'a>,
    /// The paths that return to an earlier value, as [`changed_paths`](crate::changed_paths) from the live document to the new one; their
    /// values are those of the two documents. The empty path is the document itself. Empty if nothing is written.
    pub restored: Vec<FieldPath>,
    /// The paths that selected versions changed and that stay as later versions made them. The empty path is the document itself.
    pub kept_paths: Vec<FieldPath>,
    /// The reason, if the action alone does not explain it.
    pub reason: Option<String>,
}

impl<'a> Undo<'a> {
    pub(super) fn of(action: UndoAction<'a>) -> Self {
        Self { action, restored: Vec::new(), kept_paths: Vec::new(), reason: None }
    }

    pub(super) fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The document to write, if there is one.
    pub fn document(&self) -> Option<&Value> {
        match &self.action {
            UndoAction::Create(document) | UndoAction::Replace(document) => Some(document),
            UndoAction::Merge(document) => Some(document),
            UndoAction::Delete
            | UndoAction::Unchanged
            | UndoAction::Kept
            | UndoAction::Unknown
            | UndoAction::Conflict => None,
        }
    }

    /// Whether the document is written or deleted.
    pub fn is_write(&self) -> bool {
        self.document().is_some() || self.action == UndoAction::Delete
    }
}
