//! The status.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// The status of the service.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    version: String,
    /// The source; absent if the app has one.
    #[schema(required = false)]
    source: String,
    /// The settings by their names, without secrets.
    settings: BTreeMap<String, Value>,
    containers: Vec<Container>,
    /// The change feed mode of the leases of capture; absent without a lease. With leases of both modes: AllVersionsAndDeletes, which captures more.
    #[schema(required = false, example = "LatestVersion")]
    mode: String,
    leases: Vec<Lease>,
    /// A range that no lease covers.
    #[schema(required = false, example = "-FF of capture")]
    leases_gap: String,
    /// A range that several leases cover.
    #[schema(required = false)]
    leases_overlap: String,
    #[schema(required = false)]
    leases_error: String,
    #[schema(required = false)]
    retention: Retention,
    #[schema(required = false)]
    retention_error: String,
    /// Absent until the container of the versions was observed for an hour.
    #[schema(required = false)]
    growth: Growth,
    /// Absent if no backup policy is set.
    #[schema(required = false)]
    backups: BackupStatus,
    #[schema(required = false)]
    backups_error: String,
    #[schema(required = false)]
    has_unknown_identity: bool,
    since_start: Counts,
    /// The status of each of the other sources; absent if the app has one, or if the request names one.
    #[schema(required = false, no_recursion)]
    other_sources: Vec<Status>,
}

/// Whether the backups of the policy are taken.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// The time for which the newest backup was due that has succeeded.
    #[schema(required = false)]
    newest: String,
    /// Since when a backup is overdue: it was due more than six hours ago, and has not succeeded.
    #[schema(required = false)]
    overdue_since: String,
    /// Why the last look at the policy failed.
    #[schema(required = false)]
    problem: String,
}

/// How the container of the versions has grown. What the retention has removed is subtracted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The time in which it has: at most a day and an hour.
    seconds: i64,
    items: i64,
    bytes: i64,
    /// About what it costs to store the versions at this rate; absent if there are fewer than before.
    #[schema(required = false)]
    request_units_per_day: f64,
}

/// What a container is for.
#[derive(ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Monitored,
    Changes,
    Leases,
    Jobs,
    DeadLetters,
}

/// Whether a container can be used.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    Ready,
    Missing,
    Failed,
}

/// A container.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    role: Role,
    name: String,
    state: ContainerState,
    /// If it is ready.
    #[schema(required = false)]
    partition_key_paths: Vec<String>,
    /// If it is ready; null if the service does not report it.
    items: Option<u64>,
    /// With the index. If it is ready; null if the service does not report it.
    bytes: Option<u64>,
    /// If it failed.
    #[schema(required = false)]
    message: String,
}

/// A change feed.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Feed {
    Capture,
    Jobs,
}

/// The state of a lease; see the table in `docs/reference/http.md`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LeaseState {
    Ok,
    Free,
    PossiblyStalled,
    Stalled,
    ReadsFail,
    HandlerFails,
    OwnerGone,
}

/// A lease and its lag.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    feed: Feed,
    /// The change feed mode in which it can be used.
    #[schema(example = "LatestVersion")]
    mode: String,
    lease_token: String,
    #[schema(required)]
    owner: Option<String>,
    is_free: bool,
    /// Changes that are not captured yet; null if that is not known.
    #[schema(required)]
    lag: Option<i64>,
    #[schema(required)]
    lag_seconds: Option<i64>,
    #[schema(required)]
    last_written: Option<String>,
    #[schema(required)]
    last_checkpoint: Option<String>,
    is_stuck: bool,
    state: LeaseState,
    #[schema(required = false)]
    reason: String,
    #[schema(required = false)]
    unchanged_since: String,
    #[schema(required = false)]
    undeliverable: Undeliverable,
    #[schema(required)]
    failure: Option<LeaseFailure>,
    #[schema(required = false)]
    error: String,
}

/// A document that the Functions trigger cannot deliver.
#[derive(ToSchema)]
pub struct Undeliverable {
    #[schema(required)]
    id: Option<String>,
    #[schema(required)]
    lsn: Option<i64>,
    reason: String,
}

/// Why the owner of a lease makes no progress.
#[derive(ToSchema)]
pub struct LeaseFailure {
    since: String,
    message: String,
}

/// The state of the retention.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    #[schema(required = false)]
    days: u32,
    #[schema(required = false)]
    complete_since: String,
    removed_versions: u64,
    #[schema(required = false)]
    swept_at: String,
    #[schema(required = false)]
    warning: String,
}

/// What this process has captured since it started.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    batches: u64,
    failed_batches: u64,
    versions: u64,
    dead_letters: u64,
    /// Changes of documents that the capture filter excludes.
    excluded: u64,
}
