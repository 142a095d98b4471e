//! Limits of the service, and of what this program stores and reads within them.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

/// The most bytes of JSON that a record is stored with. The service allows items of 2 MB as *it* encodes them; the rest is
/// room for that encoding and for the system properties.
pub const MAX_RECORD_BYTES: usize = 1_900_000;
/// The most levels of nesting that a record is stored with. The service allows 128, the SDK reads a few less.
pub(crate) const MAX_RECORD_DEPTH: usize = 120;
/// The most bytes of base64 text in a part item, which has little else.
pub(crate) const MAX_PART_BYTES: usize = 1_800_000;
/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 1023;
/// The longest text in a partition key value, in bytes.
pub const MAX_KEY_BYTES: usize = 2048;
/// The most items on a page of a query.
pub const MAX_PAGE_ITEMS: u32 = 1000;
/// The most bytes that a compressed document may unpack to: an item of the service in JSON, escapes included, with room.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
/// The most physical partitions that one query reads. The SDK refuses more than 100 by default; a container
/// has one partition for each 50 GB or 10,000 RU/s.
pub const MAX_FAN_OUT: u32 = 100_000;
