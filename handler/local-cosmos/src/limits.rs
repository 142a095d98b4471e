//! The service's limits that the endpoint keeps, in one place.
//!
//! Source: "Azure Cosmos DB service quotas" in Microsoft's documentation.

use std::time::Duration;

/// The most items of a page, whatever a client asks for.
pub(crate) const MAX_PAGE_ITEMS: usize = 1_000;
/// The items of a change feed page for which no number is asked.
pub(crate) const DEFAULT_CHANGE_FEED_ITEMS: usize = 100;
/// The most bytes of a page's body.
pub(crate) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of a request's body: an item of 2 MB, a batch of 2 MB, and room for what encodes them.
pub(crate) const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes of an item's id.
pub(crate) const MAX_ID_BYTES: usize = 1023;
/// The most bytes of versions of a container that AllVersionsAndDeletes mode keeps. The service bounds only the time.
pub(crate) const MAX_VERSION_LOG_BYTES: usize = 128 * 1024 * 1024;
/// The most seconds of an item's time to live.
pub(crate) const MAX_TTL_SECONDS: i64 = i32::MAX as i64;
/// The most levels of objects and arrays in an item, itself included. The service has 128; this is what a reader of JSON
/// that stops at 127 levels can take when the item stands within a page and an envelope of the change feed.
pub(crate) const MAX_ITEM_DEPTH: usize = 124;
/// The longest split or merge that can be asked for.
pub(crate) const MAX_TRANSITION: Duration = Duration::from_secs(600);
/// The most physical partitions that a container can be given at once.
pub(crate) const MAX_PARTITIONS: usize = 1_000;
/// The most bytes of a request of the control interface.
pub(crate) const MAX_CONTROL_REQUEST_BYTES: usize = 64 * 1024;
/// The longest that the control interface lets a request be late.
pub(crate) const MAX_FAULT_DELAY: Duration = Duration::from_secs(600);
/// The most requests that the control interface lets fail at once.
pub(crate) const MAX_FAULT_TIMES: u32 = 1_000_000;
/// The requests that the request log holds.
pub(crate) const MAX_LOGGED_REQUESTS: usize = 20_000;
