//! Replaces the lease of a partition that was split or merged, in the same way as the .NET processor.
//!
//! After a split, the lease is replaced by one lease for each part of its feed range. A new lease has a partition key
//! range id as its token if the old lease had one (version 0) and the part is a whole partition; otherwise its token
//! consists of the bounds of the part. After a merge, a lease whose token is a partition key range id is replaced by a
//! lease for the same range whose token consists of its bounds. A lease that has such a token already is not changed.
//!
//! New leases start at the continuation token of the old one. They are created before it is deleted, so that no changes
//! are lost if the instance dies in between: the next owner of the old lease finds the new ones and deletes it.

use std::num::NonZeroU32;

use changefeed_cosmos::Error;

use crate::bootstrap::{NewLease, create};
use crate::container::Container;
use crate::coverage::uncovered;
use crate::feed::{FeedPage, Position};
use crate::instance::Instance;
use crate::lease::{FeedRange, Lease, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::lease_store::LeaseStore;
use crate::renewal::HeldLease;

/// Whether `page` shows that the partition in the lease token no longer exists.
pub(crate) fn is_renamed(lease: &Lease, page: &FeedPage) -> bool {
    lease.version == VERSION_PARTITION_KEY_RANGE
        && page.partition_key_range_id.as_ref().is_some_and(|id| *id != lease.lease_token)
}

/// Replaces the lease by leases for `parts`. Stops when this instance loses the lease.
pub(crate) async fn replace(instance: &Instance, held: &HeldLease, parts: &[FeedRange]) -> Result<(), Error> {
    let parent = held.lease().await;
    log::info!("replacing lease {} after a split or merge: its range has {} part(s)", parent.lease_token, parts.len());
    // An instance that died here may have left leases, even for parts that have been split or merged since.
    let within =
        |lease: &Lease| lease.range().zip(parent.range()).is_some_and(|(range, whole)| whole.strictly_contains(&range));
    let present: Vec<Lease> = instance.leases.all().await?.into_iter().filter(within).collect();
    let missing = parts.iter().flat_map(|part| uncovered(part, &present));
    let missing = missing.map(|part| (part, parent.continuation_token.clone())).collect();
    for part in successors(&instance.monitored, &instance.leases, &parent, missing).await? {
        // An instance that was suspended must not recreate leases that others have replaced since.
        if !held.confirm_ownership(instance.settings.lease_expiration_interval).await? {
            return Ok(());
        }
        create(&instance.leases, part).await?;
    }
    held.delete().await
}

/// Completes a replacement that an instance began before it died: keeps the leases that it created within the range of
/// this lease, and creates leases for the rest. The parts may have been merged since, so that no page shows the split.
/// Returns whether there were such leases.
pub(crate) async fn finish_replacing(instance: &Instance, held: &HeldLease) -> Result<bool, Error> {
    let Some(range) = held.lease().await.range() else { return Ok(false) };
    let is_within = |lease: &Lease| lease.range().is_some_and(|other| range.strictly_contains(&other));
    let has_begun = instance.leases.all().await?.iter().any(is_within);
    if has_begun {
        replace(instance, held, std::slice::from_ref(&range)).await?;
    }
    Ok(has_begun)
}

/// The leases for `parts` of the range of a lease, each with its continuation token.
pub(crate) async fn successors(
    monitored: &Container,
    leases: &LeaseStore,
    parent: &Lease,
    parts: Vec<(FeedRange, Option<String>)>,
) -> Result<Vec<Lease>, Error> {
    let mut parent = parent.clone();
    parent.record_failure(None, leases.clock().now());
    let partitions = monitored.feed_ranges().await?;
    let mut successors = Vec::new();
    for (range, continuation_token) in parts {
        let is_partition = parent.range().as_ref() != Some(&range) && partitions.contains(&range);
        let mut id = None;
        if is_partition && parent.version == VERSION_PARTITION_KEY_RANGE {
            let one = Some(NonZeroU32::MIN);
            let page = monitored.read_feed(&range, &Position::Now, parent.mode(), one).await?;
            // The cached feed ranges may be outdated: a part that has been split since is not a whole partition.
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
