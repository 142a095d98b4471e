//! The lease document, as the .NET change feed processor (version 3) writes it.
//!
//! The names and order of the fields are those of `Microsoft.Azure.Cosmos/src/ChangeFeedProcessor/LeaseManagement` in
//! the .NET SDK. Any instance may acquire a lease without an owner. Every update writes `timestamp`, which decides
//! whether the lease has expired. `ContinuationToken` is the etag of the change feed, including its quotes; it is null
//! until the first checkpoint.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lease_time;
use crate::mode::ChangeFeedMode;
use changefeed_cosmos::later;

/// How long a lease lives without renewal, unless configured or recorded otherwise.
pub(crate) const DEFAULT_EXPIRATION: Duration = Duration::from_secs(60);

/// The lease token is a partition key range id (`"0"`).
pub(crate) const VERSION_PARTITION_KEY_RANGE: i64 = 0;
/// The lease token consists of the bounds of the feed range (`"05C1…-FF"`); EPK stands for effective partition key.
pub(crate) const VERSION_EPK_RANGE: i64 = 1;

const LAST_CHECKPOINT: &str = "LastCheckpoint";
const FAILING_SINCE: &str = "FailingSince";
const FAILURE: &str = "Failure";
const FAILURE_OF: &str = "FailureOf";
const RESET_TO: &str = "ResetTo";
const NOW: &str = "Now";
const HOLDER: &str = "Holder";
const HELD_SINCE: &str = "HeldSince";
const EXPIRATION_INTERVAL_MS: &str = "ExpirationIntervalMs";
const MAX_FAILURE_CHARS: usize = 500;

/// A lease: the owner and the progress of one feed range of the monitored container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// `<prefix>..<lease token>`.
    pub id: String,
    /// 0: `lease_token` is a partition key range id. 1: it consists of the bounds of the feed range.
    #[serde(default)]
    pub version: i64,
    /// The etag of the document, for conditional updates.
    #[serde(rename = "_etag", default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Identifies the feed range within the container.
    #[serde(rename = "LeaseToken")]
    pub lease_token: String,
    /// The feed range; absent in leases of old processors.
    #[serde(rename = "FeedRange", default, skip_serializing_if = "Option::is_none")]
    pub feed_range: Option<RangeEnvelope>,
    /// The instance that owns the lease.
    #[serde(rename = "Owner", default)]
    pub owner: Option<String>,
    /// The continuation token of the last checkpoint, or of the start from now: the etag of the change feed, including its
    /// quotes.
    #[serde(rename = "ContinuationToken", default)]
    pub continuation_token: Option<String>,
    /// Custom properties, which .NET processors preserve and do not use. All values are strings; times are milliseconds since
    /// 1970, `1785585600123 ms`.
    ///
    /// | property | recorded by this crate |
    /// |---|---|
    /// | `Holder`, `HeldSince` | the owner, and when it acquired the lease |
    /// | `ExpirationIntervalMs` | how long the lease lives without renewal |
    /// | `LastCheckpoint` | the time of the last checkpoint |
    /// | `FailingSince`, `Failure` | since when and why the lease makes no progress |
    /// | `FailureOf` | what fails: `handler`, or `read`: the change feed or the lease |
    /// | `ResetTo` | where a reset lease starts |
    /// | `Now` | the continuation token at which a start from now began: while `ContinuationToken` is the same, it is no checkpoint |
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// When the lease was last written.
    #[serde(default, with = "timestamp", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// When the document was last written, in seconds since 1970 by the clock of the service.
    #[serde(rename = "_ts", default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// The change feed mode of the continuation token.
    #[serde(rename = "Mode", default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ChangeFeedMode>,
    /// The partition key value, if the lease container is partitioned by `/partitionKey`: the id of the lease.
    #[serde(rename = "partitionKey", default, skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<String>,
    /// All other fields of the document, which are preserved.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What fails, as an instance records it in its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureOf {
    Handler,
    /// The change feed cannot be read, or the lease cannot be written.
    Read,
}

impl FailureOf {
    fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Read => "read",
        }
    }
}

/// The outer object of `FeedRange` in a lease document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeEnvelope {
    /// The bounds.
    #[serde(rename = "Range")]
    pub range: FeedRange,
}

/// A range of effective partition keys. `min` is inclusive, `max` is exclusive; both are upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FeedRange {
    /// The lower bound; empty for the start of the container.
    pub min: String,
    /// The upper bound; `FF` for the end of the container.
    pub max: String,
}

impl std::fmt::Display for FeedRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.token())
    }
}

