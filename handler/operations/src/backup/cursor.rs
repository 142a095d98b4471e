//! How far a backup is, as the writer keeps it in `progress.json`.

use serde::{Deserialize, Serialize};

use super::record::BackupCounts;
use changefeed_jobs::Parts;

/// Which documents are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// Those that are live.
    Live,
    /// Those that the history tells of, by their versions.
    Past,
}

/// Where to read on, and what came before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cursor {
    pub phase: Phase,
    pub parts: Parts,
    /// From which second on the history was believed when the backup began.
    pub horizon: i64,
    /// Documents and versions that were looked at.
    pub done: u64,
    pub counts: BackupCounts,
}
