//! Stories of one document for tests: its state before a window, and the versions after it.

use changefeed_cosmos::{FieldPath, Key};
use serde_json::Value;

use super::{Base, DocumentWindow, LaterChanges, Undo, UndoAction, UndoOptions, WindowVersion};
use crate::untracked_fields::UntrackedFields;
use crate::version::{Operation, SCHEMA, Version, pk_of};
use crate::version_id::VersionId;

/// Options for a merge that deletes what the window created.
pub const MERGE: UndoOptions =
    UndoOptions { later_changes: LaterChanges::Merge, strict: false, delete_created_after: true, force: false };

pub fn untracked() -> UntrackedFields {
    UntrackedFields::new(["restored_at"], &["/pk".parse().expect("a path")])
}

/// A version ten seconds after the one before it.
pub fn version(number: usize, operation: Operation, document: Option<Value>) -> Version {
    let source_ts = 1_700_000_000 + 10 * number as i64;
    let key = Key::text("a");
    Version {
        id: VersionId::of_write(source_ts, &format!("e{number}")),
        pk: pk_of(&key),
        source_id: "1".into(),
        partition_key: key,
        operation,
        source_ts,
        lsn: Some(number as i64),
        etag: document.is_some().then(|| format!("\"e{number}\"")),
        actor: None,
        expires_at: None,
        captured_at: "t".into(),
        captured_by: "test".into(),
        exact: true,
        inferred: false,
        omitted: Vec::new(),
        schema: SCHEMA,
        document,
        previous: None,
    }
}

/// A document's state before a window, its versions since, and the live document.
#[derive(Clone, Debug)]
pub struct Story {
    /// The document before the window; `None` if it did not exist.
    pub base: Option<Value>,
    pub is_base_known: bool,
    pub versions: Vec<(Version, bool)>,
    pub live: Option<Version>,
}

impl Story {
    pub fn new(base: Option<Value>) -> Self {
        let live = base.clone().map(|base| version(0, Operation::Write, Some(base)));
        Self { base, is_base_known: true, versions: Vec::new(), live }
    }

    /// Adds a version; without a document a delete.
    pub fn then(mut self, is_selected: bool, document: Option<Value>) -> Self {
        let existed = self.versions.last().map_or(self.base.is_some(), |(version, _)| version.document.is_some());
        let operation = match (existed, &document) {
            (_, None) => Operation::Delete,
            (false, Some(_)) => Operation::Create,
            (true, Some(_)) => Operation::Replace,
        };
        let version = version(self.versions.len() + 1, operation, document);
        self.live = Some(version.clone()).filter(|version| version.document.is_some());
        self.versions.push((version, is_selected));
        self
    }

    pub fn selected(self, document: Value) -> Self {
        self.then(true, Some(document))
    }

    pub fn later(self, document: Value) -> Self {
        self.then(false, Some(document))
    }

    pub fn live_document(&self) -> Option<&Value> {
        self.live.as_ref().and_then(|live| live.document.as_ref())
    }

    /// Passes what undoing the selected versions does.
    pub fn undo<T>(&self, options: &UndoOptions, check: impl FnOnce(Undo<'_>) -> T) -> T {
        let versions: Vec<WindowVersion<'_>> = self
            .versions
            .iter()
            .map(|(version, is_selected)| WindowVersion { version, is_selected: *is_selected })
            .collect();
        let base = match &self.base {
            _ if !self.is_base_known => Base::Unknown,
            Some(document) => Base::Document { document, exact: true },
            None => Base::Absent,
        };
        let window = DocumentWindow { base, versions: &versions, live: self.live.as_ref(), fields: None };
        check(window.undo(options, &untracked()))
    }

    /// The document after undoing the selected versions.
    pub fn document_after(&self, options: &UndoOptions) -> Option<Value> {
        self.undo(options, |undo| match &undo.action {
            UndoAction::Delete => None,
            _ if undo.is_write() => undo.document().cloned(),
            _ => self.live_document().cloned(),
        })
    }
}

/// The name of the action.
pub fn action(undo: &Undo<'_>) -> &'static str {
    match undo.action {
        UndoAction::Create(_) => "create",
        UndoAction::Replace(_) => "replace",
        UndoAction::Merge(_) => "merge",
        UndoAction::Delete => "delete",
        UndoAction::Unchanged => "unchanged",
        UndoAction::Kept => "kept",
        UndoAction::Unknown => "unknown",
        UndoAction::Conflict => "conflict",
    }
}

pub fn pointers(paths: &[FieldPath]) -> Vec<String> {
    paths.iter().map(FieldPath::pointer).collect()
}
