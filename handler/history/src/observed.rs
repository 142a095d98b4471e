//! A delivered change: a document of LatestVersion mode, or an envelope of AllVersionsAndDeletes mode.
//!
//! The feed adds a property `_lsn` to a document of LatestVersion mode, in the place of one that the application wrote. In
//! AllVersionsAndDeletes mode the number is in the metadata, and a property `_lsn` is the application's.

use std::fmt;

use changefeed_cosmos::{Error, FEED_LSN, Key, KeyComponent, KeyPath, MAX_ID_BYTES, SYSTEM_PROPERTIES};
use serde::Deserialize;
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
    /// The document with its system properties, without the feed's `_lsn`; `None` for a removal.
    pub document: Option<Value>,
    pub previous: Option<Value>,
    /// Whether the stored document has or may have a property `_lsn` of the application's that `document` lacks.
    pub lacks_own_lsn: bool,
    /// Whether the id is from a place that the host does not rewrite.
    pub id_is_exact: bool,
    /// The sequence number of the version that this change replaced or removed, if the feed contains it.
    pub previous_lsn: Option<i64>,
}

/// Why a document can never be stored as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// For programs: `not-json`, `not-an-object`, `no-id`, `invalid-id`, `invalid-key`, `no-etag`, `no-time`, `refused`,
    /// `unknown-identity`.
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
    pub(crate) fn parse(text: &str, key_paths: &[KeyPath]) -> Result<Self, Unusable> {
        let value: Value = serde_json::from_str(text).map_err(|error| unusable("not-json", error.to_string()))?;
        Self::of_element(value, key_paths)
    }

    /// Reads one element of the feed.
    pub(crate) fn of_element(value: Value, key_paths: &[KeyPath]) -> Result<Self, Unusable> {
        let Value::Object(mut object) = value else {
            return Err(unusable("not-an-object", "the document is not a JSON object"));
        };
        if is_envelope(&object) {
            let metadata = object.remove("metadata").unwrap_or_default();
            Self::of_envelope(object.remove("current"), object.remove("previous"), &metadata, key_paths)
        } else {
            Self::of_latest_version(Value::Object(object), None, key_paths)
        }
    }

    /// Reads a document of LatestVersion mode. `lsn` is from the metadata, if there is any.
    fn of_latest_version(mut document: Value, lsn: Option<i64>, key_paths: &[KeyPath]) -> Result<Self, Unusable> {
        let lacks_own_lsn = has_lsn_among_own(&document);
        let of_feed = take_lsn(&mut document, lsn);
        Ok(Self { lacks_own_lsn, ..Self::of_document(document, Operation::Write, lsn.or(of_feed), key_paths)? })
    }

    fn of_envelope(
        current: Option<Value>,
        previous: Option<Value>,
        metadata: &Value,
        key_paths: &[KeyPath],
    ) -> Result<Self, Unusable> {
        let previous = previous.filter(is_document);
        // A create has 0 here, or nothing.
        let previous_lsn = metadata["previousImageLSN"].as_i64().filter(|lsn| *lsn > 0);
        let removal = match (metadata["operationType"].as_str(), metadata["timeToLiveExpired"].as_bool()) {
            (Some("delete"), Some(true)) => Operation::Expire,
            (Some("delete"), _) => Operation::Delete,
            (operation, _) => {
                let current = current.filter(|current| !current.is_null());
                let mut current =
                    current.ok_or_else(|| unusable("not-an-object", "the envelope has no current document"))?;
                let lsn = metadata["lsn"].as_i64();
                let operation = match operation {
                    Some("create") => Operation::Create,
                    Some("replace") => Operation::Replace,
                    _ => return Ok(Self { previous, ..Self::of_latest_version(current, lsn, key_paths)? }),
                };
                // The number of the change itself may be the application's or the service's.
                let lacks_own_lsn = lsn.is_some() && take_lsn(&mut current, lsn).is_some();
                let observed = Self::of_document(current, operation, lsn, key_paths)?;
                return Ok(Self { previous, lacks_own_lsn, previous_lsn, ..observed });
            }
        };
        // The metadata of a delete contains its id and key. Older envelopes have them only in a document.
        let image = current.filter(is_document).or_else(|| previous.clone()).unwrap_or_default();
        let id = metadata["id"]
            .as_str()
            .or_else(|| image["id"].as_str())
            .ok_or_else(|| unusable("no-id", "the delete has no id"))?;
        let partition_key = match &metadata["partitionKey"] {
            properties @ Value::Object(_) => Key::of(&by_path(properties, key_paths), key_paths),
            list @ Value::Array(components) if components.len() == key_paths.len() => {
                Key::deserialize(list).map_err(|error| Error::invalid("reading a key", error.to_string()))
            }
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
            document: None,
            previous,
            lacks_own_lsn: false,
            id_is_exact: metadata["id"].is_string(),
            previous_lsn,
        })
    }

    /// Reads a stored document with its system properties. `lsn` is the sequence number of its last write.
    pub(crate) fn of_document(
        document: Value,
        operation: Operation,
        lsn: Option<i64>,
        key_paths: &[KeyPath],
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
            lsn,
            etag: Some(etag.to_owned()),
            document: Some(document),
            previous: None,
            lacks_own_lsn: false,
            id_is_exact: false,
            previous_lsn: None,
        })
    }

    /// Corrects an id and a key that were rewritten, in the images of the document too.
    pub(crate) fn rename(&mut self, id: String, partition_key: Key, key_paths: &[KeyPath]) {
        for image in [&mut self.document, &mut self.previous].into_iter().flatten() {
            image["id"] = Value::from(id.as_str());
            for (path, component) in key_paths.iter().zip(partition_key.components()) {
                if let (KeyComponent::Text(text), Some(_)) = (component, path.of(image)) {
                    let property = path.segments().iter().fold(&mut *image, |property, name| &mut property[name]);
                    *property = Value::from(text.as_str());
                }
            }
        }
        (self.id, self.partition_key) = (id, partition_key);
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
/// object, the path in one name, or only the last name of the path, if no other path of the key ends in it.
fn by_path(properties: &Value, key_paths: &[KeyPath]) -> Value {
    let mut document = Value::Object(Map::new());
    'paths: for path in key_paths {
        let last = path.segments().last();
        let is_only_one = key_paths.iter().filter(|other| other.segments().last() == last).count() == 1;
        let by_last = || properties.get(last.filter(|_| is_only_one)?);
        let flat = || properties.get(path.to_string().trim_start_matches('/')).or_else(by_last);
        if let Some(value) = path.of(properties).filter(|value| !value.is_object()).or_else(flat) {
            let mut property = &mut document;
            for name in path.segments() {
                // This path continues another path of the key that has a scalar here, so there is no value at this path.
                if !property.is_object() && !property.is_null() {
                    continue 'paths;
                }
                property = &mut property[name];
            }
            *property = value.clone();
        }
    }
    document
}

