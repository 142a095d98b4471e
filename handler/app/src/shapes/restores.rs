//! Restores.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::history::FieldChange;
use super::jobs::{JobProgress, JobState};
use super::key::{DocumentName, InterpretedTime, Key};

/// A restore: one selection, one target, and options. See the tables in `docs/reference/http.md`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"filter": ["city_name=Davidson"], "before": "10:31", "dryRun": true}))]
pub struct RestoreRequest {
    /// One document, with `pk` or `partitionKey`.
    id: Option<String>,
    /// A partition key of one text; without `id`, all its documents.
    pk: Option<String>,
    partition_key: Option<Key>,
    /// Up to 10,000 documents.
    documents: Option<Vec<DocumentName>>,
    /// Documents that match all of these conditions.
    filter: Option<Vec<String>>,
    /// The state that the filter tests; `target` by default.
    #[schema(inline)]
    filter_on: Option<FilterOn>,
    /// Every document.
    #[schema(required = false)]
    all: bool,
    /// The documents that changed in this window, to undo it.
    #[schema(inline)]
    changed_between: Option<ChangedBetween>,
    /// With `changedBetween`: only versions of this actor.
    actor: Option<String>,
    /// With `changedBetween`: what happens to later changes; `conflict` by default.
    #[schema(inline)]
    later_changes: Option<LaterChanges>,
    /// With `laterChanges: "merge"`: a document that would keep a change of the window is a conflict.
    #[schema(required = false)]
    strict: bool,
    /// The newest version at or before this time.
    #[schema(inline)]
    as_of: Option<Time>,
    /// The newest version before this time.
    #[schema(inline)]
    before: Option<Time>,
    /// This version, of one document.
    version: Option<String>,
    /// What is in this backup, or in a chain of backups.
    #[schema(inline)]
    from: Option<Locations>,
    /// The only fields to restore.
    #[schema(required = false)]
    fields: Vec<String>,
    /// The fields not to restore.
    #[schema(required = false)]
    except_fields: Vec<String>,
    /// Answer with the plan and write nothing.
    #[schema(required = false)]
    dry_run: bool,
    /// Write conflicts too.
    #[schema(required = false)]
    force: bool,
    /// Delete documents that are known not to have existed at the target.
    #[schema(required = false)]
    delete_created_after: bool,
    /// Write to this container.
    into: Option<String>,
    reason: Option<String>,
    requested_by: Option<String>,
    /// Make it a job.
    #[schema(required = false)]
    job: bool,
    /// With `dryRun`: store the plan.
    #[schema(required = false)]
    store: bool,
    /// The budget of a job in request units a second.
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
}

/// A time: RFC 3339 or as people write it; or seconds since 1970.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Time {
    Text(String),
    Seconds(i64),
}

/// A location of a backup, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Locations {
    One(String),
    Several(Vec<String>),
}

/// Both ends of a window; without `to` it ends now.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedBetween {
    #[schema(inline)]
    from: Time,
    #[schema(inline)]
    to: Option<Time>,
}

/// The state that a filter tests.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FilterOn {
    Target,
    Live,
}

/// What happens to documents that were changed after the window.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum LaterChanges {
    Conflict,
    Keep,
    Overwrite,
    Merge,
}

/// How to undo a restore.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"dryRun": true}))]
pub struct UndoRequest {
    #[schema(required = false)]
    dry_run: bool,
    #[schema(required = false)]
    force: bool,
    reason: Option<String>,
    requested_by: Option<String>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
}

/// What can be said when a plan is executed.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"reason": "release 42"}))]
pub struct ExecuteRequest {
    reason: Option<String>,
    requested_by: Option<String>,
}

/// What a restore does with a document.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Create,
    Replace,
    Merge,
    Delete,
    Unchanged,
    Kept,
    Unknown,
    Conflict,
    Failed,
}

/// A line of a backup.
#[derive(ToSchema)]
pub struct BackupLine {
    #[schema(required = false)]
    backup: u64,
    file: String,
    number: u64,
}