impl FeedRange {
    /// Whether `other` is a proper part of this range.
    pub(crate) fn strictly_contains(&self, other: &Self) -> bool {
        self != other && self.min <= other.min && other.max <= self.max
    }

    /// The lease token that consists of the bounds of this range.
    pub(crate) fn token(&self) -> String {
        format!("{}-{}", self.min, self.max)
    }
}

impl Lease {
    /// Reads a lease document. A lease that was migrated from version 2 has its token in `PartitionId`, with or without
    /// `LeaseToken`.
    pub(crate) fn read(mut document: Value) -> Result<Self, serde_json::Error> {
        if let Some(fields) = document.as_object_mut() {
            // System properties of the service are not written back.
            for name in ["_rid", "_self", "_attachments"] {
                fields.remove(name);
            }
            if let Some(token) = fields.get("PartitionId").filter(|token| !token.is_null()).cloned() {
                fields.insert("LeaseToken".to_owned(), token);
            }
        }
        serde_json::from_value(document)
    }

    /// The feed range as recorded, or else as parsed from a lease token that consists of bounds.
    pub fn range(&self) -> Option<FeedRange> {
        if let Some(envelope) = &self.feed_range {
            return Some(envelope.range.clone());
        }
        let (min, max) = self.lease_token.split_once('-')?;
        Some(FeedRange { min: min.to_owned(), max: max.to_owned() })
    }

    /// The partition key value of the lease document: the id, unless .NET before 3.59 wrote a random `partitionKey`.
    pub(crate) fn key(&self) -> &str {
        self.partition_key.as_deref().unwrap_or(&self.id)
    }

    /// Whether the lease has an owner, even if the lease has expired.
    pub(crate) fn is_owned(&self) -> bool {
        !self.owner.as_deref().unwrap_or_default().is_empty()
    }

    /// Whether any instance may acquire the lease at `now`: it has no owner, or the owner has not renewed it for longer
    /// than `expiration`.
    pub fn is_expired(&self, now: DateTime<Utc>, expiration: Duration) -> bool {
        !self.is_owned() || self.is_stale(now, expiration)
    }

    /// Whether the lease was last written more than `duration` before `now`.
    pub(crate) fn is_stale(&self, now: DateTime<Utc>, duration: Duration) -> bool {
        let written = self.timestamp.or_else(|| DateTime::from_timestamp(self.ts?, 0));
        written.is_none_or(|written| later(written, duration) < now)
    }

    /// The change feed mode of the lease.
    pub fn mode(&self) -> ChangeFeedMode {
        self.mode.unwrap_or_default()
    }

    /// Records the new owner, the time, and how long the lease lives without renewal.
    pub(crate) fn record_owner(&mut self, now: DateTime<Utc>, expiration: Duration) {
        self.properties.insert(HOLDER.to_owned(), self.owner.clone().into());
        self.properties.insert(HELD_SINCE.to_owned(), lease_time::write(now));
        self.properties.insert(EXPIRATION_INTERVAL_MS.to_owned(), expiration.as_millis().to_string().into());
    }

    /// Whether the current owner recorded the properties. A .NET processor acquires a lease and leaves them unchanged.
    pub(crate) fn is_recorded_by_owner(&self) -> bool {
        self.owner.is_some() && self.properties.get(HOLDER).and_then(Value::as_str) == self.owner.as_deref()
    }

    /// How long the lease lives without renewal, if its owner recorded that.
    pub(crate) fn expiration(&self) -> Option<Duration> {
        let milliseconds = self.properties.get(EXPIRATION_INTERVAL_MS)?.as_str()?.parse().ok()?;
        Some(Duration::from_millis(milliseconds)).filter(|_| self.is_recorded_by_owner())
    }

    /// When the owner acquired the lease, if the owner is an instance of this crate.
    pub(crate) fn held_since(&self) -> Option<DateTime<Utc>> {
        self.time(HELD_SINCE).filter(|_| self.is_recorded_by_owner())
    }

    /// The time of the last checkpoint, if this crate made it.
    pub fn last_checkpoint(&self) -> Option<DateTime<Utc>> {
        self.time(LAST_CHECKPOINT)
    }

    /// Since when and why the lease makes no progress, if it failed more than once in a row.
    pub fn failure(&self) -> Option<(DateTime<Utc>, &str)> {
        Some((self.time(FAILING_SINCE)?, self.properties.get(FAILURE)?.as_str()?))
    }

    /// What makes no progress, if the lease failed more than once in a row.
    pub(crate) fn failure_of(&self) -> FailureOf {
        let recorded = self.properties.get(FAILURE_OF).and_then(Value::as_str);
        if recorded == Some(FailureOf::Read.name()) { FailureOf::Read } else { FailureOf::Handler }
    }

