//! An item as it was written.

use serde_json::Value;

use crate::partition_key::EffectiveKey;

/// The newest write of an item.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The number of the item within its container, in the order of creation. A replace does not change it.
    pub document: u64,
    /// The position of the write in the container's log.
    pub position: u64,
    /// The same for all writes of a transaction; they are never on different pages of the change feed.
    pub transaction: u64,
    pub epk: EffectiveKey,
    pub id: Box<str>,
    /// The partition key as the request header has it: a JSON array.
    pub key: Box<str>,
    /// With its quotes.
    pub etag: Box<str>,
    /// Seconds since 1970.
    pub ts: i64,
    /// The item's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
    pub lsn: u64,
    /// Whether the item has a property `_lsn` of its own, which the change feed replaces by the service's.
    pub has_own_lsn: bool,
    /// The stored JSON object, with the system properties.
    pub body: Box<[u8]>,
}

impl Entry {
    /// The parsed body.
    pub(super) fn item(&self) -> Value {
        // What is stored is JSON.
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
