//! From what was observed to the items that are written for it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::observed::Observed;
use crate::enclose::{compress, cut, digest};
use crate::limits::{MAX_RECORD_BYTES, MAX_RECORD_DEPTH};
use crate::version::{SCHEMA, Version, pk_of, removal_id, timestamp, version_id, without_system_properties};

/// An item to create.
#[derive(Debug)]
pub(crate) struct Item {
    pub id: String,
    pub body: Value,
}

/// The version that was observed. `default_ttl` is the monitored container's, `None` where time to live is off.
pub(crate) fn version(
    observed: Observed,
    default_ttl: Option<i64>,
    exact: bool,
    captured_by: &str,
    now: DateTime<Utc>,
) -> Version {
    let id = match (&observed.etag, observed.lsn) {
        (Some(etag), _) => version_id(observed.source_ts, etag),
        (None, lsn) => removal_id(observed.source_ts, lsn.unwrap_or_default()),
    };
    let ttl = default_ttl.map(|default| observed.ttl.unwrap_or(default)).filter(|ttl| *ttl > 0);
    let expires_at = ttl.filter(|_| observed.document.is_some()).map(|ttl| observed.source_ts.saturating_add(ttl));
    Version {
        id,
        pk: pk_of(&observed.partition_key),
        source_id: observed.id,
        partition_key: observed.partition_key,
        operation: observed.operation,
        source_ts: observed.source_ts,
        lsn: observed.lsn,
        etag: observed.etag,
        expires_at,
        captured_at: timestamp(now),
        captured_by: captured_by.to_owned(),
        exact,
        inferred: false,
        schema: SCHEMA,
        document: observed.document.map(without_system_properties),
        previous: observed.previous.map(without_system_properties),
    }
}

/// The items of a version: the record, after the parts of what is too large for it.
pub(crate) fn items(version: &Version) -> Result<Vec<Item>, String> {
    let mut owner = Map::from_iter([("sourceId".to_owned(), json!(version.source_id))]);
    owner.extend(version.pk.clone().map(|pk| ("pk".to_owned(), pk)));
    enclosed(version, &version.id, &["document", "previous"], &owner)
}

/// The items for a record of which the `bulky` fields may be too large: they are compressed, and spread over part items
/// that carry the properties of `owner`, as `enclose` specifies.
pub(crate) fn enclosed(
    record: &impl Serialize,
    id: &str,
    bulky: &[&str],
    owner: &Map<String, Value>,
) -> Result<Vec<Item>, String> {
    let mut body = serde_json::to_value(record).map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    if size(&body) > MAX_RECORD_BYTES || depth(&body) > MAX_RECORD_DEPTH {
        for field in bulky {
            if let Some(value) = body.as_object_mut().and_then(|object| object.shift_remove(*field)) {
                let encoded = compress(&value.to_string()).map_err(|error| error.to_string())?;
                body[format!("{field}Zstd")] = Value::String(encoded);
            }
        }
    }
    if size(&body) > MAX_RECORD_BYTES {
        for field in bulky {
            let Some(Value::String(encoded)) =
                body.as_object_mut().and_then(|object| object.shift_remove(&format!("{field}Zstd")))
            else {
                continue;
            };
            let (parts, digest) = (cut(&encoded), digest(&encoded));
            body[format!("{field}Parts")] = json!(parts.len());
            body[format!("{field}Digest")] = json!(digest);
            for (number, data) in parts.into_iter().enumerate() {
                items.push(part(id, field, &digest, number, data, owner));
            }
        }
    }
    items.push(Item { id: id.to_owned(), body });
    Ok(items)
}

fn part(id: &str, field: &str, digest: &str, number: usize, data: &str, owner: &Map<String, Value>) -> Item {
    let id_of_part = format!("{id}-{field}-{digest}-{number:04}");
    let mut body =
        json!({"id": id_of_part, "partOf": id, "field": field, "digest": digest, "number": number, "data": data});
    if let Some(body) = body.as_object_mut() {
        body.extend(owner.clone());
    }
    Item { id: id_of_part, body }
}

