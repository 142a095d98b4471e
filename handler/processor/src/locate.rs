//! Finds the feed range of a lease that does not record one. Processors that predate the field `FeedRange` wrote such
//! leases: their token is a partition key range id, and the service sends that id with every page.

use std::num::NonZeroU32;

use changefeed_cosmos::Error;

use crate::container::Container;
use crate::feed::Position;
use crate::lease::{FeedRange, Lease};
use crate::mode::ChangeFeedMode;

/// The feed range of the partition key range that the lease token names.
pub(crate) async fn locate(monitored: &Container, lease: &Lease, mode: ChangeFeedMode) -> Result<FeedRange, Error> {
    for range in monitored.feed_ranges().await? {
        let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
        if page.partition_key_range_id.as_ref() == Some(&lease.lease_token) {
            return Ok(range);
        }
    }
    Err(Error::invalid(
        format!("finding the feed range of lease {}", lease.id),
        format!("container {} has no partition key range {}", monitored.name(), lease.lease_token),
    ))
}
