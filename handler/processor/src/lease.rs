//! The lease document, as the .NET change feed processor (version 3) writes it.
//!
//! Source of names and order: `Microsoft.Azure.Cosmos/src/ChangeFeedProcessor/LeaseManagement` of the .NET SDK.
//! A lease without an owner is free. `timestamp` is written on every update and decides whether a lease has expired;
//! `ContinuationToken` is the feed's etag, quotes included, and stays away until the first checkpoint.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::later;
use crate::mode::ChangeFeedMode;

/// After what time without renewal a lease is free for others, where nothing else is set or noted.
pub(crate) const DEFAULT_EXPIRATION: Duration = Duration::from_secs(60);

/// A lease keyed by a partition key range id (`"0"`).
pub(crate) const VERSION_PARTITION_KEY_RANGE: i64 = 0;
/// A lease keyed by the bounds of its range (`"05C1…-FF"`).
pub(crate) const VERSION_EPK_RANGE: i64 = 1;

const LAST_CHECKPOINT: &str = "LastCheckpoint";
const FAILING_SINCE: &str = "FailingSince";
const FAILURE: &str = "Failure";
const RESET_TO: &str = "ResetTo";
const NOW: &str = "Now";
const HOLDER: &str = "Holder";
const HELD_SINCE: &str = "HeldSince";
const EXPIRATION_INTERVAL_MS: &str = "ExpirationIntervalMs";
const MAX_FAILURE_CHARS: usize = 500;

/// A lease: who reads which range of the monitored container, and how far that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// `<prefix>..<lease token>`.
    pub id: String,
    /// 0: `lease_token` is a partition key range id; 1: it is the bounds of the range.
    #[serde(default)]
    pub version: i64,
    /// The etag of the document, for conditional updates.
    #[serde(rename = "_etag", default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Names the range within the container.
    #[serde(rename = "LeaseToken")]
    pub lease_token: String,
    /// The range; absent on leases of old processors.
    #[serde(rename = "FeedRange", default, skip_serializing_if = "Option::is_none")]
    pub feed_range: Option<RangeEnvelope>,
    /// The instance that holds the lease.
    #[serde(rename = "Owner", default)]
    pub owner: Option<String>,
    /// The feed's etag after the last checkpoint, quotes included.
    #[serde(rename = "ContinuationToken", default)]
    pub continuation_token: Option<String>,
    /// Texts that .NET processors keep and do not read. This crate notes there who holds the lease, since when, and
    /// after how many milliseconds without renewal no more (`Holder`, `HeldSince`, `ExpirationIntervalMs`), when it last
    /// moved forward (`LastCheckpoint`), since when and why it does not (`FailingSince`, `Failure`), where to start
    /// again (`ResetTo`), and the continuation token that a start from now means (`Now`); times are RFC 3339.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// When the lease was last written.
    #[serde(default, with = "timestamp", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// When the service last wrote the document, in seconds since 1970.
    #[serde(rename = "_ts", default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// The mode of the feed that the continuation token is of.
    #[serde(rename = "Mode", default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ChangeFeedMode>,
    /// The value of the lease container's key when that is `/partitionKey`: the id.
    #[serde(rename = "partitionKey", default, skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<String>,
    /// Whatever else the document has, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The outer object of `FeedRange` in a lease document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeEnvelope {
    /// The bounds.
    #[serde(rename = "Range")]
    pub range: FeedRange,
}

/// A range of effective partition keys, `min` inclusive and `max` exclusive, in upper-case hexadecimal digits.
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
    /// Whether `other` is a part of this range, and not all of it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        self != other && self.min <= other.min && other.max <= self.max
    }

    /// The lease token of a lease keyed by range.
    pub(crate) fn token(&self) -> String {
        format!("{}-{}", self.min, self.max)
    }
}

