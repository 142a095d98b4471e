//! Limits of the service that records and documents are held against, in one place.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 12_000;
/// Filters of one search.
pub const MAX_FILTERS: usize = 20;
/// What is directly below the place of a backup, or of backups.
pub const MAX_ENTRIES: usize = 200_000;
/// The longest line of a backup. A document has 2 MB as the service encodes it; in JSON text a character can take six bytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Lines after which a segment is cut.
pub const SEGMENT_LINES: u64 = 200_000;
/// Bytes after which a segment is cut.
pub const SEGMENT_UNPACKED_BYTES: u64 = 64 * 1024 * 1024;
/// Compressed bytes after which a segment is cut: it is held in memory until it is written.
pub const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// The most compressed bytes of a segment that is read: that much is held in memory. Room for one line too many.
pub const MAX_SEGMENT_BYTES: usize = SEGMENT_BYTES + MAX_LINE_BYTES + 8 * 1024 * 1024;
/// The most bytes that a segment unpacks to.
pub const MAX_UNPACKED_SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// The base-two logarithm of how far back a compressed file may refer: that much is held in memory. zstd's own advice.
pub const MAX_WINDOW_LOG: u32 = 23;
/// The largest manifest: one of the greatest number of segments.
pub const MAX_MANIFEST_BYTES: usize = 40 * 1024 * 1024;
/// Damages that a report names.
pub const MAX_DAMAGES: usize = 1000;
/// How much longer than the retention a superseded version is kept, in seconds: clocks differ, and a restore to the edge of
/// the window needs time between its plan and its last write.
pub const RETENTION_GRACE: i64 = 3600;
/// Rows after which a sweep of the retention finishes what it has read, at the end of the second that it is in.
pub const SWEEP_ROWS: usize = 1000;
/// Versions of one document that a sweep reads before it deletes them.
pub const SWEEP_VERSIONS: usize = 500;
/// Versions with parts that are removed at a time.
pub const SWEEP_SPLIT_VERSIONS: usize = 50;
