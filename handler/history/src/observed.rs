//! A delivered change: a document of LatestVersion mode, or an envelope of AllVersionsAndDeletes mode.

use std::fmt;

use changefeed_cosmos::{Key, MAX_ID_BYTES};
use serde_json::{Map, Value};

use crate::version::Operation;

/// The origin of a batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The function that received it.
    pub function: String,
    /// The id of the invocation, which is the same when the host retries it.
    pub invocation_id: String,
    /// Whether values may have been rewritten in transit: the Functions host rewrites date-time strings.
    pub rewritten_by_host: bool,
}

/// A change of one document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    pub id: String,
    pub partition_key: Key,
    pub operation: Operation,
    /// Seconds since 1970.
    pub source_ts: i64,
    pub lsn: Option<i64>,
    /// `None` for a removal.
    pub etag: Option<String>,
    /// The document's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
    /// The document with its system properties; `None` for a removal.
    pub document: Option<Value>,
    pub previous: Option<Value>,
}

/// Why a document can never be stored as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// For programs: `not-json`, `not-an-object`, `no-id`, `invalid-id`, `invalid-key`, `no-etag`, `no-time`, `refused`.
    pub code: &'static str,
    /// For display.
    pub message: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

fn unusable(code: &'static str, message: impl Into<String>) -> Unusable {
    Unusable { code, message: message.into() }
}

impl Observed {
    /// Reads the JSON text of one delivered element. `key_paths` are those of the monitored container.
    pub(crate) fn parse(text: &str, key_paths: &[String]) -> Result<Self, Unusable> {
        let value: Value = serde_json::from_str(text).map_err(|error| unusable("not-json", error.to_string()))?;
        let Value::Object(mut object) = value else {
            return Err(unusable("not-an-object", "the document is not a JSON object"));
        };
        if is_envelope(&object) {
            let metadata = object.remove("metadata").unwrap_or_default();
            Self::of_envelope(object.remove("current"), object.remove("previous"), &metadata, key_paths)
        } else {
            Self::of_document(Value::Object(object), Operation::Write, None, key_paths)
        }
    }

    fn of_envelope(
        current: Option<Value>,
        previous: Option<Value>,
        metadata: &Value,
        key_paths: &[String],
    ) -> Result<Self, Unusable> {
        let previous = previous.filter(is_document);
        let removal = match (metadata["operationType"].as_str(), metadata["timeToLiveExpired"].as_bool()) {
            (Some("delete"), Some(true)) => Operation::Expire,
            (Some("delete"), _) => Operation::Delete,
            (operation, _) => {
                let operation = match operation {
                    Some("create") => Operation::Create,
                    Some("replace") => Operation::Replace,
                    _ => Operation::Write,
                };
                let current = current.filter(|current| !current.is_null());
                let current =
                    current.ok_or_else(|| unusable("not-an-object", "the envelope has no current document"))?;
                let lsn = metadata["lsn"].as_i64();
                return Ok(Self { previous, ..Self::of_document(current, operation, lsn, key_paths)? });
            }
        };
        // The metadata of a delete contains its id and key. Older envelopes have them only in a document.
        let image = current.filter(is_document).or_else(|| previous.clone()).unwrap_or_default();
        let id = metadata["id"]
            .as_str()
            .or_else(|| image["id"].as_str())
            .ok_or_else(|| unusable("no-id", "the delete has no id"))?;
        let partition_key = match &metadata["partitionKey"] {
            Value::Object(properties) => Key::of(&Value::Object(by_path(properties, key_paths)), key_paths),
            _ => Key::of(&image, key_paths),
        };
        let partition_key = partition_key.map_err(|error| unusable("invalid-key", error.to_string()))?;
        let time = metadata["crts"].as_f64().ok_or_else(|| unusable("no-time", "the delete has no crts"))?;
        let lsn = metadata["lsn"].as_i64().ok_or_else(|| unusable("no-time", "the delete has no lsn"))?;
        Ok(Self {
            id: checked_id(id)?,
            partition_key,
            operation: removal,
            source_ts: time as i64,
            lsn: Some(lsn),
            etag: None,
            ttl: None,
            document: None,
            previous,
        })
    }

