//! One change, as the feed delivers it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of the change feed, in the service's own envelope.
///
/// In LatestVersion mode `current` is always there. In AllVersionsAndDeletes mode a delete has no `current`, and
/// `metadata` names the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The document after the change, with the service's system properties (`_ts`, `_etag`, `_lsn`, ...).
    pub current: Option<Value>,
    /// What happened, when the feed tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ChangeMetadata>,
    /// The document before the change, where the container keeps previous images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
}

/// What the feed tells of a change beside the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeMetadata {
    /// The time of the change in seconds since 1970 (conflict resolution timestamp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crts: Option<f64>,
    /// The logical sequence number of the change in its physical partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<i64>,
    /// Only in AllVersionsAndDeletes mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_type: Option<OperationType>,
    /// The logical sequence number of the previous image.
    #[serde(default, rename = "previousImageLSN", skip_serializing_if = "Option::is_none")]
    pub previous_image_lsn: Option<i64>,
    /// Whether a delete was an expiry by time to live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live_expired: Option<bool>,
    /// The id of a deleted document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The partition key of a deleted document, as an object of property and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<Value>,
}

/// The kind of a change in AllVersionsAndDeletes mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperationType {
    /// The document came into being.
    Create,
    /// The document was overwritten.
    Replace,
    /// The document was deleted, or expired.
    Delete,
}

impl Change {
    /// The logical sequence number: from the metadata, or the document's `_lsn`.
    pub fn lsn(&self) -> Option<i64> {
        let from_metadata = self.metadata.as_ref().and_then(|metadata| metadata.lsn);
        from_metadata.or_else(|| self.current.as_ref()?.get("_lsn")?.as_i64())
    }

    /// When it happened: from the metadata, or the document's `_ts`. The service keeps whole seconds.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        let from_metadata = self.metadata.as_ref().and_then(|metadata| metadata.crts).map(|seconds| seconds as i64);
        let seconds = from_metadata.or_else(|| self.current.as_ref()?.get("_ts")?.as_i64())?;
        DateTime::from_timestamp(seconds, 0)
    }
}