    /// Where a reset lease starts.
    pub(crate) fn reset_to(&self) -> Option<DateTime<Utc>> {
        self.time(RESET_TO)
    }

    /// The continuation token at which a start from now begins, if it is recorded.
    pub(crate) fn start_from_now(&self) -> Option<&str> {
        self.properties.get(NOW)?.as_str()
    }

    /// Removes the continuation token at which a start from now begins.
    pub(crate) fn forget_start_from_now(&mut self) {
        self.properties.remove(NOW);
    }

    /// Records the continuation token at which a start from now begins. A .NET processor that takes the lease over continues
    /// there, too, unless the lease is written `as_dotnet`: such a processor stores no continuation token before its first batch.
    pub(crate) fn record_start_from_now(&mut self, continuation: &str, as_dotnet: bool) {
        self.properties.insert(NOW.to_owned(), continuation.into());
        if !as_dotnet {
            self.continuation_token = Some(continuation.to_owned());
        }
    }

    /// The continuation token of the last checkpoint; `None` while the lease has only that of its start from now.
    pub(crate) fn checkpointed(&self) -> Option<&str> {
        self.continuation_token.as_deref().filter(|token| self.start_from_now() != Some(*token))
    }

    /// Removes the continuation token and what was recorded about it. The lease starts at `to`, if given.
    pub(crate) fn reset(&mut self, to: Option<DateTime<Utc>>) {
        for name in [LAST_CHECKPOINT, FAILING_SINCE, FAILURE, FAILURE_OF, RESET_TO, NOW] {
            self.properties.remove(name);
        }
        self.continuation_token = None;
        if let Some(time) = to {
            self.properties.insert(RESET_TO.to_owned(), lease_time::write(time));
        }
    }

    /// Sets the continuation token.
    pub(crate) fn checkpoint(&mut self, continuation: &str, now: DateTime<Utc>) {
        self.reset(None);
        self.continuation_token = Some(continuation.to_owned());
        self.properties.insert(LAST_CHECKPOINT.to_owned(), lease_time::write(now));
    }

    /// Records why the lease makes no progress; `None` once it makes progress again.
    pub(crate) fn record_failure(&mut self, failure: Option<(FailureOf, &str)>, now: DateTime<Utc>) {
        let Some((of, failure)) = failure else {
            for name in [FAILING_SINCE, FAILURE, FAILURE_OF] {
                self.properties.remove(name);
            }
            return;
        };
        self.properties.insert(FAILURE_OF.to_owned(), of.name().into());
        if self.time(FAILING_SINCE).is_none() {
            self.properties.insert(FAILING_SINCE.to_owned(), lease_time::write(now));
        }
        let failure: String = failure.chars().take(MAX_FAILURE_CHARS).collect();
        self.properties.insert(FAILURE.to_owned(), failure.into());
    }

    fn time(&self, property: &str) -> Option<DateTime<Utc>> {
        lease_time::read(self.properties.get(property)?)
    }
}

mod timestamp {
    use super::{DateTime, Utc};
    use chrono::SecondsFormat;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(time) => serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            // Some processors write a time without a time zone; it is UTC.
            DateTime::parse_from_rfc3339(&text)
                .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z")))
                .map(|time| time.to_utc())
                .map_err(serde::de::Error::custom)
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_that_dotnet_wrote_is_read_and_written_back_with_the_same_fields() {
        for version in [
            json!({"id": "a_b_c..0", "version": 0, "_etag": "\"1\"", "LeaseToken": "0",
                "FeedRange": {"Range": {"min": "", "max": "FF"}}, "Owner": "5c1c6b1e", "ContinuationToken": "\"1234\"",
                "properties": {}, "timestamp": "2026-08-01T12:00:00.123456Z", "_ts": 1785585600, "Mode": "Incremental Feed"}),
            json!({"id": "a_b_c..05C1-FF", "version": 1, "_etag": "\"1\"", "LeaseToken": "05C1-FF", "Owner": null,
                "ContinuationToken": null, "properties": {}, "timestamp": "2026-08-01T12:00:00.123456Z"}),
        ] {
            let lease = Lease::read(version.clone()).expect("lease");
            assert_eq!(serde_json::to_value(&lease).expect("json"), version);
        }
    }

