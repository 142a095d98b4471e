//! Limits of the service that records and documents are held against, in one place.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

/// The most bytes of JSON that a record is stored with. The service takes items of 2 MB as *it* encodes them; the rest is
/// room for that, and for its system properties.
pub const MAX_RECORD_BYTES: usize = 1_900_000;
/// The most bytes of base64 text in a part item, which has little else.
pub const MAX_PART_BYTES: usize = 1_800_000;
/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 1023;
/// The longest text in a partition key value, in bytes.
pub const MAX_KEY_BYTES: usize = 2048;
/// Documents deleted by one request.
pub const MAX_TRUNCATE: u64 = 10_000_000;
/// Sample documents written by one request.
pub const MAX_POPULATE: u64 = 10_000_000;
/// Items on a page of a query.
pub const MAX_PAGE_ITEMS: u32 = 1000;
