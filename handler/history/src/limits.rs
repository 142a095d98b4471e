//! Limits of the service that records and documents are held against, in one place.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

/// The most bytes of JSON that a record is stored with. The service takes items of 2 MB as *it* encodes them; the rest is
/// room for that, and for its system properties.
pub const MAX_RECORD_BYTES: usize = 1_900_000;
/// The most levels of nesting that a record is stored with. The service takes 128, the SDK reads a few less.
pub const MAX_RECORD_DEPTH: usize = 120;
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
/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 12_000;
/// Filters of one search.
pub const MAX_FILTERS: usize = 20;
/// Documents restored within one request.
pub const MAX_RESTORED: usize = 1000;
/// What a compressed document may unpack to: an item of the service in JSON, escapes included, with room.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
/// Documents that are looked at for one restore.
pub const MAX_CANDIDATES: usize = 10_000;
/// Differences of a document that a plan shows.
pub const MAX_SHOWN_CHANGES: usize = 50;
/// Lines of the increments of a chain of backups: a restore holds sixteen bytes of each in memory.
pub const MAX_CHAIN_LINES: u64 = 5_000_000;
/// Bytes of documents of a backup after which a page of a restore is full.
pub const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// How much longer than the retention a superseded version is kept, in seconds: clocks differ, and a restore to the edge of
/// the window needs time between its plan and its last write.
pub const RETENTION_GRACE: i64 = 3600;
/// Rows after which a sweep of the retention finishes what it has read, at the end of the second that it is in.
pub const SWEEP_ROWS: usize = 1000;
/// Versions of one document that a sweep reads before it deletes them.
pub const SWEEP_VERSIONS: usize = 500;
/// Versions with parts that are removed at a time.
pub const SWEEP_SPLIT_VERSIONS: usize = 50;
