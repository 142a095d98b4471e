//! A change as simple functions keep it: a copy of the document with an id of its own, and the document's id in another field.
//!
//! The service has replaced the document's `_ts` and `_etag` by those of the copy. So the time of the change is not known: it is at or
//! before that of the copy. `_lsn` is what the change feed has added to the document, if the function kept it.

use changefeed_cosmos::{
    DocumentName, FEED_LSN, Key, KeyPath, SYSTEM_PROPERTIES, expires_at, own_ttl, timestamp, without_system_properties,
};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fold::FoldedChange;
use crate::actor::ActorFields;
use crate::capture::may_be_rewritten;
use crate::version::{Operation, SCHEMA, Version, pk_of};
use crate::version_digest::document_digest;
use crate::version_id::VersionId;

/// The default name of the field with the id of the document.
const ID_FIELD: &str = "_originalId";
/// Numbers of seconds since 1970 are smaller, and numbers of milliseconds are larger.
const MILLISECONDS_FROM: f64 = 1e11;
/// How far the clock of the program may be ahead of the service's, in seconds.
const CLOCKS_APART: i64 = 86_400;
/// The largest integer up to which a double has each of them.
const MAX_INTEGER: f64 = 9_007_199_254_740_991.0;
/// The bytes of the digest that are in the id of a version.
const ID_BYTES: usize = 8;

/// Which properties of a copy are not those of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FlatFields {
    /// The property with the id of the document.
    pub id_field: String,
    /// The property with the time of the change: seconds or milliseconds since 1970, or a text in RFC 3339. `None`: the `_ts` of the copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_field: Option<String>,
    /// The property with the sequence number of the change feed.
    pub lsn_field: String,
    /// Properties that the function has added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_fields: Vec<String>,
}

impl Default for FlatFields {
    fn default() -> Self {
        Self {
            id_field: ID_FIELD.to_owned(),
            time_field: None,
            lsn_field: FEED_LSN.to_owned(),
            added_fields: Vec::new(),
        }
    }
}

/// A change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatChange {
    /// The document.
    pub name: DocumentName,
    /// The id of the copy.
    pub copy_id: String,
    /// The time of the change, or a time after it, in seconds since 1970.
    pub second: i64,
    /// The time of the copy, in seconds since 1970.
    pub copied_at: i64,
    /// The sequence number of the change.
    pub lsn: Option<i64>,
    /// The document.
    pub document: Value,
    /// The digest of the document: the order of properties and the spelling of numbers do not matter.
    pub digest: [u8; 32],
}

impl FlatFields {
    /// Checks the names.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let names = [&self.id_field, &self.lsn_field].into_iter().chain(&self.time_field).chain(&self.added_fields);
        for name in names {
            let is_system = SYSTEM_PROPERTIES.contains(&name.as_str()) || name == "id";
            if name.is_empty() || is_system {
                return Err(format!(
                    "{name:?} cannot be the name of an added property; it is empty, or the service sets it in each copy"
                ));
            }
        }
        Ok(())
    }

    /// Reads a copy. `key_paths` are those of the monitored container.
    ///
    /// # Errors
    /// A sentence that says why it is not a change of a document.
    pub fn read(&self, copy: Value, key_paths: &[KeyPath]) -> Result<FlatChange, String> {
        let text = |name: &str| copy[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let copy_id = text("id").ok_or("it has no id")?;
        let id = text(&self.id_field).ok_or_else(|| format!("it has no text {}", self.id_field))?;
        let copied_at = copy["_ts"].as_i64().ok_or("it has no _ts")?;
        let second = match &self.time_field {
            Some(name) => second_of(&copy[name]).filter(|second| *second <= copied_at + CLOCKS_APART).ok_or_else(|| {
                format!(
                    "invalid {name} {}; use the time of the change, before the copy was stored: seconds or milliseconds since 1970, or RFC 3339",
                    copy[name]
                )
            })?,
            None => copied_at,
        };
        let lsn = match &copy[&self.lsn_field] {
            Value::Null => None,
            Value::String(digits) => Some(digits.parse().map_err(|_| invalid_lsn(&self.lsn_field, &copy))?),
            number => Some(number.as_i64().ok_or_else(|| invalid_lsn(&self.lsn_field, &copy))?),
        };
        let mut document = without_system_properties(copy);
        if let Value::Object(properties) = &mut document {
            let added = [&self.id_field].into_iter().chain(&self.time_field).chain(&self.added_fields);
            for name in added.chain([&self.lsn_field]) {
                properties.shift_remove(name);
            }
            properties.insert("id".to_owned(), Value::from(id.as_str()));
        }
        let partition_key = Key::of(&document, key_paths).map_err(|error| error.to_string())?;
        let digest = document_digest(&document);
        Ok(FlatChange { name: DocumentName { id, partition_key }, copy_id, second, copied_at, lsn, document, digest })
    }
}

