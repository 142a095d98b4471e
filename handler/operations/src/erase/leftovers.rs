//! Removes parts that no record refers to: the record was never written, or was written again with other parts.
//!
//! They may hold a document, and alone they cannot be read. A part is a leftover only if it is so old that its record would have been written.

use changefeed_cosmos::{Container, Error, Key, retry};
use serde_json::Value;
use tokio::time::Instant;

use super::erase_counts::EraseCounts;

/// Selects parts, to be swept by [`sweep_part`].
pub(super) const SELECT_PARTS: &str =
    "SELECT c.id, c.partOf, c.field, c.digest, c._ts FROM c WHERE IS_DEFINED(c.partOf)";

/// Removes a part if it is a leftover that was written up to `last`, in seconds since 1970.
///
/// # Errors
/// When the container cannot be read or written.
pub(super) async fn sweep_part(
    container: &Container,
    part: &Value,
    last: i64,
    deadline: Instant,
) -> Result<EraseCounts, Error> {
    let text = |name: &str| part[name].as_str().unwrap_or_default().to_owned();
    let (id, record_id, field, digest) = (text("id"), text("partOf"), text("field"), text("digest"));
    if part["_ts"].as_i64().is_none_or(|written| written > last) {
        return Ok(EraseCounts::default());
    }
    let record_key = Key::text(&record_id);
    let record = retry(deadline, || container.read(&record_key, &record_id)).await?;
    let refers = record.is_some_and(|record| record[format!("{field}Digest")] == digest.as_str());
    if refers {
        return Ok(EraseCounts::default());
    }
    let deleted = container.delete_until(deadline, &Key::text(&id), &id, None).await?;
    Ok(EraseCounts { leftovers: u64::from(deleted.is_own()), ..EraseCounts::default() })
}

/// The query for records, without their parts.
pub(super) const SELECT_RECORDS: &str = "SELECT * FROM c WHERE NOT IS_DEFINED(c.partOf)";
