//! Finds the feed range of a lease that does not record one. Processors that predate the field `FeedRange` wrote such
//! leases: their token is a partition key range id, and the service sends that id with every page.

use std::num::NonZeroU32;

use changefeed_cosmos::Error;

use crate::container::Container;
use crate::feed::Position;
use crate::lease::{FeedRange, Lease};
use crate::mode::ChangeFeedMode;

/// A physical partition.
pub(crate) struct Partition {
    pub id: String,
    pub range: FeedRange,
}

/// The physical partitions of the container.
pub(crate) async fn partitions(monitored: &Container, mode: ChangeFeedMode) -> Result<Vec<Partition>, Error> {
    let mut ranges = monitored.feed_ranges().await?;
    let mut partitions = Vec::new();
    while let Some(range) = ranges.pop() {
        let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
        if page.continuation.is_none() {
            // The known ranges are outdated: this one was split.
            ranges.extend(page.parts);
            continue;
        }
        let id = page.partition_key_range_id.ok_or_else(|| {
            let action = format!("listing the partitions of container {}", monitored.name());
            Error::corrupt(action, format!("the service sent no partition key range id for the range {range}"))
        })?;
        partitions.push(Partition { id, range });
    }
    Ok(partitions)
}

/// The feed range of the partition key range that the lease token names. `None` when it no longer exists: it was split or
/// merged.
pub(crate) fn locate(lease: &Lease, partitions: &[Partition]) -> Option<FeedRange> {
    partitions.iter().find(|partition| partition.id == lease.lease_token).map(|partition| partition.range.clone())
}
