//! The versions of one document around a time window, and what undoing the window makes of the document.

use changefeed_cosmos::{DocumentName, Error, FieldPath};
use changefeed_history::{
    Base, DocumentWindow, FieldSelection, History, UndoAction, Version, WindowVersion, outermost,
};
use serde_json::Value;

use super::window_undo::WindowUndo;

/// The most versions of a document that are read to undo a window: all since its start.
pub(super) const MAX_VERSIONS: usize = 1000;
/// The number of versions that a document usually has since the window, with the one before it.
const EXPECTED_VERSIONS: usize = 10;

/// The versions of a document since the start of a window, and the one before them.
pub(super) struct WindowVersions {
    /// Oldest first.
    versions: Vec<Version>,
    earlier: Option<Version>,
    /// The fields that a version lacks because they are never stored, and those that are never stored now. No version has them here.
    omitted: Vec<FieldPath>,
    /// Whether a stored version has one of them.
    is_any_hidden: bool,
}

/// What undoing a window does with a document.
#[derive(Debug)]
pub(super) struct Undone {
    pub outcome: UndoOutcome,
    /// The version with the document's state before the window, if that is a stored one.
    pub base: Option<String>,
    pub kept_paths: Vec<FieldPath>,
    pub reason: Option<String>,
}

/// What is done with the document.
#[derive(Debug)]
pub(super) enum UndoOutcome {
    /// It gets this content.
    Write {
        content: Value,
        /// Whether it keeps later changes.
        is_merged: bool,
    },
    Delete,
    Unchanged,
    Kept,
    Unknown,
    Conflict {
        /// What it would get if later changes were overwritten, if that is known.
        overwritten: Option<Value>,
    },
}

impl WindowVersions {
    /// Reads the versions since `from`, in seconds since 1970, and the one before; `None` when there are more than 1,000.
    ///
    /// # Errors
    /// When the changes container cannot be read, and when a record is damaged.
    pub(super) async fn read(history: &History, name: &DocumentName, from: i64) -> Result<Option<Self>, Error> {
        let mut newest_first = history.versions_until(name, i64::MAX, EXPECTED_VERSIONS).await?;
        let (mut versions, mut earlier) = (Vec::new(), None);
        while let Some(version) = newest_first.next().await? {
            if version.source_ts < from {
                earlier = Some(version);
                break;
            }
            if versions.len() == MAX_VERSIONS {
                return Ok(None);
            }
            versions.push(version);
        }
        versions.reverse();
        let all = || versions.iter().chain(&earlier);
        let never_stored = history.omitted_fields().fields();
        let omitted = outermost(all().flat_map(|version| &version.omitted).chain(never_stored).cloned().collect());
        let all = versions.iter_mut().chain(&mut earlier);
        let is_any_hidden = all.fold(false, |hidden, version| version.hide(&omitted) | hidden);
        Ok(Some(Self { versions, earlier, omitted, is_any_hidden }))
    }

    /// The fields of which nothing is known, so that undoing the window does not change them.
    pub(super) fn omitted(&self) -> &[FieldPath] {
        &self.omitted
    }

    /// Leaves out the versions that do not meet a condition.
    pub(super) fn retain(&mut self, condition: impl FnMut(&Version) -> bool) {
        self.versions.retain(condition);
    }

    /// What undoing the selected versions does with these fields of the document, which is `live` now; `None` if none is selected. The
    /// content is that of the whole document, without the fields of which nothing is known.
    pub(super) fn undo(
        &self,
        window: &WindowUndo,
        fields: Option<&FieldSelection>,
        live: Option<&Version>,
    ) -> Option<Undone> {
        let known = live.filter(|_| !self.omitted.is_empty()).map(|live| {
            let mut known = live.clone();
            known.hide(&self.omitted);
            known
        });
        let live = known.as_ref().or(live);
        let versions: Vec<WindowVersion<'_>> = self
            .versions
            .iter()
            .map(|version| WindowVersion { version, is_selected: window.selects(version) })
            .collect();
        let first = versions.iter().position(|version| version.is_selected)?;
        let base = self.versions.first().map_or(Base::Unknown, |first| Base::before(first, self.earlier.as_ref()));
        let overwritten = || match first.checked_sub(1) {
            None => base.document().cloned(),
            Some(before) => self.versions[before].document_before(&self.versions[first]).cloned(),
        };
        let undo = DocumentWindow { base, versions: &versions, live, fields }.undo(&window.options, &window.untracked);
        let stored_base = || {
            let document = undo.document()?;
            let before = self.earlier.iter().chain(self.versions.iter().take(first));
            before
                .rev()
                .find(|version| version.document.as_ref() == Some(document))
                .map(|version| version.id.to_string())
        };
        let is_merged = matches!(undo.action, UndoAction::Merge(_));
        Some(Undone {
            // A stored version that has such a field is not the document that is written.
            base: if is_merged || self.is_any_hidden { None } else { stored_base() },
            outcome: match undo.action {
                UndoAction::Create(content) | UndoAction::Replace(content) => {
                    UndoOutcome::Write { content: content.into_owned(), is_merged }
                }
                UndoAction::Merge(content) => UndoOutcome::Write { content, is_merged },
                UndoAction::Delete => UndoOutcome::Delete,
                UndoAction::Unchanged => UndoOutcome::Unchanged,
                UndoAction::Kept => UndoOutcome::Kept,
                UndoAction::Unknown => UndoOutcome::Unknown,
                UndoAction::Conflict => UndoOutcome::Conflict { overwritten: overwritten() },
            },
            kept_paths: undo.kept_paths,
            reason: undo.reason,
        })
    }
}
