//! The record of a document that can never be stored as a version. `docs/reference/format.md` specifies it.

use changefeed_cosmos::{Error, FieldPath, Item, SourceName, split_large_record, timestamp};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use sha2::{Digest, Sha256};

use crate::observed::{Batch, Unusable};
use crate::omitted_fields::outermost;
use crate::storable_payload::StorablePayload;
use crate::version::SCHEMA;

/// A payload, and why it could not be stored as a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Follows from the source and the payload alone: a document that is delivered again is the same dead letter.
    pub id: String,
    /// The reason for programs, as of the last attempt: `not-json`, `not-an-object`, `no-id`, `invalid-id`, `invalid-key`, `no-etag`,
    /// `no-time`, `refused`, `unknown-identity`.
    pub reason: String,
    /// The reason for display.
    pub message: String,
    /// The function that received it.
    pub function: String,
    /// The invocation that delivered it.
    pub invocation_id: String,
    /// When it was delivered, RFC 3339 in UTC with milliseconds.
    pub captured_at: String,
    /// Whether values may have been rewritten in transit: the Functions host rewrites date-time strings. Records without this field
    /// all came through the host.
    #[serde(default = "through_host")]
    pub rewritten_by_host: bool,
    /// The number of replays that failed.
    #[serde(default)]
    pub attempts: u32,
    /// When the last replay failed, RFC 3339 in UTC with milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempted_at: Option<String>,
    /// The fields that the payload had when it was delivered and that are never stored.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub omitted: Vec<FieldPath>,
    /// Whether the payload is not stored: it could not be read, so that fields that are never stored could not be removed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub without_payload: bool,
    /// The format of the record.
    pub schema: u32,
    /// The JSON text as it was delivered, without the fields that are never stored; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<String>,
}

/// The fields of a dead letter in a list.
pub(crate) const LISTED_FIELDS: [&str; 12] = [
    "id",
    "reason",
    "message",
    "function",
    "invocationId",
    "capturedAt",
    "rewrittenByHost",
    "attempts",
    "attemptedAt",
    "omitted",
    "withoutPayload",
    "schema",
];

/// The id of a dead letter. The container is shared, and two sources may be delivered the same text.
fn id_of(source: &SourceName, payload: &str) -> String {
    let mut digest = Sha256::new();
    if !source.is_default() {
        digest.update(format!("{source}\n"));
    }
    hex::encode(digest.chain_update(payload).finalize())
}

fn through_host() -> bool {
    true
}

impl DeadLetter {
    pub(crate) fn new(
        source: &SourceName,
        payload: &StorablePayload<'_>,
        unusable: &Unusable,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: id_of(source, payload.identity()),
            reason: unusable.code.to_owned(),
            message: unusable.message.clone(),
            function: batch.function.clone(),
            invocation_id: batch.invocation_id.clone(),
            captured_at: timestamp(now),
            rewritten_by_host: batch.rewritten_by_host,
            attempts: 0,
            attempted_at: None,
            omitted: payload.omitted().to_vec(),
            without_payload: payload.text().is_none(),
            schema: SCHEMA,
            payload: payload.text().map(str::to_owned),
        }
    }

    /// The same dead letter in another source, with what of its payload may be stored there.
    pub(crate) fn in_source(self, source: &SourceName, payload: &StorablePayload<'_>) -> Self {
        Self {
            id: id_of(source, payload.identity()),
            omitted: outermost([&self.omitted, payload.omitted()].concat()),
            without_payload: payload.text().is_none(),
            payload: payload.text().map(str::to_owned),
            ..self
        }
    }

    pub(crate) fn items(&self) -> Result<Vec<Item>, Error> {
        split_large_record(self, &self.id, &["payload"], &Map::new())
    }

    /// The batch in which it was delivered.
    pub(crate) fn batch(&self) -> Batch {
        Batch {
            function: self.function.clone(),
            invocation_id: self.invocation_id.clone(),
            rewritten_by_host: self.rewritten_by_host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn a_dead_letter_is_read_back_as_it_was_written(payload in any::<String>(), message in any::<String>(), host in any::<bool>()) {
            let batch = Batch { function: "f".into(), invocation_id: "i".into(), rewritten_by_host: host };
            let source = SourceName::default();
            let letter = DeadLetter::new(&source, &StorablePayload::of(&payload, &Default::default()), &Unusable { code: "no-id", message }, &batch, DateTime::UNIX_EPOCH);
            let items = letter.items().expect("items");
            prop_assert_eq!(serde_json::from_str::<DeadLetter>(items[0].text()).expect("letter"), letter);
        }
    }

    #[test]
    fn the_same_payload_is_another_dead_letter_in_another_source() {
        let (default, orders) = (SourceName::default(), "orders".parse().expect("a name"));
        assert_eq!(id_of(&default, "{}"), hex::encode(Sha256::digest("{}")));
        assert_ne!(id_of(&default, "{}"), id_of(&orders, "{}"));
        assert_eq!(id_of(&orders, "{}").len(), 64);
    }

    #[test]
    fn a_record_without_the_fields_of_replays_came_through_the_host_and_was_never_replayed() {
        let old = json!({"id": "ab", "reason": "no-id", "message": "m", "function": "CosmosChangeFeed", "invocationId": "i",
            "capturedAt": "2026-01-01T00:00:00.000Z", "schema": 1, "payload": "{}"});
        let letter: DeadLetter = serde_json::from_value(old).expect("letter");
        assert!(letter.rewritten_by_host && letter.attempts == 0 && letter.payload.as_deref() == Some("{}"));
    }
}
