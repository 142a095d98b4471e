//! Verifications.

use utoipa::ToSchema;

use super::jobs::{JobProgress, JobState};
use super::key::Key;

/// What to verify.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"pk": "28036", "graceSeconds": 0}))]
pub struct VerifyRequest {
    /// Store what is missing.
    #[schema(required = false)]
    repair: bool,
    /// With `repair`: the verification whose findings are repaired.
    findings_of: Option<String>,
    /// A blob URL: compares the versions with the digests there, and nothing else.
    digests: Option<String>,
    /// Only this partition, a key of one text.
    pk: Option<String>,
    partition_key: Option<Key>,
    /// How far capture may be behind; 60 by default.
    #[schema(maximum = 86_400)]
    grace_seconds: Option<u32>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
    requested_by: Option<String>,
}

/// A verification request, as it is stored.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredVerifyRequest {
    #[schema(required = false)]
    repair: bool,
    #[schema(required = false)]
    findings_of: String,
    #[schema(required = false)]
    digests: String,
    #[schema(required = false)]
    partition_key: Key,
    #[schema(required = false)]
    grace_seconds: u32,
    #[schema(required = false)]
    ru_per_second: f64,
}

/// The kind of a difference.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    Missing,
    NeverCaptured,
    Gone,
    Inexact,
    Incomplete,
    UnknownIdentity,
    Altered,
    Removed,
    Added,
    ChainBroken,
}

/// A difference between live documents and the history, or between the history and its digests.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    kind: FindingKind,
    id: String,
    /// Empty for an unknown identity, a removed version, and a broken chain.
    partition_key: Vec<serde_json::Value>,
    version: String,
    /// The version that a repair stored.
    #[schema(required = false)]
    recorded: String,
    #[schema(required = false)]
    repaired: bool,
    #[schema(required = false)]
    message: String,
}

/// What was verified and found.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyCounts {
    documents: u64,
    versions: u64,
    missing: u64,
    never_captured: u64,
    gone: u64,
    inexact: u64,
    incomplete: u64,
    unknown_identity: u64,
    altered: u64,
    removed: u64,
    added: u64,
    chain_broken: u64,
    repaired: u64,
    pending: u64,
}

/// A verification.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    id: String,
    kind: String,
    state: JobState,
    request: StoredVerifyRequest,
    #[schema(required = false)]
    requested_by: String,
    started_at: String,
    #[schema(required = false)]
    finished_at: String,
    counts: VerifyCounts,
    request_charge: f64,
    schema: u32,
    /// The first findings; absent in lists.
    #[schema(required = false)]
    findings: Vec<Finding>,
    #[schema(required = false)]
    progress: JobProgress,
    /// For the next findings.
    #[schema(required = false)]
    continuation: String,
}

/// Verifications, newest first, without their findings.
#[derive(ToSchema)]
pub struct VerifyList {
    items: Vec<Verify>,
    #[schema(required = false)]
    continuation: String,
}

/// Findings of a verification.
#[derive(ToSchema)]
pub struct Findings {
    items: Vec<Finding>,
    #[schema(required = false)]
    continuation: String,
}
