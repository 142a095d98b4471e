//! The record of a version in the changes container. `docs/reference/format.md` specifies it.

use std::cmp::Ordering;

use changefeed_cosmos::{FieldPath, Key, KeyComponent};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::version_id::VersionId;

/// The number of the format that this version of the program writes.
pub const SCHEMA: u32 = 1;

/// What happened to the source document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Created or replaced: LatestVersion mode does not distinguish them.
    Write,
    /// Created.
    Create,
    /// Replaced.
    Replace,
    /// Deleted.
    Delete,
    /// Deleted by time to live.
    Expire,
}

impl Operation {
    /// The name in records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Expire => "expire",
        }
    }

    /// Whether the document does not exist after it.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::Delete | Self::Expire)
    }
}

/// One version of one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Follows from the version alone: a version that is captured twice has the same id.
    pub id: VersionId,
    /// The value of the source's partition key; the JSON text of all components when there are several, absent when the
    /// source document has none. The first level of the changes container's own key.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "present")]
    pub pk: Option<Value>,
    /// The id of the source document; the second level of the key.
    pub source_id: String,
    /// The source's partition key, always as the array of its components.
    pub partition_key: Key,
    /// What happened.
    pub operation: Operation,
    /// The time of the change in seconds since 1970: the source's `_ts`.
    pub source_ts: i64,
    /// The logical sequence number of the change within its physical partition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lsn: Option<i64>,
    /// The source's `_etag`, quotes included; absent for removals.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub etag: Option<String>,
    /// Who wrote the document, as it claims itself; absent for removals, and where the document names no one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// When the document expires by its time to live, its own or the container's, in seconds since 1970; `None` if it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<i64>,
    /// When the version was captured, RFC 3339 in UTC with milliseconds.
    pub captured_at: String,
    /// What captured it: the id of the invocation, the restore or the verification.
    pub captured_by: String,
    /// Whether `document` is exactly the stored body. Otherwise it may have values that the Functions host rewrote.
    pub exact: bool,
    /// Whether this is a delete that the change feed did not report: the document was found to be missing at `sourceTs`. It was
    /// deleted at some time between the previous version and `sourceTs`.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub inferred: bool,
    /// The fields that the document had, or the one before it, and that the record lacks: they are never stored.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub omitted: Vec<FieldPath>,
    /// The format of the record.
    pub schema: u32,
    /// The document without the service's system properties.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub document: Option<Value>,
    /// The document before the change, if the feed contains it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<Value>,
}

/// Reads a field in which `null` is a value. Without this, serde reads `null` as a missing field.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The field `pk` of a version, from the source's partition key.
pub fn pk_of(key: &Key) -> Option<Value> {
    match key.components() {
        [KeyComponent::Undefined] => None,
        [only] => Some(only.clone().into()),
        _ => Some(Value::String(key.to_string())),
    }
}

impl Version {
    /// The order of the versions of one document: by the source's time, then by its sequence number, never by the time of capture.
    /// Of two records of one version the exact one counts as newer. An inferred delete counts as older than an exact version with
    /// the same time and number.
    pub fn order(&self) -> (i64, i64, bool) {
        (self.source_ts, self.lsn.unwrap_or_default(), self.exact && !self.inferred)
    }

    /// [`Self::order`], and by id where that is the same, as for two writes of one transaction.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order()).then_with(|| self.id.cmp(&other.id))
    }

    /// The document as it was just before `next`, the version that follows this one. `None` if it did not exist then: this version is a
    /// removal or had expired by then, or `next` created the document.
    pub fn document_before<'v>(&'v self, next: &Self) -> Option<&'v Value> {
        let existed = match next.operation {
            Operation::Create => false,
            // Only an existing document can be replaced or removed, even in the second in which it expires.
            Operation::Replace | Operation::Delete | Operation::Expire => true,
            Operation::Write => self.exists_at(next.source_ts),
        };
        self.document.as_ref().filter(|_| existed && !self.operation.is_removal())
    }

    /// Whether the document still exists in this version at a second since 1970: it is not removed and has not expired by then.
    pub(crate) fn exists_at(&self, second: i64) -> bool {
        !self.operation.is_removal() && self.expires_at.is_none_or(|expires| expires > second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn pk_is_the_value_of_a_single_key_and_the_json_text_of_several() {
        let pk = |text: &str| pk_of(&serde_json::from_str(text).expect("key"));
        assert_eq!(pk(r#"["28036"]"#), Some(json!("28036")));
        assert_eq!(pk("[7]"), Some(json!(7)));
        assert_eq!(pk("[null]"), Some(json!(null)));
        assert_eq!(pk("[{}]"), None);
        assert_eq!(pk(r#"["a",1]"#), Some(json!(r#"["a",1]"#)));
    }

    #[test]
    fn a_document_did_not_exist_before_a_version_that_created_it_or_followed_its_removal_or_expiry() {
        let version = |operation: Operation, source_ts: i64, expires_at: Option<i64>| Version {
            id: VersionId::from("v"),
            pk: None,
            source_id: "1".into(),
            partition_key: Key::text("a"),
            operation,
            source_ts,
            lsn: None,
            etag: None,
            actor: None,
            expires_at,
            captured_at: String::new(),
            captured_by: String::new(),
            exact: true,
            inferred: false,
            omitted: Vec::new(),
            schema: SCHEMA,
            document: (!operation.is_removal()).then(|| json!({"n": 1})),
            previous: None,
        };
        use Operation::{Create, Delete, Expire, Replace, Write};
        for (operation, expires_at, next, existed) in [
            (Write, None, Write, true),
            (Write, Some(20), Write, true),
            (Write, Some(10), Write, false),
            (Write, Some(10), Replace, true),
            (Create, Some(10), Expire, true),
            (Replace, None, Delete, true),
            (Write, None, Create, false),
            (Delete, None, Write, false),
            (Expire, None, Create, false),
        ] {
            let (earlier, next) = (version(operation, 5, expires_at), version(next, 10, None));
            assert_eq!(
                earlier.document_before(&next).is_some(),
                existed,
                "{operation:?} {expires_at:?} {:?}",
                next.operation
            );
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_back_as_it_was_written(
            pk in prop_oneof![any::<String>().prop_map(|text| json!([text])), Just(json!([null])), Just(json!([{}])), Just(json!([1, true]))],
            id in any::<String>(), ts in 0i64..4_000_000_000, lsn in proptest::option::of(any::<i64>()),
            expires in proptest::option::of(any::<i64>()), exact in any::<bool>(), text in any::<String>(),
        ) {
            let key: Key = serde_json::from_value(pk).expect("key");
            let version = Version {
                id: VersionId::of_write(ts, "\"e\""), pk: pk_of(&key), source_id: id, partition_key: key, operation: Operation::Write,
                source_ts: ts, lsn, etag: Some("\"e\"".into()), actor: exact.then(|| text.clone()), expires_at: expires, captured_at: "t".into(),
                captured_by: "i".into(), exact, inferred: !exact, omitted: if exact { Vec::new() } else { vec![FieldPath::property("x").child("y/z")] }, schema: SCHEMA, document: Some(json!({"text": text})), previous: None,
            };
            let json = serde_json::to_string(&version).expect("json");
            prop_assert_eq!(serde_json::from_str::<Version>(&json).expect("version"), version);
        }
    }
}
