//! Versions and what is read of them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::key::{InterpretedTime, Key, Operation};

/// A version of a document; see `docs/reference/format.md`.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    #[schema(example = "1764239460-0000d826-0000-0200-0000-692817640000")]
    id: String,
    /// The partition key: its value, or the JSON text of several components. Absent if the document has none.
    #[schema(required = false)]
    pk: Value,
    source_id: String,
    partition_key: Key,
    operation: Operation,
    /// Seconds since 1970.
    source_ts: i64,
    #[schema(required = false)]
    lsn: i64,
    #[schema(required = false)]
    etag: String,
    #[schema(required = false)]
    actor: String,
    /// Seconds since 1970.
    #[schema(required = false)]
    expires_at: i64,
    captured_at: String,
    captured_by: String,
    /// Whether `document` is exactly the stored body.
    exact: bool,
    /// True for a delete that the change feed did not report.
    #[schema(required = false)]
    inferred: bool,
    /// The fields that the document had and that are never stored, as JSON Pointers; absent if there are none.
    #[schema(required = false, example = json!(["/password"]))]
    omitted: Vec<String>,
    schema: u32,
    /// The document without system properties; absent for removals.
    #[schema(required = false)]
    document: Value,
    /// The document before the change, if the feed has it.
    #[schema(required = false)]
    previous: Value,
}

/// Versions, newest first.
#[derive(ToSchema)]
pub struct VersionPage {
    items: Vec<Version>,
    /// For the next page; absent on the last.
    #[schema(required = false)]
    continuation: String,
}

/// What is known about a document as of a time.
#[derive(ToSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum AsOf {
    /// It was this version.
    Version {
        version: Box<Version>,
        /// True if it may have been deleted before that time.
        #[schema(required = false)]
        #[serde(rename = "mayBeDeleted")]
        may_be_deleted: bool,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
    /// It did not exist: this version shows it.
    Absent {
        because: String,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
    /// The history does not reach back; it is complete since this second.
    Unknown {
        #[schema(required = false)]
        since: i64,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
}

/// The difference between two states.
#[derive(ToSchema)]
pub struct Difference {
    from: String,
    to: String,
    /// A JSON Patch (RFC 6902).
    patch: Vec<PatchOperation>,
    changes: Vec<FieldChange>,
}

/// An operation of a JSON Patch.
#[derive(ToSchema)]
pub struct PatchOperation {
    #[schema(example = "replace")]
    op: String,
    path: String,
    #[schema(required = false)]
    from: String,
    #[schema(required = false)]
    value: Value,
}

/// A field that differs.
#[derive(ToSchema)]
pub struct FieldChange {
    /// A JSON Pointer.
    #[schema(example = "/city_name")]
    path: String,
    /// Absent if the field was added.
    #[schema(required = false)]
    before: Value,
    /// Absent if the field was removed.
    #[schema(required = false)]
    after: Value,
}

/// Which version set each field.
#[derive(ToSchema)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Blame {
    /// The document exists.
    Version {
        #[serde(rename = "versionId")]
        version_id: String,
        #[serde(rename = "sourceTs")]
        source_ts: i64,
        #[schema(required = false)]
        #[serde(rename = "mayBeDeleted")]
        may_be_deleted: bool,
        #[serde(rename = "versionsRead")]
        versions_read: u64,
        fields: Vec<BlamedField>,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
    /// It does not exist.
    Absent {
        #[schema(required = false)]
        because: String,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
    /// The history does not reach back; it is complete since this second.
    Unknown {
        #[schema(required = false)]
        since: i64,
        /// The times of the request by their names.
        #[schema(required = false)]
        interpreted: BTreeMap<String, InterpretedTime>,
    },
}

/// A leaf of a document and what set it: a version, a version at or before `atOrBefore`, or one that is not known.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlamedField {
    /// A JSON Pointer.
    path: String,
    value: Value,
    #[schema(required = false)]
    version_id: String,
    #[schema(required = false)]
    source_ts: i64,
    #[schema(required = false)]
    operation: Operation,
    #[schema(required = false)]
    actor: String,
    #[schema(required = false)]
    exact: bool,
    /// False for a live document that is not captured yet.
    #[schema(required = false)]
    captured: bool,
    /// The restore that wrote the version.
    #[schema(required = false)]
    by_restore: String,
    #[schema(required = false)]
    requested_by: String,
    #[schema(required = false)]
    at_or_before: String,
    #[schema(required = false)]
    unknown: bool,
}

/// A live document or a version.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchRow {
    #[schema(inline)]
    kind: RowKind,
    source_ts: i64,
    container: String,
    id: String,
    partition_key: Key,
    version_id: String,
    #[schema(required = false)]
    operation: Operation,
    #[schema(required = false)]
    actor: String,
    document: Value,
}

/// The kind of a row.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    Live,
    Version,
}

/// Live documents and versions, oldest first.
#[derive(ToSchema)]
pub struct SearchRows {
    items: Vec<SearchRow>,
    #[schema(required = false)]
    continuation: String,
    /// The times of the request by their names.
    #[schema(required = false)]
    interpreted: BTreeMap<String, InterpretedTime>,
}
