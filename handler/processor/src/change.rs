//! A change, as the change feed delivers it.

use changefeed_cosmos::FEED_LSN;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::ChangeFeedMode;

/// One entry of the change feed, in the service's own envelope.
///
/// In LatestVersion mode `current` is always present. In AllVersionsAndDeletes mode a delete has no `current`, and
/// `metadata` identifies the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The document after the change, with the service's system properties (`_ts`, `_etag`, `_lsn`, ...).
    pub current: Option<Value>,
    /// The kind of the change, its time and its sequence number, if the service sends them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ChangeMetadata>,
    /// The document before the change, if the container has previous images enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
}

/// What the change feed reports about a change besides the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeMetadata {
    /// The conflict resolution timestamp: the time of the change in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crts: Option<f64>,
    /// The logical sequence number of the change in its physical partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<i64>,
    /// The kind of the change; only in AllVersionsAndDeletes mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_type: Option<OperationType>,
    /// The logical sequence number of the previous image.
    #[serde(default, rename = "previousImageLSN", skip_serializing_if = "Option::is_none")]
    pub previous_image_lsn: Option<i64>,
    /// Whether the document was deleted because its time to live expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live_expired: Option<bool>,
    /// The id of a deleted document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The partition key of a deleted document, as an object of property names and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<Value>,
}

/// The kind of a change in AllVersionsAndDeletes mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperationType {
    /// The document was created.
    Create,
    /// The document was replaced.
    Replace,
    /// The document was deleted or expired.
    Delete,
}

impl Change {
    /// The change as the Functions host delivers it: the document, or in AllVersionsAndDeletes mode the envelope. Where the document has
    /// another `_lsn` than the metadata, the envelope distinguishes them.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn payload(&self, mode: ChangeFeedMode) -> Result<Box<RawValue>, serde_json::Error> {
        match (mode, &self.current) {
            (ChangeFeedMode::LatestVersion, Some(document)) if !self.has_own_lsn(document) => to_raw_value(document),
            _ => to_raw_value(self),
        }
    }

    fn has_own_lsn(&self, document: &Value) -> bool {
        let in_metadata = self.metadata.as_ref().and_then(|metadata| metadata.lsn);
        in_metadata.is_some() && document.get(FEED_LSN).is_some_and(|own| own.as_i64() != in_metadata)
    }

    /// The logical sequence number, from the metadata or else from the document's `_lsn`.
    pub fn lsn(&self) -> Option<i64> {
        let from_metadata = self.metadata.as_ref().and_then(|metadata| metadata.lsn);
        from_metadata.or_else(|| self.current.as_ref()?.get(FEED_LSN)?.as_i64())
    }

    /// The time of the change in whole seconds, from the metadata or else from the document's `_ts`.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        let from_metadata = self.metadata.as_ref().and_then(|metadata| metadata.crts).map(|seconds| seconds as i64);
        let seconds = from_metadata.or_else(|| self.current.as_ref()?.get("_ts")?.as_i64())?;
        DateTime::from_timestamp(seconds, 0)
    }
}
