//! The states of a document, one after the other, from the state before a window to the live document.
//!
//! Two records of one version are one state, the exact one. A document that expired, or that was deleted without a recorded delete, has a
//! removal of its own between two versions; it belongs to no version and so to no selection.

use serde_json::Value;

use super::window_version::{Base, WindowVersion};
use crate::version::Version;
use crate::version_id::VersionId;

/// A change from one state of a document to the next. `None` is a document that does not exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub before: Option<&'a Value>,
    pub after: Option<&'a Value>,
    pub is_selected: bool,
    /// Whether the state after the change is exactly what was stored.
    pub is_exact: bool,
    /// The version that the change made; `None` for a removal that no version shows.
    pub id: Option<&'a VersionId>,
}

/// The changes from the first selected one to the live document.
#[derive(Debug)]
pub(super) struct States<'a> {
    pub base: Base<'a>,
    /// The first is a selected one.
    pub changes: Vec<Change<'a>>,
    pub live: Option<&'a Value>,
}

/// Why there is nothing to undo.
#[derive(Debug)]
pub(super) enum NoStates {
    /// No version is selected.
    NothingSelected,
    /// The live document is older than the newest version.
    LiveIsStale,
}

/// A version, with the document of the best record of it.
#[derive(Clone, Copy)]
struct Entry<'a> {
    version: &'a Version,
    document: Option<&'a Value>,
    is_exact: bool,
    is_selected: bool,
}

impl<'a> States<'a> {
    pub(super) fn new(
        base: Base<'a>,
        versions: &[WindowVersion<'a>],
        live: Option<&'a Version>,
    ) -> Result<Self, NoStates> {
        let entries = entries(versions, live)?;
        let first = entries.iter().position(|entry| entry.is_selected).ok_or(NoStates::NothingSelected)?;
        let (earlier, entries) = entries.split_at(first);
        let live = live.and_then(|live| live.document.as_ref());
        let mut states = Self { base, changes: Vec::new(), live };
        let mut previous = earlier.last();
        if let (Some(earlier), Some(first)) = (previous, entries.first()) {
            let document = document_between(earlier, first);
            states.base =
                document.map_or(Base::Absent, |document| Base::Document { document, exact: earlier.is_exact });
            previous = None;
        }
        let mut current = states.base.document();
        for entry in entries {
            let before = previous.map_or(current, |previous| document_between(previous, entry));
            states.add_unrecorded_removal(current, before);
            // The delete of a document that does not exist is the second record of one delete: that of the restore, or the change feed's.
            if before.is_none() && entry.document.is_none() && !states.changes.is_empty() {
                continue;
            }
            states.changes.push(Change {
                before,
                after: entry.document,
                is_selected: entry.is_selected,
                is_exact: entry.is_exact,
                id: Some(&entry.version.id),
            });
            (previous, current) = (Some(entry), entry.document);
        }
        if live.is_none() {
            states.add_unrecorded_removal(current, None);
        }
        Ok(states)
    }

    fn add_unrecorded_removal(&mut self, current: Option<&'a Value>, next: Option<&'a Value>) {
        if current.is_some() && next.is_none() {
            let removal = Change { before: current, after: None, is_selected: false, is_exact: true, id: None };
            self.changes.push(removal);
        }
    }

    /// The changes that are not selected.
    pub(super) fn later(&self) -> impl Iterator<Item = &Change<'a>> {
        self.changes.iter().filter(|change| !change.is_selected)
    }
}

/// The versions in order, each once, and the live document as the newest.
fn entries<'a>(versions: &[WindowVersion<'a>], live: Option<&'a Version>) -> Result<Vec<Entry<'a>>, NoStates> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(versions.len() + 1);
    for WindowVersion { version, is_selected } in versions {
        let entry = Entry {
            version,
            document: version.document.as_ref().filter(|_| !version.operation.is_removal()),
            is_exact: version.exact,
            is_selected: *is_selected,
        };
        match entries.last_mut() {
            Some(last) if last.version.id.is_same_version(&version.id) => {
                let is_selected = last.is_selected || entry.is_selected;
                let best = if last.is_exact { *last } else { entry };
                *last = Entry { is_selected, ..best };
            }
            _ => entries.push(entry),
        }
    }
    let Some(live) = live else { return Ok(entries) };
    let same = entries.iter().rposition(|entry| entry.version.id.is_same_version(&live.id));
    if same.is_some_and(|at| at + 1 < entries.len()) {
        return Err(NoStates::LiveIsStale);
    }
    let document = live.document.as_ref();
    match entries.last_mut().filter(|_| same.is_some()) {
        Some(last) => *last = Entry { document, is_exact: live.exact, ..*last },
        None => entries.push(Entry { version: live, document, is_exact: live.exact, is_selected: false }),
    }
    Ok(entries)
}

/// The document between two versions.
fn document_between<'a>(earlier: &Entry<'a>, next: &Entry<'a>) -> Option<&'a Value> {
    earlier.version.document_before(next.version).and(earlier.document)
}