/// What a restore does, or did, with a document.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreItem {
    id: String,
    /// Empty for a line of a backup that names no document.
    partition_key: Vec<Value>,
    action: Action,
    /// The version that is restored.
    #[schema(required = false)]
    version: String,
    #[schema(required = false)]
    backup_line: BackupLine,
    /// The live version that is replaced or deleted.
    #[schema(required = false)]
    replaced_version: String,
    #[schema(required = false)]
    changes: Vec<FieldChange>,
    #[schema(required = false)]
    kept_paths: Vec<String>,
    #[schema(required = false)]
    message: String,
    #[schema(required = false)]
    restored_etag: String,
}

/// The number of documents by action. `merge` and `kept` are absent when they are 0.
#[derive(ToSchema)]
pub struct RestoreCounts {
    create: u64,
    replace: u64,
    #[schema(required = false)]
    merge: u64,
    delete: u64,
    unchanged: u64,
    #[schema(required = false)]
    kept: u64,
    unknown: u64,
    conflict: u64,
    failed: u64,
}

/// How far capture is behind.
#[derive(ToSchema)]
pub struct CaptureLag {
    /// Null if that is not known.
    #[schema(required)]
    changes: Option<i64>,
    #[schema(required = false)]
    oldest: i64,
    #[schema(required = false)]
    message: String,
}

/// A plan, or the outcome of a restore.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// Absent for a dry run.
    #[schema(required = false)]
    id: String,
    state: JobState,
    dry_run: bool,
    counts: RestoreCounts,
    items: Vec<RestoreItem>,
    request_charge: f64,
    #[schema(required = false)]
    capture_lag: CaptureLag,
    #[schema(required = false)]
    warnings: Vec<String>,
    #[schema(required = false)]
    message: String,
    /// The times of the request by their names.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
}

/// A stored restore.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    id: String,
    kind: String,
    state: JobState,
    /// The times of the request by their names, in the answer to the request itself.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
    /// The request, as it is stored.
    request: Value,
    #[schema(required = false)]
    undo_of: String,
    #[schema(required = false)]
    undone_by: String,
    #[schema(required = false)]
    last_undo: String,
    /// The restore of several sources that it is part of.
    #[schema(required = false)]
    joint: String,
    /// Present if it is of several sources: the restore of each.
    #[schema(required = false)]
    members: Vec<JointMember>,
    #[schema(required = false)]
    into: String,
    #[schema(required = false)]
    requested_by: String,
    #[schema(required = false)]
    reason: String,
    started_at: String,
    #[schema(required = false)]
    planned_at: String,
    #[schema(required = false)]
    planned_counts: RestoreCounts,
    #[schema(required = false)]
    capture_lag: CaptureLag,
    #[schema(required = false)]
    warnings: Vec<String>,
    #[schema(required = false)]
    attempt: String,
    #[schema(required = false)]
    finished_at: String,
    counts: RestoreCounts,
    /// The first items; absent in lists.
    #[schema(required = false)]
    items: Vec<RestoreItem>,
    request_charge: f64,
    schema: u32,
    /// Present if it is a job.
    #[schema(required = false)]
    progress: JobProgress,
    /// Present if it is a stored plan.
    #[schema(required = false)]
    forecast: Forecast,
    /// For the next items.
    #[schema(required = false)]
    continuation: String,
    #[schema(required = false)]
    message: String,
}

/// The restore of one of several sources.
#[derive(ToSchema)]
pub struct JointMember {
    source: String,
    #[schema(no_recursion)]
    restore: Restore,
}

/// About what the execution of a plan takes.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    request_units: f64,
    /// The least time within the budget; absent without a budget.
    #[schema(required = false)]
    seconds: f64,
}

/// Restores, newest first, without their items.
#[derive(ToSchema)]
pub struct RestoreList {
    items: Vec<Restore>,
    #[schema(required = false)]
    continuation: String,
}

/// Items of a restore.
#[derive(ToSchema)]
pub struct RestoreItems {
    items: Vec<RestoreItem>,
    #[schema(required = false)]
    continuation: String,
}