    /// Reads a document with its system properties. `lsn` replaces the one in the document, if it is given.
    pub(crate) fn of_document(
        document: Value,
        operation: Operation,
        lsn: Option<i64>,
        key_paths: &[String],
    ) -> Result<Self, Unusable> {
        let id = document["id"]
            .as_str()
            .ok_or_else(|| unusable("no-id", "the document has no id, or its id is not a string"))?;
        let etag = document["_etag"].as_str().ok_or_else(|| unusable("no-etag", "the document has no _etag"))?;
        let source_ts = document["_ts"].as_i64().ok_or_else(|| unusable("no-time", "the document has no _ts"))?;
        Ok(Self {
            id: checked_id(id)?,
            partition_key: Key::of(&document, key_paths).map_err(|error| unusable("invalid-key", error.to_string()))?,
            operation,
            source_ts,
            lsn: lsn.or_else(|| document["_lsn"].as_i64()),
            etag: Some(etag.to_owned()),
            ttl: document["ttl"].as_i64(),
            document: Some(document),
            previous: None,
        })
    }
}

/// Whether an object is an envelope: it has the metadata of a change and an image of the document, and no id, which every
/// document has.
fn is_envelope(object: &Map<String, Value>) -> bool {
    !object.contains_key("id")
        && object.get("metadata").is_some_and(Value::is_object)
        && (object.contains_key("current")
            || object.contains_key("previous")
            || object["metadata"].get("operationType").is_some())
}

/// The key properties of a delete, arranged as in the document. The feed names them by their paths; a nested property is an
/// object, the path in one name, or only the last name of the path.
fn by_path(properties: &Map<String, Value>, key_paths: &[String]) -> Map<String, Value> {
    let mut document = Value::Object(Map::new());
    'paths: for path in key_paths {
        let names: Vec<&str> = path.split('/').skip(1).collect();
        let nested = names.iter().try_fold(None, |found: Option<&Value>, name| match found {
            None => properties.get(*name).map(Some),
            Some(value) => value.get(name).map(Some),
        });
        let flat = || properties.get(path.trim_start_matches('/')).or_else(|| properties.get(*names.last()?));
        if let Some(value) = nested.flatten().filter(|value| !value.is_object()).or_else(flat) {
            let mut property = &mut document;
            for name in &names {
                // This path continues another path of the key that has a scalar here, so there is no value at this path.
                if !property.is_object() && !property.is_null() {
                    continue 'paths;
                }
                property = &mut property[*name];
            }
            *property = value.clone();
        }
    }
    match document {
        Value::Object(properties) => properties,
        _ => Map::new(),
    }
}

fn is_document(value: &Value) -> bool {
    value.as_object().is_some_and(|object| !object.is_empty())
}

