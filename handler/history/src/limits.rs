//! The limits of requests and of sweeps.

/// The longest filter, in bytes.
pub(crate) const MAX_FILTER_BYTES: usize = 12_000;
/// The maximum number of filters of a request.
pub(crate) const MAX_FILTERS: usize = 20;
/// The most brackets within each other in a filter.
pub(crate) const MAX_FILTER_DEPTH: usize = 16;
/// The maximum number of tests of a filter, and of all filters of a request. Each further value of a list counts as one.
pub(crate) const MAX_FILTER_TESTS: usize = 100;
/// A superseded version is stored for this many seconds longer than the retention: to allow for clock skew, and because a restore
/// to the start of the window needs time between its plan and its last write.
pub(crate) const RETENTION_GRACE: i64 = 3600;
/// A step of a sweep ends after this number of rows, at the end of the second that it has reached.
pub(crate) const SWEEP_ROWS: usize = 1000;
/// The maximum number of versions of one document that a sweep reads before it deletes them.
pub(crate) const SWEEP_VERSIONS: usize = 500;
/// The maximum number of versions with parts that a sweep deletes at a time.
pub(crate) const SWEEP_SPLIT_VERSIONS: usize = 50;
/// The most buckets of a window.
pub(crate) const MAX_BUCKETS: i64 = 1500;
/// The most versions that one request for the activity of a window reads.
pub const MAX_ACTIVITY_VERSIONS: usize = 100_000;