impl Lease {
    /// Reads a lease document. One that was migrated from version 2 has its token as `PartitionId`, beside or instead of
    /// `LeaseToken`.
    pub(crate) fn read(mut document: Value) -> Result<Self, serde_json::Error> {
        if let Some(fields) = document.as_object_mut() {
            // The service's own, of no use in a replace.
            for name in ["_rid", "_self", "_attachments"] {
                fields.remove(name);
            }
            if let Some(token) = fields.get("PartitionId").filter(|token| !token.is_null()).cloned() {
                fields.insert("LeaseToken".to_owned(), token);
            }
        }
        serde_json::from_value(document)
    }

    /// The range of a lease: as recorded, or read out of the token of a lease that is keyed by range.
    pub fn range(&self) -> Option<FeedRange> {
        if let Some(envelope) = &self.feed_range {
            return Some(envelope.range.clone());
        }
        let (min, max) = self.lease_token.split_once('-')?;
        Some(FeedRange { min: min.to_owned(), max: max.to_owned() })
    }

    /// The value of the lease container's key: the id, except where .NET before 3.59 wrote a random `partitionKey`.
    pub(crate) fn key(&self) -> &str {
        self.partition_key.as_deref().unwrap_or(&self.id)
    }

    /// Whether nobody holds the lease at `now`: it has no owner, or the owner has not renewed it for `expiration`.
    pub fn is_expired(&self, now: DateTime<Utc>, expiration: Duration) -> bool {
        self.owner.as_deref().unwrap_or_default().is_empty() || self.is_older(now, expiration)
    }

    /// Whether the lease was not written for `duration`.
    pub(crate) fn is_older(&self, now: DateTime<Utc>, duration: Duration) -> bool {
        let written = self.timestamp.or_else(|| DateTime::from_timestamp(self.ts?, 0));
        written.is_none_or(|written| later(written, duration) < now)
    }

    /// The mode of the feed that the bookmark is of.
    pub fn mode(&self) -> ChangeFeedMode {
        self.mode.unwrap_or_default()
    }

    /// Notes who takes the lease, when, and for how long without renewal.
    pub(crate) fn note_holder(&mut self, now: DateTime<Utc>, expiration: Duration) {
        self.properties.insert(HOLDER.to_owned(), self.owner.clone().into());
        self.properties.insert(HELD_SINCE.to_owned(), rfc3339(now));
        self.properties.insert(EXPIRATION_INTERVAL_MS.to_owned(), expiration.as_millis().to_string().into());
    }

    /// Whether what is noted of a holder is of the owner. Processors of other makes leave the notes as they are.
    pub(crate) fn is_noted_by_owner(&self) -> bool {
        self.owner.is_some() && self.properties.get(HOLDER).and_then(Value::as_str) == self.owner.as_deref()
    }

    /// After what time without renewal the lease is free for others, if its owner noted it.
    pub(crate) fn expiration(&self) -> Option<Duration> {
        let noted = self.properties.get(EXPIRATION_INTERVAL_MS)?.as_str()?.parse().ok()?;
        Some(Duration::from_millis(noted)).filter(|_| self.is_noted_by_owner())
    }

    /// Since when the owner has held the lease, if it is an instance of this crate.
    pub(crate) fn held_since(&self) -> Option<DateTime<Utc>> {
        self.time(HELD_SINCE).filter(|_| self.is_noted_by_owner())
    }

    /// When the lease last moved forward, if this crate moved it.
    pub fn last_checkpoint(&self) -> Option<DateTime<Utc>> {
        self.time(LAST_CHECKPOINT)
    }

    /// Since when and why the lease does not move forward, if it was tried more than once.
    pub fn failure(&self) -> Option<(DateTime<Utc>, &str)> {
        Some((self.time(FAILING_SINCE)?, self.properties.get(FAILURE)?.as_str()?))
    }

    /// Where a lease that was set back starts.
    pub(crate) fn reset_to(&self) -> Option<DateTime<Utc>> {
        self.time(RESET_TO)
    }