fn checked_id(id: &str) -> Result<String, Unusable> {
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(unusable("invalid-id", format!("the id has {} bytes; use 1 to {MAX_ID_BYTES}", id.len())));
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Observed, Unusable> {
        Observed::parse(&value.to_string(), &["/pk".to_owned()])
    }

    #[test]
    fn a_document_of_latest_version_mode_is_a_write() {
        let document = json!({"id": "1", "pk": "a", "ttl": 3, "_ts": 1700000000, "_etag": "\"e\"", "_lsn": 7});
        let observed = parse(document.clone()).expect("observed");
        assert_eq!(observed.partition_key, Key::text("a"));
        assert_eq!((observed.operation, observed.source_ts, observed.lsn), (Operation::Write, 1_700_000_000, Some(7)));
        assert_eq!((observed.ttl, observed.document), (Some(3), Some(document)));
    }

    #[test]
    fn a_document_with_the_properties_of_an_envelope_is_a_document() {
        let document = json!({"id": "1", "metadata": {"lsn": 1}, "current": {}, "_ts": 1, "_etag": "e"});
        assert_eq!(parse(document).expect("observed").operation, Operation::Write);
    }

    #[test]
    fn envelopes_distinguish_creates_replaces_deletes_and_expiries() {
        let current = json!({"id": "1", "pk": "a", "_ts": 5, "_etag": "e"});
        let created =
            parse(json!({"current": current, "metadata": {"operationType": "create", "lsn": 3, "crts": 5.0}}))
                .expect("create");
        assert_eq!((created.operation, created.lsn, created.previous), (Operation::Create, Some(3), None));
        let replaced = parse(
            json!({"current": current, "previous": {"id": "1"}, "metadata": {"operationType": "replace", "lsn": 4}}),
        )
        .expect("replace");
        assert_eq!((replaced.operation, replaced.previous), (Operation::Replace, Some(json!({"id": "1"}))));
        let metadata = |expired: bool| {
            json!({"crts": 1700000000.0, "lsn": 9, "operationType": "delete", "previousImageLSN": 8,
                "timeToLiveExpired": expired, "id": "1", "partitionKey": {"pk": "a"}})
        };
        let deleted = parse(json!({"current": null, "metadata": metadata(false)})).expect("delete");
        assert_eq!((deleted.operation, deleted.source_ts, deleted.lsn), (Operation::Delete, 1_700_000_000, Some(9)));
        assert_eq!((deleted.partition_key, deleted.document, deleted.etag), (Key::text("a"), None, None));
        assert_eq!(
            parse(json!({"current": {}, "metadata": metadata(true)})).expect("expire").operation,
            Operation::Expire
        );
    }

    #[test]
    fn the_key_of_a_delete_follows_the_paths_of_the_container_not_the_order_of_the_properties() {
        let delete = |key: Value, paths: &[&str]| {
            let metadata = json!({"crts": 1.0, "lsn": 2, "operationType": "delete", "id": "1", "partitionKey": key});
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let observed =
                Observed::parse(&json!({"current": null, "metadata": metadata}).to_string(), &paths).expect("delete");
            observed.partition_key.to_string()
        };
        assert_eq!(delete(json!({"b": 1, "a": "x"}), &["/a", "/b"]), r#"["x",1]"#);
        assert_eq!(delete(json!({}), &["/pk"]), "[{}]");
        assert_eq!(delete(json!({"user": {"id": 5}}), &["/user/id"]), "[5]");
        assert_eq!(delete(json!({"id": 5}), &["/user/id"]), "[5]");
        assert_eq!(delete(json!({"a": {"b": 1, "c": "x"}}), &["/a/b", "/a/c"]), r#"[1,"x"]"#);
        assert_eq!(delete(json!({"c": "x", "b": 1}), &["/a/b", "/a/c"]), r#"[1,"x"]"#);
        assert_eq!(delete(json!({"a": "x", "b": 1}), &["/a", "/a/b"]), r#"["x",{}]"#);
    }

    #[test]
    fn a_payload_that_cannot_be_a_version_is_rejected_with_the_reason() {
        let code = |value: Value| parse(value).expect_err("unusable").code;
        assert_eq!(code(json!(5)), "not-an-object");
        assert_eq!(code(json!({"pk": "a", "_ts": 1, "_etag": "e"})), "no-id");
        assert_eq!(code(json!({"id": 7, "_ts": 1, "_etag": "e"})), "no-id");
        assert_eq!(code(json!({"id": "", "_ts": 1, "_etag": "e"})), "invalid-id");
        for id in ["what? #1", "a/b", "a\\b", "..", "a\tb"] {
            assert!(parse(json!({"id": id, "pk": "a", "_ts": 1, "_etag": "e"})).is_ok(), "the service stores {id:?}");
        }
        assert_eq!(code(json!({"id": "x".repeat(1024), "_ts": 1, "_etag": "e"})), "invalid-id");
        assert_eq!(code(json!({"id": "1", "pk": "k".repeat(2049), "_ts": 1, "_etag": "e"})), "invalid-key");
        assert_eq!(code(json!({"id": "1", "pk": [1], "_ts": 1, "_etag": "e"})), "invalid-key");
        assert_eq!(code(json!({"id": "1", "_ts": 1})), "no-etag");
        assert_eq!(code(json!({"id": "1", "_etag": "e"})), "no-time");
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        let error = Observed::parse(&format!(r#"{{"id":"1","a":{deep}}}"#), &[]).expect_err("deep");
        assert_eq!(error.code, "not-json");
        assert!(error.message.contains("recursion limit"), "{error}");
    }

    #[test]
    fn a_document_without_a_partition_key_value_is_accepted() {
        let observed = parse(json!({"id": "1", "_ts": 1, "_etag": "e"})).expect("observed");
        assert_eq!(observed.partition_key.to_string(), "[{}]");
    }
}
