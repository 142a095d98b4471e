//! The policy as it is shown.

use serde::Serialize;

use super::policy::BackupPolicy;
use super::prune_report::PruneReport;
use crate::backup::BackupView;
use crate::digests::DigestView;

/// The policy, its next run and its last ones. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// The policy, with its defaults.
    pub policy: BackupPolicy,
    /// When it was set.
    pub set_at: String,
    /// The only machine that can run its backups, because their files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
    /// When the next backup is due; a time before now if it is due already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<String>,
    /// The last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<RunView>,
    /// The last run that has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_done: Option<RunView>,
    /// The last job that writes digests; absent before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_digests: Option<DigestView>,
    /// Why the last look at the policy failed; absent when it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The backup of a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// The time for which it was due.
    pub slot: String,
    /// The id of the backup.
    pub id: String,
    /// The backup; absent before its job is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupView>,
    /// What the prune after it deleted; absent before, and where every backup is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<PruneReport>,
}
