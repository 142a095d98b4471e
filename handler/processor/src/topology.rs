//! What becomes of a lease when the physical partition it is named after is split or merged away.
//!
//! As the .NET processor does it. A lease whose range is now in several partitions is replaced by one for each part: named
//! after the partition where the parent was (version 0) and the part is all of it, by its bounds otherwise. A lease named
//! after a partition that was merged into another is replaced by one for the same range, named by its bounds; one that is
//! named by bounds stays. New leases are made before the old one is deleted, so that an instance that is killed in
//! between loses nothing: the old lease is read again, and finds them made.

use std::num::NonZeroU32;

use crate::bootstrap::{NewLease, create};
use crate::cosmos::{Error, FeedPage, Position, RangeContinuation};
use crate::instance::Instance;
use crate::lease::{VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::renewal::HeldLease;

/// Whether `page` shows that the lease's partition is gone: it was split, or the lease's name is not that of the
/// partition any more.
pub(crate) async fn has_changed(held: &HeldLease, page: &FeedPage) -> bool {
    let lease = held.lease().await;
    let renamed = lease.version == VERSION_PARTITION_KEY_RANGE
        && page.partition_key_range_id.as_ref().is_some_and(|id| *id != lease.lease_token);
    page.continuations.len() > 1 || renamed
}

/// Replaces the lease. `parts` are what the range consists of now and where each goes on; the lease's own bookmark counts
/// instead when `handled` is false: what the page held is not safe yet.
pub(crate) async fn replace(
    instance: &Instance,
    held: &HeldLease,
    parts: &[RangeContinuation],
    handled: bool,
) -> Result<(), Error> {
    let mut parent = held.lease().await;
    parent.note_failure(None, instance.settings.clock.now());
    let partitions = instance.monitored.feed_ranges().await?;
    for RangeContinuation { range, continuation } in parts {
        let goes_on = continuation.as_ref().filter(|_| handled).or(parent.continuation_token.as_ref());
        let named_after_partition =
            parts.len() > 1 && parent.version == VERSION_PARTITION_KEY_RANGE && partitions.contains(range);
        let mut id = None;
        if named_after_partition {
            let one = Some(NonZeroU32::MIN);
            let page = instance.monitored.read_feed(range, &Position::Now, parent.mode(), one).await?;
            // The ranges that are known may be old: what is in several partitions by now has no name of its own.
            id = page.partition_key_range_id.filter(|_| page.continuations.len() == 1);
        }
        let (version, lease_token) = match id {
            Some(id) => (VERSION_PARTITION_KEY_RANGE, id),
            None => (VERSION_EPK_RANGE, range.token()),
        };
        let child = NewLease {
            version,
            lease_token,
            range: range.clone(),
            continuation_token: goes_on.cloned(),
            mode: parent.mode(),
            properties: parent.properties.clone(),
        };
        create(&instance.leases, child.build(&instance.leases)).await?;
    }
    held.delete().await
}
