//! Digests of the history.

use serde_json::Value;
use utoipa::ToSchema;

use super::jobs::{JobProgress, JobState};

/// Digests to write.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"to": "https://account.blob.core.windows.net/backups"}))]
pub struct DigestRequest {
    /// A blob URL without a SAS.
    to: String,
    /// How many seconds an hour is over before it is written; 900 by default.
    #[schema(maximum = 86_400)]
    grace_seconds: Option<u32>,
    requested_by: Option<String>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
}

/// What was added to the chain since the job began.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigestCounts {
    files: u64,
    versions: u64,
    removals: u64,
    /// The time before which the chain is complete.
    #[schema(required = false)]
    complete_until: String,
}

/// A job that writes digests, and its progress.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Digests {
    id: String,
    state: JobState,
    /// The request, as it is stored.
    request: Value,
    started_at: String,
    #[schema(required = false)]
    finished_at: String,
    counts: DigestCounts,
    request_charge: f64,
    progress: JobProgress,
    /// The only machine that can run it.
    #[schema(required = false)]
    only_on: String,
}

/// Jobs that write digests, newest first.
#[derive(ToSchema)]
pub struct DigestsList {
    items: Vec<Digests>,
    #[schema(required = false)]
    continuation: String,
}