    #[test]
    fn a_lease_migrated_from_version_2_has_its_token_in_partition_id_and_keeps_it() {
        for fields in [json!({"PartitionId": "3"}), json!({"LeaseToken": "3", "PartitionId": "3"})] {
            let mut document = json!({"id": "x..3", "timestamp": "2026-08-01T12:00:00.1234567Z"});
            document.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
            let lease = Lease::read(document).expect("lease");
            assert_eq!((lease.lease_token.as_str(), lease.range()), ("3", None));
            let written = serde_json::to_value(&lease).expect("json");
            assert_eq!((&written["LeaseToken"], &written["PartitionId"]), (&json!("3"), &json!("3")));
        }
    }

    #[test]
    fn unknown_fields_are_preserved_and_system_properties_are_not() {
        let document =
            json!({"id": "x..3", "LeaseToken": "3", "new": {"a": [1]}, "_rid": "r", "_self": "s", "_attachments": "a"});
        let written = serde_json::to_value(Lease::read(document).expect("lease")).expect("json");
        assert_eq!(written["new"], json!({"a": [1]}));
        assert!(written.as_object().expect("object").keys().all(|name| !name.starts_with('_')), "{written}");
    }

    #[test]
    fn a_lease_expires_by_its_timestamp_or_else_by_ts() {
        let now = DateTime::parse_from_rfc3339("2026-08-01T12:01:00Z").expect("time").to_utc();
        let minute = Duration::from_secs(60);
        let lease = |fields: Value| -> Lease {
            let mut document = json!({"id": "x..0", "LeaseToken": "0", "Owner": "me"});
            document.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
            Lease::read(document).expect("lease")
        };
        assert!(!lease(json!({"timestamp": "2026-08-01T12:00:00Z"})).is_expired(now, minute));
        assert!(lease(json!({"timestamp": "2026-08-01T11:59:59Z"})).is_expired(now, minute));
        assert!(!lease(json!({"_ts": now.timestamp() - 59})).is_expired(now, minute));
        assert!(lease(json!({"_ts": now.timestamp() - 61})).is_expired(now, minute));
        assert!(lease(json!({"Owner": "", "_ts": now.timestamp()})).is_expired(now, minute));
        assert!(!lease(json!({"timestamp": "2026-08-01T11:59:59Z"})).is_expired(now, Duration::MAX), "no overflow");
    }

    #[test]
    fn a_lease_records_its_failure_until_the_next_checkpoint() {
        let mut lease =
            Lease::read(json!({"id": "x..0", "LeaseToken": "0", "properties": {"mine": "kept"}})).expect("lease");
        let time = |seconds| DateTime::from_timestamp(seconds, 0).expect("time");
        lease.record_failure(Some((FailureOf::Read, "first")), time(10));
        assert_eq!(lease.failure_of(), FailureOf::Read);
        lease.record_failure(Some((FailureOf::Handler, "second")), time(20));
        assert_eq!(lease.failure_of(), FailureOf::Handler);
        assert_eq!((lease.failure(), lease.last_checkpoint()), (Some((time(10), "second")), None));
        lease.checkpoint("\"7\"", time(30));
        assert_eq!((lease.failure(), lease.last_checkpoint()), (None, Some(time(30))));
        lease.reset(Some(time(5)));
        assert_eq!((lease.continuation_token.as_deref(), lease.reset_to()), (None, Some(time(5))));
        lease.checkpoint("\"8\"", time(40));
        assert_eq!((lease.reset_to(), &lease.properties["mine"]), (None, &json!("kept")));
        // A .NET processor has rewritten the time.
        lease.properties.insert(FAILING_SINCE.to_owned(), json!("01/01/1970 00:00:45"));
        lease.properties.insert(FAILURE.to_owned(), json!("reads: second"));
        assert_eq!(lease.failure().map(|(since, _)| since), Some(time(45)));
        // A value that cannot be read is overwritten.
        lease.properties.insert(FAILING_SINCE.to_owned(), json!("in the summer"));
        lease.record_failure(Some((FailureOf::Read, "third")), time(50));
        assert_eq!(lease.failure(), Some((time(50), "third")));
    }

    #[test]
    fn a_start_from_now_is_no_checkpoint_until_the_first_one() {
        let mut lease = Lease::read(json!({"id": "x..0", "LeaseToken": "0"})).expect("lease");
        lease.record_start_from_now("\"5\"", false);
        assert_eq!((lease.continuation_token.as_deref(), lease.checkpointed()), (Some("\"5\""), None));
        // A .NET processor leaves the property where it is.
        lease.continuation_token = Some("\"6\"".to_owned());
        assert_eq!(lease.checkpointed(), Some("\"6\""));
        lease.checkpoint("\"7\"", DateTime::UNIX_EPOCH);
        assert_eq!((lease.checkpointed(), lease.start_from_now()), (Some("\"7\""), None));
    }
}
