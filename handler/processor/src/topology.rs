//! What becomes of a lease when the physical partition it is named after is split or merged away.
//!
//! As the .NET processor does it. A lease whose range is now in several partitions is replaced by one for each part: named
//! after the partition where the parent was (version 0) and the part is all of it, by its bounds otherwise. A lease named
//! after a partition that was merged into another is replaced by one for the same range, named by its bounds; one that is
//! named by bounds stays. New leases start at the old one's bookmark, and are made before it is deleted, so that an
//! instance that is killed in between loses nothing: the old lease is taken again, finds them made, and is deleted.

use std::num::NonZeroU32;

use crate::bootstrap::{NewLease, create};
use crate::cosmos::{Container, Error, FeedPage, LeaseStore, Position};
use crate::coverage::uncovered;
use crate::instance::Instance;
use crate::lease::{FeedRange, Lease, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::renewal::HeldLease;

/// Whether `page` shows that the partition that the lease is named after is gone.
pub(crate) fn is_renamed(lease: &Lease, page: &FeedPage) -> bool {
    lease.version == VERSION_PARTITION_KEY_RANGE
        && page.partition_key_range_id.as_ref().is_some_and(|id| *id != lease.lease_token)
}

/// Replaces the lease by leases for `parts`, for as long as this instance holds it.
pub(crate) async fn replace(instance: &Instance, held: &HeldLease, parts: &[FeedRange]) -> Result<(), Error> {
    let parent = held.lease().await;
    log::info!("the partition of lease {} is gone; its range is in {} part(s)", parent.lease_token, parts.len());
    // An instance that was killed here may have left leases, also of parts that the range is not in any more.
    let within = |lease: &Lease| lease.range().zip(parent.range()).is_some_and(|(range, whole)| whole.holds(&range));
    let present: Vec<Lease> = instance.leases.all().await?.into_iter().filter(within).collect();
    let missing = parts.iter().flat_map(|part| uncovered(part, &present));
    let missing = missing.map(|part| (part, parent.continuation_token.clone())).collect();
    for part in successors(&instance.monitored, &instance.leases, &parent, missing).await? {
        // An instance that was held up must not make anew what others have replaced since.
        if !held.confirm(instance.settings.lease_expiration_interval).await? {
            return Ok(());
        }
        create(&instance.leases, part).await?;
    }
    held.delete().await
}

/// Replaces a lease by those that are within its range, and others for the rest of it: an instance that was killed had begun
/// to do so, and the parts that it made leases for may be one partition again, which no page shows. Whether there were any.
pub(crate) async fn finish_replacing(instance: &Instance, held: &HeldLease) -> Result<bool, Error> {
    let Some(range) = held.lease().await.range() else { return Ok(false) };
    let is_within = |lease: &Lease| lease.range().is_some_and(|other| range.holds(&other));
    let has_begun = instance.leases.all().await?.iter().any(is_within);
    if has_begun {
        replace(instance, held, std::slice::from_ref(&range)).await?;
    }
    Ok(has_begun)
}

/// The leases for `parts` of a lease's range, each with its bookmark.
pub(crate) async fn successors(
    monitored: &Container,
    leases: &LeaseStore,
    parent: &Lease,
    parts: Vec<(FeedRange, Option<String>)>,
) -> Result<Vec<Lease>, Error> {
    let mut parent = parent.clone();
    parent.note_failure(None, leases.clock().now());
    let partitions = monitored.feed_ranges().await?;
    let mut successors = Vec::new();
    for (range, continuation_token) in parts {
        let is_partition = parent.range().as_ref() != Some(&range) && partitions.contains(&range);
        let mut id = None;
        if is_partition && parent.version == VERSION_PARTITION_KEY_RANGE {
            let one = Some(NonZeroU32::MIN);
            let page = monitored.read_feed(&range, &Position::Now, parent.mode(), one).await?;
            // The ranges that are known may be old: what is in several partitions by now has no name of its own.
            id = page.partition_key_range_id.filter(|_| page.continuation.is_some());
        }
        let (version, lease_token) = match id {
            Some(id) => (VERSION_PARTITION_KEY_RANGE, id),
            None => (VERSION_EPK_RANGE, range.token()),
        };
        let successor = NewLease {
            version,
            lease_token,
            range,
            continuation_token,
            mode: parent.mode(),
            properties: parent.properties.clone(),
        };
        successors.push(successor.build(leases));
    }
    Ok(successors)
}
