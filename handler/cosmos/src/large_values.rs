//! How a record that is larger than an item may be is stored: as it is, with compressed fields, or with fields that are
//! compressed and split over part items. Nothing is ever truncated.
//!
//! Format: a field `x` becomes `xZstd`, the base64 (standard alphabet, padded) of the zstd frame of its JSON text; or
//! `xParts`, the number of part items whose `data`, joined in order, is that base64 text, and `xDigest`, which those parts
//! carry too: parts that an interrupted write left behind are never taken for them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::container::Container;
use crate::error::Error;
use crate::key::Key;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_PART_BYTES, MAX_RECORD_BYTES, MAX_RECORD_DEPTH};
use crate::system_properties::without_system_properties;

const LEVEL: i32 = 3;

/// An item to write.
#[derive(Debug)]
pub struct Item {
    /// Its id, which is in the body too.
    pub id: String,
    /// The whole item: a JSON object. The SDK does not take it as text: see [`Item::value`].
    pub(crate) body: Box<RawValue>,
    /// Some of its properties, among them those of its key, as far as they are known without reading the body.
    known: Value,
}

impl Item {
    /// An item with this id, which is in its body too.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when the body is not JSON, which this program never makes.
    pub fn new(id: String, body: &Value) -> Result<Self, Error> {
        let body = to_raw_value(body).map_err(|error| Error::internal(format!("storing record {id}"), error))?;
        Ok(Self { id, body, known: Value::Null })
    }

    /// The body as the SDK takes it: it sends no JSON text.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) when the body is not JSON, which this program never makes.
    pub fn value(&self) -> Result<Value, Error> {
        let failed = |error| Error::internal(format!("reading item {}", self.id), error);
        serde_json::from_str(self.body.get()).map_err(failed)
    }

    /// The body as JSON text.
    pub fn text(&self) -> &str {
        self.body.get()
    }

    /// The item's partition key in a container.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the item has another value there than a key may have.
    pub fn key(&self, container: &Container) -> Result<Key, Error> {
        if container.key_paths().iter().all(|path| path.of(&self.known).is_some()) {
            return Key::of(&self.known, container.key_paths());
        }
        let failed = |error| Error::internal(format!("reading the key of item {}", self.id), error);
        let properties: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(self.body.get()).map_err(failed)?;
        // The other properties may be large.
        let mut with_key = Map::new();
        for path in container.key_paths() {
            if let Some(name) = path.segments().first()
                && let Some(property) = properties.get(name.as_str())
            {
                with_key.insert(name.clone(), serde_json::from_str(property.get()).map_err(failed)?);
            }
        }
        Key::of(&Value::Object(with_key), container.key_paths())
    }
}

/// The items for a record of which the `large` fields may be too large: the parts come first and the record last. Part items
/// carry the record's properties in `owner`, among which are those of the container's partition key unless that is `/id`.
///
/// # Errors
/// [`Internal`](crate::ErrorKind::Internal) when the record is not JSON.
pub fn split_large_record(
    record: &impl Serialize,
    id: &str,
    large: &[&str],
    owner: &Map<String, Value>,
) -> Result<Vec<Item>, Error> {
    let internal = |error: String| Error::internal(format!("storing record {id}"), error);
    let body = to_raw_value(record).map_err(|error| internal(error.to_string()))?;
    if body.get().len() <= MAX_RECORD_BYTES && depth(body.get()) <= MAX_RECORD_DEPTH {
        return Ok(vec![Item { id: id.to_owned(), body, known: Value::Object(owner.clone()) }]);
    }
    let mut body = serde_json::to_value(record).map_err(|error| internal(error.to_string()))?;
    let mut items = Vec::new();
    for field in large {
        if let Some(value) = body.as_object_mut().and_then(|object| object.shift_remove(*field)) {
            let encoded = compress(&value.to_string()).map_err(|error| internal(error.to_string()))?;
            body[format!("{field}Zstd")] = Value::String(encoded);
        }
    }
    if size(&body) > MAX_RECORD_BYTES {
        for field in large {
            let Some(Value::String(encoded)) =
                body.as_object_mut().and_then(|object| object.shift_remove(&format!("{field}Zstd")))
            else {
                continue;
            };
            let (parts, digest) = (cut(&encoded), digest(&encoded));
            body[format!("{field}Parts")] = json!(parts.len());
            body[format!("{field}Digest")] = json!(digest);
            for (number, data) in parts.into_iter().enumerate() {
                items.push(part(id, field, &digest, number, data, owner)?);
            }
        }
    }
    items.push(Item::new(id.to_owned(), &body)?);
    Ok(items)
}

