//! The service's limits that the endpoint enforces, and its own limits.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

use std::time::Duration;

/// The most items on a page, whatever a client requests.
pub(crate) const MAX_PAGE_ITEMS: usize = 1_000;
/// The items on a page of the change feed if the client requests no number.
pub(crate) const DEFAULT_CHANGE_FEED_ITEMS: usize = 100;
/// The most bytes of a page.
pub(crate) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of a request: an item or a batch of 2 MB, and room for its encoding.
pub(crate) const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of an item's id.
pub(crate) const MAX_ID_BYTES: usize = 1023;
/// The most bytes of versions that AllVersionsAndDeletes mode retains of a container. The service limits only their age.
pub(crate) const MAX_VERSION_LOG_BYTES: usize = 128 * 1024 * 1024;
/// The most seconds of an item's time to live.
pub(crate) const MAX_TTL_SECONDS: i64 = i32::MAX as i64;
/// The most levels of objects and arrays in an item, itself included. The service allows 128. This is lower so that a JSON
/// parser with a limit of 127 levels can read the item within an envelope on a page of the change feed.
pub(crate) const MAX_ITEM_DEPTH: usize = 124;
/// The most operations of a batch.
pub(crate) const MAX_BATCH_OPERATIONS: usize = 100;
/// The most bytes of a batch.
pub(crate) const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;
/// The most seconds that the endpoint's clock can be ahead of the machine's or behind it: about a hundred years.
pub(crate) const MAX_CLOCK_OFFSET_SECONDS: i64 = 3_200_000_000;
/// The longest duration of a split or merge.
pub(crate) const MAX_TRANSITION: Duration = Duration::from_secs(600);
/// The most physical partitions that a container can be given at once.
pub(crate) const MAX_PARTITIONS: usize = 1_000;
/// The most bytes of a request of the control interface.
pub(crate) const MAX_CONTROL_REQUEST_BYTES: usize = 64 * 1024;
/// The longest delay that the control interface accepts.
pub(crate) const MAX_FAULT_DELAY: Duration = Duration::from_secs(600);
/// The most requests that one fault of the control interface can affect.
pub(crate) const MAX_FAULT_TIMES: u32 = 1_000_000;
/// The requests that the request log holds.
pub(crate) const MAX_LOGGED_REQUESTS: usize = 20_000;
