//! A selection by a time window: the versions that a restore undoes.

use changefeed_cosmos::Key;
use changefeed_history::{LaterChanges, UndoOptions, VersionFilter};

/// The versions of a time window, perhaps only some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSelection {
    /// The window, and the conditions on its versions.
    pub versions: VersionFilter,
    /// The partition key value of the documents.
    pub partition: Option<Key>,
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
}
