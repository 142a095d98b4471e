//! Prunes of backups.

use utoipa::ToSchema;

/// Which backups to prune. What is not given is that of the policy.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"dryRun": true}))]
pub struct PruneRequest {
    /// A blob URL without a SAS, below which the backups are. With it, say what to keep.
    location: Option<String>,
    /// Of how many days the newest backup is kept.
    keep_daily: Option<u32>,
    /// Of how many weeks, which begin on Monday.
    keep_weekly: Option<u32>,
    /// Of how many months.
    keep_monthly: Option<u32>,
    /// The zone of days, weeks and months; default: that of the policy, or else of the app.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Only answer with the plan.
    #[schema(required = false)]
    dry_run: bool,
    /// The number of backups that the plan deletes; needed unless it is a dry run.
    confirm: Option<u64>,
}

/// What a prune has done, or the plan of a dry run.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Pruned {
    Plan(PrunePlan),
    Report(PruneReport),
}

/// All folders below the location: the ones that are deleted come last, in this order.
#[derive(ToSchema)]
pub struct PrunePlan {
    items: Vec<PrunedFolder>,
}

/// What becomes of a folder.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PruneAction {
    /// A rule keeps it, or a backup that is kept needs it.
    Keep,
    /// It is not one that the rules are for.
    Leave,
    Delete,
}

/// A folder below the location.
#[derive(ToSchema)]
pub struct PrunedFolder {
    name: String,
    action: PruneAction,
    /// Why.
    reason: String,
    /// The id of the backup, if it is one.
    #[schema(required = false)]
    backup: String,
    /// The time by which it is counted.
    #[schema(required = false)]
    time: String,
    /// The size of its files.
    #[schema(required = false)]
    bytes: u64,
}

/// What a prune has deleted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PruneReport {
    /// The names of the folders.
    deleted: Vec<String>,
    /// Their size.
    bytes: u64,
    /// Folders that the storage does not allow to delete, and what these continue.
    protected: Vec<ProtectedFolder>,
    /// Time was over before all were deleted; the next prune deletes the others.
    #[schema(required = false)]
    out_of_time: bool,
}

/// A backup that was to be deleted and is kept.
#[derive(ToSchema)]
pub struct ProtectedFolder {
    name: String,
    /// Why it is kept.
    message: String,
}
