//! An item as it was written, and the part of the key space that it is in.

use crate::partition_key::EffectiveKey;

/// The newest write of an item.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The number of the item within its container, in the order of creation. A replace does not change it.
    pub document: u64,
    /// The position of the write in the container's log.
    pub position: u64,
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

/// A part of the key space, `min` inclusive and `max` exclusive. With both the same, it is that one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub min: EffectiveKey,
    pub max: EffectiveKey,
}

impl KeyRange {
    pub(crate) fn all() -> Self {
        Self { min: EffectiveKey::MIN, max: EffectiveKey::MAX }
    }

    pub(crate) fn contains(&self, epk: &EffectiveKey) -> bool {
        self.min <= *epk && (*epk < self.max || self.min == self.max && *epk == self.min)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.min < other.max && other.min < self.max
            || self.min == self.max && other.contains(&self.min)
            || other.min == other.max && self.contains(&other.min)
    }

    /// The keys that are in both ranges; `None` if there are none.
    pub(crate) fn intersection(&self, other: &Self) -> Option<Self> {
        let narrower = Self {
            min: self.min.clone().max(other.min.clone()),
            max: self.max.clone().min(other.max.clone()),
        };
        self.overlaps(other).then_some(narrower)
    }
}
