//! From an item of the changes container back to a version, its document whole.

use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cosmos::{Container, Error, Key};
use crate::enclose::{decompress, digest};
use crate::limits::MAX_DOCUMENT_BYTES;
use crate::version::{Version, without_system_properties};

/// Reads a version's record, and the parts of what is too large for it.
pub(super) async fn version_of(changes: &Container, record: Value) -> Result<Version, Error> {
    let record = whole(changes, record, &["document", "previous"]).await?;
    let damaged =
        |error: serde_json::Error| Error::invalid(format!("reading version {}", record["id"]), error.to_string());
    Version::deserialize(&record).map_err(damaged)
}

/// Puts the `bulky` fields of a record back, as `docs/format.md` specifies, and takes the system properties off.
pub(crate) async fn whole(container: &Container, record: Value, bulky: &[&str]) -> Result<Value, Error> {
    let mut record = without_system_properties(record);
    let id = record["id"].as_str().unwrap_or_default().to_owned();
    let damaged = |message: String| Error::invalid(format!("reading record {id}"), message);
    for field in bulky {
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
    let query = "SELECT c.number, c.data FROM c WHERE c.partOf = @id AND c.field = @field AND c.digest = @digest";
    let parameters = Map::from_iter([
        ("@id".to_owned(), json!(id)),
        ("@field".to_owned(), json!(field)),
        ("@digest".to_owned(), record[format!("{field}Digest")].clone()),
    ]);
    // A part lies beside its record unless the container is partitioned by id.
    let by_id = container.key_paths().iter().any(|path| path == "/id");
    let key = if by_id { None } else { Some(Key::of(record, container.key_paths())?) };
    let mut found: Vec<Value> = container.select(query, &parameters, key.as_ref()).await?.try_collect().await?;
    found.sort_by_key(|part| part["number"].as_u64());
    if found.len() as u64 != parts {
        return Err(Error::invalid(
            format!("reading record {id}"),
            format!("{} of {parts} parts of its {field} are there", found.len()),
        ));
    }
    let encoded: String = found.iter().filter_map(|part| part["data"].as_str()).collect();
    if digest(&encoded) != record[format!("{field}Digest")] {
        return Err(Error::invalid(
            format!("reading record {id}"),
            format!("the parts of its {field} are not what was stored"),
        ));
    }
    Ok(encoded)
}
