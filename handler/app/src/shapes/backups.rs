//! Backups.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::jobs::{JobProgress, JobState};
use super::key::InterpretedTime;
use super::restores::Time;

/// A backup to write.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"to": "https://account.blob.core.windows.net/backups/monday"}))]
pub struct BackupRequest {
    /// A blob URL without a SAS.
    to: String,
    /// Back up the documents as of this time.
    #[schema(inline)]
    as_of: Option<Time>,
    /// Documents that match all of these conditions.
    #[schema(required = false)]
    filter: Vec<String>,
    /// The location of the earlier backup that this one continues.
    incremental_from: Option<String>,
    reason: Option<String>,
    requested_by: Option<String>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
}

/// What a backup has so far.
#[derive(ToSchema)]
pub struct BackupCounts {
    documents: u64,
    deletions: u64,
    bytes: u64,
    unknown: u64,
    inexact: u64,
}

/// A backup and its progress.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    id: String,
    state: JobState,
    /// The times of the request by their names, in the answer to the request itself.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
    /// The request, as it is stored.
    request: Value,
    started_at: String,
    #[schema(required = false)]
    finished_at: String,
    counts: BackupCounts,
    request_charge: f64,
    progress: JobProgress,
    /// The only machine that can run it.
    #[schema(required = false)]
    only_on: String,
}

/// Backups, newest first.
#[derive(ToSchema)]
pub struct BackupList {
    items: Vec<Backup>,
    #[schema(required = false)]
    continuation: String,
}

/// Which part of a backup to verify.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupVerifyRequest {
    /// The `continuation` of the answer before.
    continuation: Option<String>,
}

/// The result for a part of a backup.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupVerification {
    /// Always null.
    #[schema(required)]
    manifest: Option<bool>,
    segments: u64,
    documents: u64,
    deletions: u64,
    compressed_bytes: u64,
    damages: Vec<Damage>,
    /// Further damages, which are not listed.
    omitted: u64,
    sound: bool,
    /// For the rest; absent when everything was read.
    #[schema(required = false)]
    continuation: String,
}

/// A damage of a backup. Its other fields depend on `damage`.
#[derive(ToSchema)]
pub struct Damage {
    #[schema(example = "missing")]
    damage: String,
    #[schema(required = false)]
    segment: String,
    #[schema(required = false)]
    segments: u64,
    #[schema(required = false)]
    name: String,
    #[schema(required = false)]
    kind: String,
    #[schema(required = false)]
    message: String,
    #[schema(required = false)]
    stated: Value,
    #[schema(required = false)]
    found: Value,
    #[schema(required = false)]
    allowed: u64,
    #[schema(required = false)]
    known: u64,
    #[schema(required = false)]
    line: u64,
    #[schema(required = false)]
    offset: u64,
}