impl FlatChange {
    /// The version of this change. `default_ttl` is the monitored container's. It is exact if no value can have been rewritten on the way
    /// to the copy: by the Functions host, or by a program whose numbers are doubles.
    pub fn version(self, folded: &FoldedChange, default_ttl: Option<i64>, actors: &ActorFields, by: &str) -> Version {
        let second = folded.second;
        Version {
            id: VersionId::of_import(second, &hex::encode(&self.id_digest()[..ID_BYTES])),
            pk: pk_of(&self.name.partition_key),
            source_id: self.name.id,
            partition_key: self.name.partition_key,
            operation: Operation::Write,
            source_ts: second,
            lsn: self.lsn,
            etag: None,
            actor: actors.actor_of(&self.document),
            expires_at: expires_at(second, own_ttl(&self.document), default_ttl),
            captured_at: timestamp(DateTime::from_timestamp_secs(self.copied_at).unwrap_or_default()),
            captured_by: by.to_owned(),
            exact: !may_be_rewritten(&self.document) && !has_large_integer(&self.document),
            inferred: false,
            omitted: Vec::new(),
            schema: SCHEMA,
            document: Some(self.document),
            previous: None,
        }
    }

    /// A digest of what distinguishes the changes of one second.
    fn id_digest(&self) -> [u8; 32] {
        let lsn = self.lsn.map(|lsn| lsn.to_string()).unwrap_or_default();
        Sha256::new().chain_update(lsn).chain_update([0]).chain_update(self.digest).finalize().into()
    }
}

/// Whether a value has an integer that not every program reads as it is.
fn has_large_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64() && number.as_f64().is_none_or(|number| number.abs() > MAX_INTEGER),
        Value::Array(items) => items.iter().any(has_large_integer),
        Value::Object(properties) => properties.values().any(has_large_integer),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn invalid_lsn(name: &str, copy: &Value) -> String {
    format!("invalid {name} {}; use a whole number", copy[name])
}

