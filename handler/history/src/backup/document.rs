//! A document in a backup: a line of a segment of documents.
//!
//! The line is the document's JSON with the two system properties that say which version it is, `_ts` and `_etag`, and
//! without the others, which mean nothing outside of the container that it came from.

use serde_json::Value;

use crate::cosmos::{Error, Key};
use crate::version::{SYSTEM_PROPERTIES, Version, without_system_properties};

const TS: &str = "_ts";
const ETAG: &str = "_etag";

/// A document with its id, `_ts` and `_etag`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupDocument {
    document: Value,
}

impl BackupDocument {
    /// A document as the service gives it.
    ///
    /// # Errors
    /// When it is no object, or has no id, no `_ts` or no `_etag`.
    pub fn of_live(mut document: Value) -> Result<Self, String> {
        if let Value::Object(properties) = &mut document {
            let kept = |name: &str| matches!(name, TS | ETAG) || !SYSTEM_PROPERTIES.contains(&name);
            properties.retain(|name, _| kept(name));
        }
        Self::checked(document)
    }

    /// The document of a version.
    ///
    /// # Errors
    /// When the version has no document, no id or no etag.
    pub fn of_version(version: &Version) -> Result<Self, String> {
        let mut document = version.document.clone().map(without_system_properties).unwrap_or_default();
        if let (Value::Object(properties), Some(etag)) = (&mut document, &version.etag) {
            properties.insert(TS.into(), version.source_ts.into());
            properties.insert(ETAG.into(), etag.as_str().into());
        }
        Self::checked(document)
    }

    /// Reads a line.
    pub fn decode(line: &str) -> Result<Self, String> {
        Self::checked(serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?)
    }

    /// The line, without its end.
    pub fn encode(&self) -> Vec<u8> {
        self.document.to_string().into_bytes()
    }

    fn checked(document: Value) -> Result<Self, String> {
        let Some(properties) = document.as_object() else { return Err("not a JSON object".into()) };
        let is = |name: &str, kind: fn(&Value) -> bool| properties.get(name).is_some_and(kind);
        for (name, found, kind) in [
            ("id", is("id", Value::is_string), "text"),
            (TS, is(TS, Value::is_i64), "whole number"),
            (ETAG, is(ETAG, Value::is_string), "text"),
        ] {
            if !found {
                return Err(format!("the document has no {name}, or one that is no {kind}"));
            }
        }
        Ok(Self { document })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.document["id"].as_str().unwrap_or_default()
    }

    /// The time of its last change in seconds since 1970.
    pub fn ts(&self) -> i64 {
        self.document[TS].as_i64().unwrap_or_default()
    }

    /// Its etag, quotes included.
    pub fn etag(&self) -> &str {
        self.document[ETAG].as_str().unwrap_or_default()
    }

    /// Its partition key in a container with these key paths (`/a/b`).
    ///
    /// # Errors
    /// When the document has something there that cannot be a key.
    pub fn key(&self, paths: &[String]) -> Result<Key, Error> {
        Key::of(&self.document, paths)
    }

    /// All of it, `_ts` and `_etag` included.
    pub fn value(&self) -> &Value {
        &self.document
    }

    /// The document as it is written into a container: without system properties.
    pub fn into_body(self) -> Value {
        without_system_properties(self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_line_keeps_what_says_which_version_it_is() {
        let live = json!({"id": "1", "_rid": "r", "_self": "s", "a": {"_rid": 1}, "_etag": "\"e\"", "_attachments": "",
            "_ts": 5, "_lsn": 9, "b": null});
        let document = BackupDocument::of_live(live).expect("document");
        let line = r#"{"id":"1","a":{"_rid":1},"_etag":"\"e\"","_ts":5,"b":null}"#;
        assert_eq!(document.encode(), line.as_bytes());
        assert_eq!((document.id(), document.ts(), document.etag()), ("1", 5, "\"e\""));
        assert_eq!(document.into_body().to_string(), r#"{"id":"1","a":{"_rid":1},"b":null}"#);
    }

    #[test]
    fn a_version_gives_the_document_that_was_live() {
        let version = json!({"id": "5-e", "sourceId": "1", "partitionKey": ["a"], "operation": "write", "sourceTs": 5,
            "etag": "\"e\"", "capturedAt": "t", "capturedBy": "i", "exact": true, "schema": 1, "document": {"id": "1", "a": 1}});
        let mut version: Version = serde_json::from_value(version).expect("version");
        let document = BackupDocument::of_version(&version).expect("document");
        assert_eq!(document.encode(), br#"{"id":"1","a":1,"_ts":5,"_etag":"\"e\""}"#);
        version.document = None;
        assert!(BackupDocument::of_version(&version).is_err());
    }

    #[test]
    fn what_is_no_document_is_told() {
        for (line, expected) in [
            ("", "not JSON"),
            ("{\"id\":\"1\"", "not JSON"),
            ("[]", "object"),
            ("{}", "id"),
            (r#"{"id":1}"#, "id"),
            (r#"{"id":"1","_etag":"e"}"#, "_ts"),
            (r#"{"id":"1","_ts":1.5,"_etag":"e"}"#, "_ts"),
            (r#"{"id":"1","_ts":1}"#, "_etag"),
        ] {
            let message = BackupDocument::decode(line).expect_err(line);
            assert!(message.contains(expected), "{message}");
        }
        assert!(BackupDocument::decode(&"[".repeat(1_000_000)).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_is_read_back_as_it_was_written(
            id in any::<String>(), ts in 0i64..4_000_000_000, etag in any::<String>(), value in any_json(),
        ) {
            let document = BackupDocument::of_live(json!({"id": id, "value": value, "_ts": ts, "_etag": etag})).expect("document");
            let line = String::from_utf8(document.encode()).expect("UTF-8");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(BackupDocument::decode(&line).expect("line"), document);
        }
    }
}
