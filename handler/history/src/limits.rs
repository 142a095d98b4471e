//! The limits of requests and of sweeps.

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 12_000;
/// Filters of one search.
pub const MAX_FILTERS: usize = 20;
/// How much longer than the retention a superseded version is stored, in seconds: to allow for clock skew, and for the time
/// that a restore to the edge of the window needs between its plan and its last write.
pub const RETENTION_GRACE: i64 = 3600;
/// Rows after which a sweep of the retention finishes what it has read, at the end of the second that it is in.
pub const SWEEP_ROWS: usize = 1000;
/// Versions of one document that a sweep reads before it deletes them.
pub const SWEEP_VERSIONS: usize = 500;
/// Versions with parts that are removed at a time.
pub const SWEEP_SPLIT_VERSIONS: usize = 50;
