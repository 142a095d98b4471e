//! Finds the range of a lease that does not tell it, as processors before `FeedRange` wrote them: such a lease is named
//! after a partition key range, and the service sends that range's id with every page.

use std::num::NonZeroU32;

use crate::cosmos::{Container, Error, ErrorKind, Position};
use crate::lease::{FeedRange, Lease};
use crate::mode::ChangeFeedMode;

/// The current range with the partition key range id that the lease names.
pub(crate) async fn locate(monitored: &Container, lease: &Lease, mode: ChangeFeedMode) -> Result<FeedRange, Error> {
    for range in monitored.feed_ranges().await? {
        let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
        if page.partition_key_range_id.as_ref() == Some(&lease.lease_token) {
            return Ok(range);
        }
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!("finding the range of lease {}", lease.id),
        format!("{} has no partition key range {}", monitored.name(), lease.lease_token),
    ))
}