/// Whether the feed has put its `_lsn` in the place of one of the application's: otherwise it follows the service's properties.
fn has_lsn_among_own(document: &Value) -> bool {
    let mut names = document.as_object().into_iter().flat_map(Map::keys);
    names
        .find(|name| *name == FEED_LSN || SYSTEM_PROPERTIES.contains(&name.as_str()))
        .is_some_and(|name| name == FEED_LSN)
}

/// Takes the feed's `_lsn` out of a document. Any other value than the number in the metadata is the application's, and stays.
fn take_lsn(document: &mut Value, in_metadata: Option<i64>) -> Option<i64> {
    let number = document[FEED_LSN].as_i64().filter(|number| in_metadata.is_none_or(|lsn| lsn == *number))?;
    document.as_object_mut()?.shift_remove(FEED_LSN);
    Some(number)
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
        Observed::parse(&value.to_string(), &[KeyPath::property("pk")])
    }

    #[test]
    fn a_document_of_latest_version_mode_is_a_write() {
        let document = json!({"id": "1", "pk": "a", "ttl": 3, "_ts": 1700000000, "_etag": "\"e\"", "_lsn": 7});
        let observed = parse(document.clone()).expect("observed");
        assert_eq!(observed.partition_key, Key::text("a"));
        assert_eq!((observed.operation, observed.source_ts, observed.lsn), (Operation::Write, 1_700_000_000, Some(7)));
        let mut without_lsn = document;
        without_lsn.as_object_mut().expect("an object").remove("_lsn");
        assert_eq!((observed.lacks_own_lsn, observed.document), (false, Some(without_lsn)));
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
    fn a_property_lsn_of_the_application_is_kept_where_the_envelope_tells_it_from_the_feeds() {
        let own = |lsn: Value| json!({"id": "1", "pk": "a", "_lsn": lsn, "_ts": 5, "_etag": "e"});
        let of_envelope = |document: &Value, operation: Option<&str>| {
            let mut metadata = json!({"lsn": 7, "crts": 5.0});
            operation.into_iter().for_each(|operation| metadata["operationType"] = json!(operation));
            parse(json!({"current": document, "previous": document, "metadata": metadata})).expect("observed")
        };
        for lsn in [json!(3), json!("x"), json!(null), json!(7.0)] {
            let document = own(lsn);
            for operation in [Some("create"), Some("replace")] {
                let observed = of_envelope(&document, operation);
                assert_eq!((observed.lsn, observed.lacks_own_lsn), (Some(7), false), "{document}");
                assert_eq!(
                    (observed.document.as_ref(), observed.previous.as_ref()),
                    (Some(&document), Some(&document))
                );
            }
        }
        // The same number may be the application's or the service's.
        let observed = of_envelope(&own(json!(7)), Some("create"));
        assert_eq!((observed.lsn, observed.lacks_own_lsn), (Some(7), true));
        assert!(observed.document.expect("a document").get("_lsn").is_none());
        // In LatestVersion mode the feed's number stands in the place of the application's value.
        let observed = parse(own(json!(7))).expect("observed");
        assert_eq!((observed.lsn, observed.lacks_own_lsn), (Some(7), true));
        let observed = of_envelope(&json!({"id": "1", "pk": "a", "_ts": 5, "_etag": "e", "_lsn": 7}), None);
        assert_eq!((observed.operation, observed.lsn, observed.lacks_own_lsn), (Operation::Write, Some(7), false));
        assert!(observed.document.expect("a document").get("_lsn").is_none());
    }

    #[test]
    fn the_key_of_a_delete_follows_the_paths_of_the_container_not_the_order_of_the_properties() {
        let delete = |key: Value, paths: &[&str]| {
            let metadata = json!({"crts": 1.0, "lsn": 2, "operationType": "delete", "id": "1", "partitionKey": key});
            let paths: Vec<KeyPath> = paths.iter().map(|path| path.parse().expect("a path")).collect();
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
        assert_eq!(delete(json!({"a b": {"c/d": 1.0}}), &[r#"/"a b"/'c/d'"#]), "[1]");
        assert_eq!(delete(json!({"a/b": 1, "a": {"b": 2}}), &[r#"/"a/b""#, "/a/b"]), "[1,2]");
        assert_eq!(delete(json!({"id": 5}), &["/user/id", "/tenant/id"]), "[{},{}]");
        assert_eq!(delete(json!(["x", 1.0, {}]), &["/a", "/b", "/c"]), r#"["x",1,{}]"#);
    }

    #[test]
    fn the_id_of_a_delete_is_that_of_the_metadata_which_no_host_rewrites() {
        let image = json!({"id": "2024-01-01T08:00:00+00:00", "pk": "a"});
        let delete = |id: Value| {
            let metadata =
                json!({"crts": 1.0, "lsn": 2, "operationType": "delete", "id": id, "partitionKey": {"pk": "a"}});
            parse(json!({"current": {}, "previous": image, "metadata": metadata})).expect("delete")
        };
        let observed = delete(json!("2024-01-01T10:00:00+02:00"));
        assert_eq!((observed.id.as_str(), observed.id_is_exact), ("2024-01-01T10:00:00+02:00", true));
        let older = delete(Value::Null);
        assert_eq!((older.id.as_str(), older.id_is_exact), ("2024-01-01T08:00:00+00:00", false));
    }

    #[test]
    fn a_change_that_is_renamed_has_its_id_and_key_in_its_images_too() {
        let replace = json!({"current": {"id": "r", "pk": "r", "n": 1, "_ts": 5, "_etag": "e"}, "previous": {"id": "r", "pk": "r"},
            "metadata": {"operationType": "replace", "lsn": 4, "previousImageLSN": 3}});
        let mut observed = parse(replace).expect("replace");
        assert_eq!(observed.previous_lsn, Some(3));
        observed.rename("i".to_owned(), Key::text("k"), &[KeyPath::property("pk")]);
        assert_eq!((observed.id.as_str(), &observed.partition_key), ("i", &Key::text("k")));
        assert_eq!(observed.previous, Some(json!({"id": "i", "pk": "k"})));
        let document = observed.document.expect("a document");
        assert_eq!((&document["id"], &document["pk"], &document["n"]), (&json!("i"), &json!("k"), &json!(1)));
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