/// A record as it was before [`split_large_record`], without the system properties. Its parts are read from `container`.
///
/// # Errors
/// [`Corrupt`](crate::ErrorKind::Corrupt) when parts are missing or damaged, and when the container cannot be read.
pub async fn reassemble(container: &Container, record: Value, large: &[&str]) -> Result<Value, Error> {
    let mut record = without_system_properties(record);
    let id = record["id"].as_str().unwrap_or_default().to_owned();
    let damaged = |message: String| Error::corrupt(format!("reading record {id}"), message);
    for field in large {
        let encoded =
            match (record.get(format!("{field}Zstd")), record.get(format!("{field}Parts")).and_then(Value::as_u64)) {
                (Some(Value::String(encoded)), _) => encoded.clone(),
                (_, Some(parts)) => read_parts(container, &record, &id, field, parts).await?,
                _ => continue,
            };
        let json = decompress(&encoded, MAX_DOCUMENT_BYTES).map_err(&damaged)?;
        record[*field] = serde_json::from_str(&json).map_err(|error| damaged(error.to_string()))?;
    }
    Ok(record)
}

async fn read_parts(container: &Container, record: &Value, id: &str, field: &str, parts: u64) -> Result<String, Error> {
    let damaged = |message: String| Error::corrupt(format!("reading record {id}"), message);
    let expected = record[format!("{field}Digest")].as_str().unwrap_or_default();
    // The ids of parts follow from the record: they are found by the index on ids, whatever else is indexed.
    let query = "SELECT c.number, c.data FROM c WHERE STARTSWITH(c.id, @prefix) AND c.partOf = @id";
    let parameters = Map::from_iter([
        ("@prefix".to_owned(), json!(format!("{}{field}-{expected}-", parts_prefix(id)))),
        ("@id".to_owned(), json!(id)),
    ]);
    // A part is stored beside its record unless the container is partitioned by id.
    let by_id = container.key_paths().iter().any(|path| path.is_property("id"));
    let key = if by_id { None } else { Some(Key::of(record, container.key_paths())?) };
    let mut found: Vec<Value> = container.select(query, &parameters, key.as_ref()).await?.try_collect().await?;
    found.sort_by_key(|part| part["number"].as_u64());
    if found.len() as u64 != parts {
        return Err(damaged(format!("{} of the {parts} parts of its {field} exist", found.len())));
    }
    let encoded: String = found.iter().filter_map(|part| part["data"].as_str()).collect();
    if digest(&encoded) != expected {
        return Err(damaged(format!("the parts of its {field} are not the ones that were stored")));
    }
    Ok(encoded)
}

/// What the ids of a record's parts begin with.
pub fn parts_prefix(id: &str) -> String {
    format!("{id}-")
}

fn part(
    id: &str,
    field: &str,
    digest: &str,
    number: usize,
    data: &str,
    owner: &Map<String, Value>,
) -> Result<Item, Error> {
    let id_of_part = format!("{}{field}-{digest}-{number:04}", parts_prefix(id));
    let mut body =
        json!({"id": id_of_part, "partOf": id, "field": field, "digest": digest, "number": number, "data": data});
    if let Some(body) = body.as_object_mut() {
        body.extend(owner.clone());
    }
    Item::new(id_of_part, &body)
}

/// Compresses a text to base64.
///
/// # Errors
/// When the compressor fails.
pub fn compress(text: &str) -> std::io::Result<String> {
    Ok(STANDARD.encode(zstd::bulk::compress(text.as_bytes(), LEVEL)?))
}

/// A short name that distinguishes a text from others: the first eight bytes of its SHA-256, in hexadecimal digits.
pub fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

