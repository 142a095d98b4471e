//! The phases of a restore that is a job.

use serde::{Deserialize, Serialize};

/// The phase of the work. Each is read in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// The documents of a list.
    Documents,
    /// The live documents.
    Live,
    /// The documents in the history, by their versions.
    Past,
    /// The documents that changed in a time window, by their versions.
    Window,
    /// The pages of the restore that is undone.
    Undo,
    /// The files of a backup, which are read once before anything is written: a damaged backup is not restored.
    Check,
    /// The documents of a backup.
    Backup,
    /// The documents of a list that the backup does not have.
    Missing,
    /// The stored pages of the plan that is executed.
    Execute,
    /// The documents on all pages that a unique key has refused.
    Exchange,
}

impl Phase {
    /// Its name in the ids of pages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Live => "live",
            Self::Past => "past",
            Self::Window => "window",
            Self::Undo => "undo",
            Self::Check => "check",
            Self::Backup => "backup",
            Self::Missing => "missing",
            Self::Execute => "execute",
            Self::Exchange => "exchange",
        }
    }
}
