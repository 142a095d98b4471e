//! The backup policy.

use utoipa::ToSchema;

use super::backups::Backup;
use super::digests::Digests;
use super::prune::PruneReport;

/// When backups are taken, where they are stored, and which of them are kept.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(
    example = json!({"to": "https://account.blob.core.windows.net/backups/orders", "every": "1d", "at": "02:00", "keepDaily": 7})
)]
pub struct BackupPolicy {
    /// A blob URL without a SAS, below which each backup has a folder.
    to: String,
    /// Hours or days: `6h`, `1d`.
    #[schema(example = "1d")]
    every: String,
    /// The time of day, if backups are taken every so many days; default: midnight.
    #[schema(example = "02:00")]
    at: Option<String>,
    /// Default: the zone of the app.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// How often a full backup is taken; default: `7d`.
    #[schema(example = "7d")]
    full_every: Option<String>,
    /// Of how many days the newest backup is kept. Without these three, every backup is kept.
    keep_daily: Option<u32>,
    /// Of how many weeks.
    keep_weekly: Option<u32>,
    /// Of how many months.
    keep_monthly: Option<u32>,
    /// Whether digests of the history are written to the location with each backup; default: true.
    digests: Option<bool>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
    reason: Option<String>,
    requested_by: Option<String>,
}

/// The policy, its next run and its last ones.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupPolicyView {
    /// Null if none is set; then there is nothing else.
    #[schema(required)]
    policy: Option<BackupPolicy>,
    #[schema(required = false)]
    set_at: String,
    /// The only machine that can run its backups.
    #[schema(required = false)]
    only_on: String,
    /// A time before now if a backup is due already.
    #[schema(required = false)]
    next_run: String,
    /// The last run.
    #[schema(required = false)]
    last: BackupPolicyRun,
    /// The last run that has succeeded.
    #[schema(required = false)]
    last_done: BackupPolicyRun,
    /// The last job that writes digests; absent before the first one.
    #[schema(required = false)]
    last_digests: Digests,
    /// Why the last look at the policy failed.
    #[schema(required = false)]
    problem: String,
}

/// The backup of a slot.
#[derive(ToSchema)]
pub struct BackupPolicyRun {
    /// The time for which it was due.
    slot: String,
    /// The id of the backup.
    id: String,
    /// Absent before its job is created.
    #[schema(required = false)]
    backup: Backup,
    /// What the prune after it deleted; absent before, and where every backup is kept.
    #[schema(required = false)]
    pruned: PruneReport,
}
