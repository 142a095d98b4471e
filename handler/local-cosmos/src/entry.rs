//! An item as it was written, and the part of the key space that it is in.

/// The newest write of an item.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The item's effective partition key, in hexadecimal digits.
    pub epk: String,
    pub id: String,
    /// The partition key as the request header has it: a JSON array.
    pub key: String,
    pub etag: String,
    /// Seconds since 1970.
    pub ts: i64,
    /// The item's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
    pub lsn: u64,
    /// The stored JSON object.
    pub body: Vec<u8>,
}

/// A part of the key space, `min` inclusive and `max` exclusive, as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub min: String,
    pub max: String,
}

impl KeyRange {
    pub(crate) fn all() -> Self {
        Self { min: String::new(), max: "FF".into() }
    }

    pub(crate) fn contains(&self, epk: &str) -> bool {
        // A logical partition is a range of one key.
        self.min.as_str() <= epk && (epk < self.max.as_str() || self.min == self.max && epk == self.min)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.min < other.max && other.min < self.max || self.min == self.max && other.contains(&self.min)
    }
}