/// The levels of nesting. What is measured was parsed, so they are few.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(properties) => 1 + properties.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn size(body: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Writing into a counter cannot fail.
    let _ = serde_json::to_writer(&mut count, body);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enclose::decompress;

    fn observed(document: Value) -> Observed {
        Observed::parse(&document.to_string(), &["/pk".to_owned()]).expect("observed")
    }

    fn captured(document: Value) -> Vec<Item> {
        items(&version(observed(document), Some(-1), true, "i", DateTime::UNIX_EPOCH)).expect("items")
    }

    #[test]
    fn a_record_has_the_fields_of_the_format_and_the_document_none_of_the_services() {
        let items = captured(
            json!({"id": "28036", "pk": "28036", "city_name": "Davidson", "ttl": 3, "_rid": "r", "_self": "s",
            "_etag": "\"0059\"", "_attachments": "a", "_ts": 1592926406, "_lsn": 20591}),
        );
        assert_eq!(items.len(), 1);
        assert_eq!(
            items[0].body,
            json!({"id": "1592926406-0059", "pk": "28036", "sourceId": "28036", "partitionKey": ["28036"],
                "operation": "write", "sourceTs": 1592926406, "lsn": 20591, "etag": "\"0059\"", "expiresAt": 1592926409,
                "capturedAt": "1970-01-01T00:00:00.000Z", "capturedBy": "i", "exact": true, "schema": 1,
                "document": {"id": "28036", "pk": "28036", "city_name": "Davidson", "ttl": 3}})
        );
    }

    #[test]
    fn a_version_expires_by_its_own_time_to_live_or_the_containers_unless_that_is_off() {
        let expires_at = |ttl: Value, default_ttl| {
            let document = json!({"id": "1", "pk": "a", "ttl": ttl, "_etag": "e", "_ts": 100});
            version(observed(document), default_ttl, true, "i", DateTime::UNIX_EPOCH).expires_at
        };
        assert_eq!(expires_at(json!(3), Some(-1)), Some(103));
        assert_eq!(expires_at(json!(null), Some(10)), Some(110));
        assert_eq!(expires_at(json!(-1), Some(10)), None);
        assert_eq!(expires_at(json!(null), Some(-1)), None);
        assert_eq!(expires_at(json!(3), None), None);
    }

    #[test]
    fn a_large_document_is_compressed_and_comes_out_whole() {
        let text = "0123456789".repeat(200_000);
        let items = captured(json!({"id": "1", "pk": "a", "text": text, "_etag": "e", "_ts": 1}));
        let record = &items[0].body;
        assert!(items.len() == 1 && record.get("document").is_none() && size(record) < MAX_RECORD_BYTES);
        let json = decompress(record["documentZstd"].as_str().expect("zstd"), 10_000_000).expect("text");
        assert_eq!(serde_json::from_str::<Value>(&json).expect("json")["text"], text);
    }

    #[test]
    fn a_document_that_is_nested_as_deep_as_may_be_is_compressed_because_its_record_would_be_deeper() {
        let nested = |levels: usize| (1..levels).fold(json!(1), |inner, _| json!([inner]));
        let items = captured(json!({"id": "1", "pk": "a", "x": nested(MAX_RECORD_DEPTH), "_etag": "e", "_ts": 1}));
        assert!(items[0].body.get("document").is_none() && items[0].body["documentZstd"].is_string());
        let items = captured(json!({"id": "1", "pk": "a", "x": nested(50), "_etag": "e", "_ts": 1}));
        assert!(items[0].body["document"].is_object());
    }

    #[test]
    fn a_large_document_that_cannot_be_compressed_is_spread_over_parts_that_come_first() {
        let mut state = 1u64;
        let noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from_u32(33 + (state >> 33) as u32 % 60_000).unwrap_or('x')
        };
        let text: String = std::iter::repeat_with(noise).take(900_000).collect();
        let items = captured(json!({"id": "1", "pk": "a", "text": text, "_etag": "e", "_ts": 1}));
        let (record, parts) = items.split_last().expect("record");
        assert!(parts.len() >= 2 && items.iter().all(|item| size(&item.body) <= MAX_RECORD_BYTES));
        assert_eq!(record.body["documentParts"], parts.len());
        assert!(
            parts
                .iter()
                .all(|part| part.body["pk"] == "a" && part.body["sourceId"] == "1" && part.body["partOf"] == record.id)
        );
        let encoded: String = parts.iter().filter_map(|part| part.body["data"].as_str()).collect();
        let json = decompress(&encoded, 10_000_000).expect("text");
        assert_eq!(serde_json::from_str::<Value>(&json).expect("json")["text"], text);
    }
}