    /// Where a start from now begins, if that was fixed already.
    pub(crate) fn now(&self) -> Option<&str> {
        self.properties.get(NOW)?.as_str()
    }

    /// Fixes where a start from now begins.
    pub(crate) fn fix_now(&mut self, continuation: &str) {
        self.properties.insert(NOW.to_owned(), continuation.into());
    }

    /// Forgets the bookmark, and how it was to go on from there.
    pub(crate) fn reset(&mut self, to: Option<DateTime<Utc>>) {
        for name in [LAST_CHECKPOINT, FAILING_SINCE, FAILURE, RESET_TO, NOW] {
            self.properties.remove(name);
        }
        self.continuation_token = None;
        if let Some(time) = to {
            self.properties.insert(RESET_TO.to_owned(), rfc3339(time));
        }
    }

    /// Moves the bookmark to `continuation`.
    pub(crate) fn move_to(&mut self, continuation: &str, now: DateTime<Utc>) {
        self.reset(None);
        self.continuation_token = Some(continuation.to_owned());
        self.properties.insert(LAST_CHECKPOINT.to_owned(), rfc3339(now));
    }

    /// Notes why the lease does not move forward, or that it does again.
    pub(crate) fn note_failure(&mut self, failure: Option<&str>, now: DateTime<Utc>) {
        let Some(failure) = failure else {
            self.properties.remove(FAILING_SINCE);
            self.properties.remove(FAILURE);
            return;
        };
        self.properties.entry(FAILING_SINCE).or_insert_with(|| rfc3339(now));
        let failure: String = failure.chars().take(MAX_FAILURE_CHARS).collect();
        self.properties.insert(FAILURE.to_owned(), failure.into());
    }

    fn time(&self, property: &str) -> Option<DateTime<Utc>> {
        Some(DateTime::parse_from_rfc3339(self.properties.get(property)?.as_str()?).ok()?.to_utc())
    }
}

fn rfc3339(time: DateTime<Utc>) -> Value {
    Value::from(time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

mod timestamp {
    use super::{DateTime, SecondsFormat, Utc};
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
            // A local time without a zone, as some writers leave it, is taken as UTC.
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
    fn a_lease_migrated_from_version_2_names_its_range_partition_id_and_keeps_it() {
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
    fn fields_that_are_not_known_are_kept_and_those_of_the_service_are_not() {
        let document =
            json!({"id": "x..3", "LeaseToken": "3", "new": {"a": [1]}, "_rid": "r", "_self": "s", "_attachments": "a"});
        let written = serde_json::to_value(Lease::read(document).expect("lease")).expect("json");
        assert_eq!(written["new"], json!({"a": [1]}));
        assert!(written.as_object().expect("object").keys().all(|name| !name.starts_with('_')), "{written}");
    }

    #[test]
    fn a_lease_expires_by_its_timestamp_and_by_ts_when_it_has_none() {
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
    fn a_lease_notes_its_failure_until_it_moves_on() {
        let mut lease =
            Lease::read(json!({"id": "x..0", "LeaseToken": "0", "properties": {"mine": "kept"}})).expect("lease");
        let time = |seconds| DateTime::from_timestamp(seconds, 0).expect("time");
        lease.note_failure(Some("first"), time(10));
        lease.note_failure(Some("second"), time(20));
        assert_eq!((lease.failure(), lease.last_checkpoint()), (Some((time(10), "second")), None));
        lease.move_to("\"7\"", time(30));
        assert_eq!((lease.failure(), lease.last_checkpoint()), (None, Some(time(30))));
        lease.reset(Some(time(5)));
        assert_eq!((lease.continuation_token.as_deref(), lease.reset_to()), (None, Some(time(5))));
        lease.move_to("\"8\"", time(40));
        assert_eq!((lease.reset_to(), &lease.properties["mine"]), (None, &json!("kept")));
    }
}
