//! Erasures.

use utoipa::ToSchema;

use super::jobs::{JobProgress, JobState};
use super::key::{DocumentName, Key};

/// Which documents to erase: `id` with `pk` or `partitionKey`, or `documents`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "28036", "pk": "28036", "dryRun": true}))]
pub struct ErasureRequest {
    /// One document, with `pk` or `partitionKey`.
    id: Option<String>,
    /// A partition key of one text.
    pk: Option<String>,
    partition_key: Option<Key>,
    /// Up to 1,000 documents.
    documents: Option<Vec<DocumentName>>,
    /// Leave the live documents; they are no longer captured.
    #[schema(required = false)]
    keep_live: bool,
    /// Count what would be removed, and remove nothing.
    #[schema(required = false)]
    dry_run: bool,
    /// The number of documents again; a dry run needs none.
    confirm: Option<u64>,
    reason: Option<String>,
    requested_by: Option<String>,
    #[schema(minimum = 10, maximum = 10_000_000)]
    ru_per_second: Option<f64>,
}

/// The documents whose erasure is lifted, as in a request to erase them.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "28036", "pk": "28036", "confirm": 1}))]
pub struct LiftRequest {
    id: Option<String>,
    pk: Option<String>,
    partition_key: Option<Key>,
    /// Up to 1,000 documents.
    documents: Option<Vec<DocumentName>>,
    /// The number of documents again.
    confirm: Option<u64>,
    reason: Option<String>,
    requested_by: Option<String>,
}

/// The outcome of lifting.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifted {
    /// The id of the record.
    id: String,
    /// Documents that were erased.
    lifted: u64,
    /// Documents that were not.
    not_erased: u64,
}

/// A request as it is stored, without the names of documents.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredErasureRequest {
    /// The number of documents.
    documents: u64,
    #[schema(required = false)]
    keep_live: bool,
    #[schema(required = false)]
    dry_run: bool,
    /// It lifted erasures.
    #[schema(required = false)]
    lift: bool,
    #[schema(required = false)]
    ru_per_second: f64,
}

/// What was removed, or would be removed by a dry run.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EraseCounts {
    /// Live documents.
    live: u64,
    versions: u64,
    /// Parts of versions that are too large for one item.
    parts: u64,
    dead_letters: u64,
    /// Records and pages of jobs that named a document, and no longer do.
    records: u64,
    /// Parts of records that were never completed.
    leftovers: u64,
    /// Live documents that the service cannot delete.
    not_deleted: u64,
    /// Damaged records, which could not be searched.
    unreadable: u64,
}

/// A backup that may hold the documents.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldingBackup {
    id: String,
    to: String,
    started_at: String,
    /// When it is deleted; absent: it is kept until it is deleted.
    #[schema(required = false)]
    kept_until: String,
}

/// How long the continuous backup and the all-versions feed of the service may hold what was erased.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceCopies {
    until_with_seven_days: String,
    until_with_thirty_days: String,
}

/// An erasure. When it has ended, it is the receipt.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    id: String,
    kind: String,
    state: JobState,
    request: StoredErasureRequest,
    /// The HMACs of the documents' names.
    #[schema(required = false)]
    erased: Vec<String>,
    /// When they were recorded, in seconds since 1970.
    #[schema(required = false)]
    registered_second: i64,
    #[schema(required = false)]
    requested_by: String,
    #[schema(required = false)]
    reason: String,
    started_at: String,
    #[schema(required = false)]
    finished_at: String,
    counts: EraseCounts,
    request_charge: f64,
    schema: u32,
    #[schema(required = false)]
    progress: JobProgress,
    /// Absent in lists.
    #[schema(required = false)]
    backups: Vec<HoldingBackup>,
    #[schema(required = false)]
    service: ServiceCopies,
}

/// Erasures, newest first.
#[derive(ToSchema)]
pub struct ErasureList {
    items: Vec<Erasure>,
    #[schema(required = false)]
    continuation: String,
}
