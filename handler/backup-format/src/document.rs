//! A document in a backup: a line of a segment of documents.
//!
//! The line is the document's JSON with the system properties that identify its version, `_ts` and `_etag`. The other system
//! properties mean nothing outside the container that the document came from, and are dropped.

use serde_json::{Map, Value};

const TS: &str = "_ts";
const ETAG: &str = "_etag";
/// System properties that a backup does not store.
const DROPPED: [&str; 3] = ["_rid", "_self", "_attachments"];

/// A document with its id, `_ts` and `_etag`.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupDocument {
    document: Value,
}

impl BackupDocument {
    /// A document as the service returns it.
    ///
    /// # Errors
    /// When it is not an object, or has no id, `_ts` or `_etag`.
    pub fn from_live(mut document: Value) -> Result<Self, String> {
        if let Value::Object(properties) = &mut document {
            properties.retain(|name, _| !DROPPED.contains(&name.as_str()));
        }
        Self::checked(document)
    }

    /// A document from its body, the time of its last change in seconds since 1970, and its etag, quotes included. System
    /// properties in the body are dropped.
    ///
    /// # Errors
    /// When the body is not an object or has no id.
    pub fn from_parts(body: Value, ts: i64, etag: &str) -> Result<Self, String> {
        let mut document = without_system_properties(body);
        if let Value::Object(properties) = &mut document {
            properties.insert(TS.into(), ts.into());
            properties.insert(ETAG.into(), etag.into());
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
        check(properties, "id", Value::is_string, "a string")?;
        check(properties, TS, Value::is_i64, "a whole number")?;
        check(properties, ETAG, Value::is_string, "a string")?;
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

    /// The document with `_ts` and `_etag`.
    pub fn value(&self) -> &Value {
        &self.document
    }

    /// The length of its line, in bytes, without the line end.
    pub fn line_bytes(&self) -> usize {
        self.encode().len()
    }

    /// The document as it is written into a container: without system properties.
    pub fn into_body(self) -> Value {
        without_system_properties(self.document)
    }
}

fn without_system_properties(mut document: Value) -> Value {
    if let Value::Object(properties) = &mut document {
        properties.retain(|name, _| name != TS && name != ETAG && !DROPPED.contains(&name.as_str()));
    }
    document
}

fn check(
    properties: &Map<String, Value>,
    name: &str,
    is_expected: fn(&Value) -> bool,
    expected: &str,
) -> Result<(), String> {
    match properties.get(name) {
        Some(value) if is_expected(value) => Ok(()),
        Some(_) => Err(format!("{name} is not {expected}")),
        None => Err(format!("the document has no {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_line_has_the_properties_that_identify_the_version() {
        let live = json!({"id": "1", "_rid": "r", "_self": "s", "a": {"_rid": 1}, "_etag": "\"e\"", "_attachments": "",
            "_ts": 5, "_lsn": 9, "b": null});
        let document = BackupDocument::from_live(live).expect("document");
        // A stored document has an `_lsn` only if an application wrote it.
        let line = r#"{"id":"1","a":{"_rid":1},"_etag":"\"e\"","_ts":5,"_lsn":9,"b":null}"#;
        assert_eq!(document.encode(), line.as_bytes());
        assert_eq!((document.id(), document.ts(), document.etag()), ("1", 5, "\"e\""));
        assert_eq!(document.into_body().to_string(), r#"{"id":"1","a":{"_rid":1},"_lsn":9,"b":null}"#);
    }

    #[test]
    fn a_body_with_a_time_and_an_etag_is_a_document() {
        let body = json!({"id": "1", "_ts": 4, "a": 1, "_rid": "r"});
        let document = BackupDocument::from_parts(body, 5, "\"e\"").expect("document");
        assert_eq!(document.encode(), br#"{"id":"1","a":1,"_ts":5,"_etag":"\"e\""}"#);
        assert_eq!(document.line_bytes(), document.encode().len());
        for body in [Value::Null, json!({"a": 1}), json!([])] {
            assert!(BackupDocument::from_parts(body, 5, "e").is_err());
        }
    }

    #[test]
    fn a_line_that_is_not_a_document_is_rejected_with_the_reason() {
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
            let document = BackupDocument::from_live(json!({"id": id, "value": value, "_ts": ts, "_etag": etag})).expect("document");
            let line = String::from_utf8(document.encode()).expect("UTF-8");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(BackupDocument::decode(&line).expect("line"), document);
        }
    }
}