fn second_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.is_finite() && *number >= 0.0)?;
            Some(if number < MILLISECONDS_FROM { number as i64 } else { (number / 1000.0) as i64 })
        }
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths() -> Vec<KeyPath> {
        vec![KeyPath::property("pk")]
    }

    fn copy() -> Value {
        json!({"id": "random-1", "_originalId": "order-7", "pk": "a", "total": 1.50, "nested": {"_originalId": "x"}, "_lsn": 71,
            "_rid": "r", "_self": "s", "_etag": "\"e\"", "_attachments": "a", "_ts": 1592926406})
    }

    #[test]
    fn a_copy_becomes_the_document_that_it_was_made_of() {
        let change = FlatFields::default().read(copy(), &paths()).expect("a change");
        assert_eq!(change.name, DocumentName { id: "order-7".into(), partition_key: Key::text("a") });
        assert_eq!((change.copy_id.as_str(), change.second, change.lsn), ("random-1", 1592926406, Some(71)));
        let document = json!({"id": "order-7", "pk": "a", "total": 1.5, "nested": {"_originalId": "x"}});
        assert_eq!(change.document, document);
        let version = change.version(
            &FoldedChange { copy_id: "random-1".into(), second: 1592926400 },
            None,
            &ActorFields::default(),
            "job",
        );
        assert!(version.id.starts_with("1592926400-import-") && version.id.etag().is_none(), "{}", version.id);
        assert_eq!((version.source_ts, version.exact, version.document), (1592926400, true, Some(document)));
        assert_eq!(version.captured_at, "2020-06-23T15:33:26.000Z");
    }

    #[test]
    fn the_number_of_the_feed_is_never_in_the_document() {
        for (written, lsn) in [(json!(71), Some(71)), (json!("71"), Some(71)), (json!(null), None)] {
            let mut copy = copy();
            copy["_lsn"] = written;
            let change = FlatFields::default().read(copy, &paths()).expect("a change");
            assert_eq!((change.lsn, change.document.get("_lsn")), (lsn, None));
        }
    }

    #[test]
    fn a_version_is_exact_unless_a_value_may_have_been_rewritten() {
        for (value, exact) in [
            (json!("2026-01-01"), true),
            (json!("2026-01-01T10:00:00Z"), false),
            (json!({"deep": ["2026-01-01T10:00:00+02:00"]}), false),
            (json!(9_007_199_254_740_991_i64), true),
            (json!([9_007_199_254_740_992_i64]), false),
            (json!(u64::MAX), false),
            (json!(1.5), true),
        ] {
            let mut copy = copy();
            copy["value"] = value.clone();
            let change = FlatFields::default().read(copy, &paths()).expect("a change");
            let folded = FoldedChange { copy_id: "random-1".into(), second: 5 };
            assert_eq!(change.version(&folded, None, &ActorFields::default(), "job").exact, exact, "{value}");
        }
    }

    #[test]
    fn the_time_and_added_properties_are_not_the_documents() {
        let fields = FlatFields {
            time_field: Some("changedAt".into()),
            added_fields: vec!["source".into()],
            ..FlatFields::default()
        };
        for (written, second) in [
            (json!(1592926400), 1592926400),
            (json!(1592926400123_i64), 1592926400),
            (json!("2020-06-23T15:33:20.5Z"), 1592926400),
            (json!("2020-06-23T17:33:20+02:00"), 1592926400),
        ] {
            let mut copy = copy();
            copy["changedAt"] = written;
            copy["source"] = json!("function");
            let change = fields.read(copy, &paths()).expect("a change");
            assert_eq!((change.second, change.copied_at), (second, 1592926406));
            assert!(change.document.get("changedAt").is_none() && change.document.get("source").is_none());
        }
    }

    #[test]
    fn what_is_no_change_is_named() {
        let fields = FlatFields { time_field: Some("at".into()), ..FlatFields::default() };
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut copy = copy();
            copy["at"] = json!(5);
            change(&mut copy);
            fields.read(copy, &paths()).expect_err("no change")
        };
        assert_eq!(refused(&|copy| copy["_originalId"] = json!(7)), "it has no text _originalId");
        for time in [
            json!("yesterday"),
            json!(638_000_000_000_000_000_i64),
            json!(1_592_926_406_000_000_i64),
            json!(1_593_100_000),
        ] {
            assert!(refused(&|copy| copy["at"] = time.clone()).starts_with("invalid at "), "{time}");
        }
        assert!(refused(&|copy| copy["_lsn"] = json!("x7")).starts_with("invalid _lsn \"x7\""));
        assert_eq!(refused(&|copy| copy["_ts"] = json!(null)), "it has no _ts");
        assert!(refused(&|copy| copy["pk"] = json!(["a"])).contains("pk"));
        for name in ["", "id", "_etag"] {
            let fields = FlatFields { added_fields: vec![name.into()], ..FlatFields::default() };
            assert!(fields.check().is_err(), "{name:?}");
        }
        assert_eq!(FlatFields::default().check(), Ok(()));
    }
}
