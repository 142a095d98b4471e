//! What happened in a window of time.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::history::FieldChange;
use super::key::{InterpretedTime, Key, Operation, Window};

/// The versions of a bucket.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its first second, RFC 3339 in UTC.
    from: String,
    /// By operation.
    counts: BTreeMap<String, u64>,
    /// Versions that restores wrote.
    by_restore: u64,
}

/// A field and the versions that changed it.
#[derive(ToSchema)]
pub struct FieldActivity {
    path: String,
    versions: u64,
}

/// A document and its versions.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentActivity {
    id: String,
    partition_key: Key,
    versions: u64,
}

/// An actor and its versions.
#[derive(ToSchema)]
pub struct ActorActivity {
    actor: String,
    versions: u64,
}

/// The versions of a window, counted.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// The buckets, oldest first.
    items: Vec<Bucket>,
    /// The length of a bucket.
    #[schema(example = "1m")]
    bucket: String,
    versions: u64,
    fields: Vec<FieldActivity>,
    fields_sampled: u64,
    documents: Vec<DocumentActivity>,
    actors: Vec<ActorActivity>,
    window: Window,
    #[schema(required = false)]
    warnings: Vec<String>,
    request_charge: f64,
    /// The times of the request by their names.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
}

/// What is known about the document before a version.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Previous {
    Known,
    None,
    Unknown,
}

/// A version, and what it changed.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    version_id: String,
    source: String,
    id: String,
    partition_key: Key,
    source_ts: i64,
    operation: Operation,
    #[schema(required = false)]
    inferred: bool,
    #[schema(required = false)]
    actor: String,
    exact: bool,
    previous: Previous,
    /// JSON Pointers, at most 100.
    paths: Vec<String>,
    /// With `values=true`: the values of the first ten paths, without long ones.
    #[schema(required = false)]
    changes: Vec<FieldChange>,
    /// The number of paths, if it is more than 100.
    #[schema(required = false)]
    paths_total: u64,
    /// The restore that wrote this version.
    #[schema(required = false)]
    by_restore: String,
    #[schema(required = false)]
    requested_by: String,
}

/// The versions of a window.
#[derive(ToSchema)]
pub struct ChangesPage {
    items: Vec<Change>,
    window: Window,
    #[schema(required = false)]
    warnings: Vec<String>,
    #[schema(required = false)]
    continuation: String,
    /// The times of the request by their names.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
}
