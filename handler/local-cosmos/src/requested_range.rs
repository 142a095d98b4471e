//! The part of the key space that a request for several items addresses.

use crate::container::Container;
use crate::incoming::Incoming;
use crate::partition_key::{EffectiveKey, KeyRange};
use crate::reply::{Reply, header};
use crate::store::Contents;

/// The answer to a request for a partition that was split or merged.
pub(crate) fn gone(partition: &str) -> Reply {
    let message = format!("The partition key range {partition} does not exist; it was split or merged.");
    Reply::error(410, "Gone", message).with(header::SUBSTATUS, "1002")
}

/// The keys of a request: those of a partition key or of its prefix, of a physical partition, and of a range of effective keys. Without
/// any of them, all keys.
pub(crate) fn requested_range(
    container: &Container,
    contents: &Contents,
    incoming: &Incoming,
) -> Result<KeyRange, Reply> {
    let mut range = match incoming.header(header::PARTITION_KEY_RANGE_ID) {
        Some(id) => {
            // Some SDKs write the resource id of the container before it.
            let id = id.rsplit(',').next().unwrap_or(id);
            let partition = contents.partitions().iter().find(|partition| partition.id == id);
            partition.map(|partition| partition.range.clone()).ok_or_else(|| gone(id))?
        }
        None => KeyRange::all(),
    };
    if let Some(key) = incoming.header(header::PARTITION_KEY).filter(|key| *key != "[]") {
        let keys = container.key_range(key).map_err(|message| container.key_mismatch(&message))?;
        range = range.intersection(&keys).unwrap_or(keys);
    }
    let bound = |name| match incoming.header(name) {
        Some(hex) => EffectiveKey::from_hex(hex).map(Some).ok_or_else(|| {
            container.error(400, "BadRequest", &format!("{name} is \"{hex}\"; it must have hexadecimal digits."))
        }),
        None => Ok(None),
    };
    let min = bound("x-ms-start-epk")?.unwrap_or_else(EffectiveKey::smallest);
    let max = match bound("x-ms-end-epk")?.unwrap_or_else(EffectiveKey::largest) {
        // A range of one key.
        max if max == min => max.next(),
        max => max,
    };
    let keys = KeyRange { min, max };
    Ok(range.intersection(&keys).unwrap_or(KeyRange { min: keys.min.clone(), max: keys.min }))
}

/// Whether a request addresses a part of the key space, and not all of it.
pub(crate) fn is_limited(incoming: &Incoming) -> bool {
    let names = [header::PARTITION_KEY_RANGE_ID, header::PARTITION_KEY, "x-ms-start-epk", "x-ms-end-epk"];
    names.iter().any(|name| incoming.header(name).is_some_and(|value| value != "[]"))
}