/// Cuts base64 text into the data of part items.
fn cut(encoded: &str) -> Vec<&str> {
    // Base64 is ASCII: every cut is between two characters.
    encoded.as_bytes().chunks(MAX_PART_BYTES).filter_map(|part| std::str::from_utf8(part).ok()).collect()
}

/// Reads what [`compress`] made. `max_bytes` bounds what a damaged or hostile text may unpack to.
///
/// # Errors
/// What is wrong with the text.
pub fn decompress(encoded: &str, max_bytes: usize) -> Result<String, String> {
    let compressed = STANDARD.decode(encoded).map_err(|error| format!("not base64: {error}"))?;
    let bytes = zstd::bulk::decompress(&compressed, max_bytes).map_err(|error| format!("not zstd: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))
}

/// The levels of nesting of a JSON text.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_compressed_text_is_read_back_unchanged(text in ".{0,2000}") {
            let encoded = compress(&text).expect("compressed");
            let parts = cut(&encoded);
            prop_assert_eq!(decompress(&parts.concat(), 1 << 20).expect("text"), text);
        }
    }

    #[test]
    fn a_text_that_unpacks_to_more_than_allowed_is_refused() {
        let bomb = compress(&"x".repeat(10_000_000)).expect("compressed");
        assert!(bomb.len() < 10_000);
        assert!(decompress(&bomb, 1_000_000).is_err());
    }

    /// The bodies of the items, which have the ids of the items.
    fn split(document: Value) -> Vec<Value> {
        let owner = Map::from_iter([("pk".to_owned(), json!("a"))]);
        let record = json!({"id": "1", "pk": "a", "document": document});
        let items = split_large_record(&record, "1", &["document"], &owner).expect("items");
        let bodies = items.iter().map(|item| (item, serde_json::from_str::<Value>(item.body.get()).expect("JSON")));
        bodies.inspect(|(item, body)| assert_eq!(body["id"], item.id)).map(|(_, body)| body).collect()
    }

    #[test]
    fn brackets_in_strings_are_no_nesting() {
        for (text, levels) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[1,{"b":2}],"c":[]}"#, 3),
            (r#"["[[[", "\"[[", "\\", [1]]"#, 2),
            (r#"["\\\"[", "\\"]"#, 1),
        ] {
            assert_eq!(depth(text), levels, "{text}");
        }
    }

    #[test]
    fn a_large_record_is_compressed() {
        let text = "0123456789".repeat(200_000);
        let items = split(json!({ "text": text }));
        let record = &items[0];
        assert!(items.len() == 1 && record.get("document").is_none() && size(record) < MAX_RECORD_BYTES);
        let json = decompress(record["documentZstd"].as_str().expect("zstd"), 10_000_000).expect("text");
        assert_eq!(serde_json::from_str::<Value>(&json).expect("json")["text"], text);
    }

    #[test]
    fn a_field_that_is_nested_too_deep_for_an_item_is_compressed() {
        let nested = |levels: usize| (1..levels).fold(json!(1), |inner, _| json!([inner]));
        let items = split(nested(MAX_RECORD_DEPTH + 1));
        assert!(items[0].get("document").is_none() && items[0]["documentZstd"].is_string());
        assert!(split(nested(50))[0]["document"].is_array());
    }

    #[test]
    fn a_large_record_that_cannot_be_compressed_is_split_into_parts_that_come_first() {
        let mut state = 1u64;
        let noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from_u32(33 + (state >> 33) as u32 % 60_000).unwrap_or('x')
        };
        let text: String = std::iter::repeat_with(noise).take(900_000).collect();
        let items = split(json!({ "text": text }));
        let (record, parts) = items.split_last().expect("record");
        assert!(parts.len() >= 2 && items.iter().all(|item| size(item) <= MAX_RECORD_BYTES));
        assert_eq!(record["documentParts"], parts.len());
        assert!(parts.iter().all(|part| part["pk"] == "a" && part["partOf"] == record["id"]));
        let encoded: String = parts.iter().filter_map(|part| part["data"].as_str()).collect();
        let json = decompress(&encoded, 10_000_000).expect("text");
        assert_eq!(serde_json::from_str::<Value>(&json).expect("json")["text"], text);
    }
}
