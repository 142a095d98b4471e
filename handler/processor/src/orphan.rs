//! Replaces leases that record no range and whose partition no longer exists. Processors that predate the field `FeedRange`
//! wrote them, and their partition was split or merged while no instance ran.
//!
//! The range of such a lease follows from the others: it is in what no other lease covers. If there are several, each of the
//! new leases starts at the lowest of their continuation tokens. Then some changes are delivered again, and none is missed.
//!
//! The new leases are created before an old one is deleted. So as long as a part is uncovered, every old lease is there, and
//! two instances that replace two of them use the same start.

use changefeed_cosmos::Error;

use crate::bootstrap::{NewLease, create};
use crate::container::Container;
use crate::coverage::uncovered;
use crate::instance::Instance;
use crate::lease::{Lease, RangeEnvelope, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::lease_store::LeaseStore;
use crate::locate::{Partition, partitions};
use crate::mode::ChangeFeedMode;
use crate::renewal::HeldLease;

/// Replaces the lease, whose partition is not among `partitions`. Stops when this instance loses it.
pub(crate) async fn replace(instance: &Instance, held: &HeldLease, partitions: &[Partition]) -> Result<(), Error> {
    // One after another: the first one creates the leases in place of all.
    let _replacing = instance.replacing_orphans.lock().await;
    let token = held.lease().await.lease_token;
    log::info!("replacing lease {token}: its partition was split or merged, and it records no range");
    for lease in replacements(&instance.leases, partitions, instance.settings.mode).await? {
        if !held.confirm_ownership(instance.settings.lease_expiration_interval).await? {
            return Ok(());
        }
        create(&instance.leases, lease).await?;
    }
    held.delete().await
}

/// Replaces every such lease, whether an instance owns it or not: no instance makes progress with it.
pub(crate) async fn replace_all(monitored: &Container, leases: &LeaseStore) -> Result<(), Error> {
    let all = leases.all().await?;
    let Some(mode) = all.iter().find(|lease| lease.range().is_none()).map(Lease::mode) else { return Ok(()) };
    let partitions = partitions(monitored, mode).await?;
    let (orphans, _) = sort_out(all, &partitions);
    if orphans.is_empty() {
        return Ok(());
    }
    for lease in replacements(leases, &partitions, mode).await? {
        create(leases, lease).await?;
    }
    for orphan in orphans {
        leases.delete(&Lease { etag: None, ..orphan }).await?;
    }
    Ok(())
}

/// Leases for the parts of the container that only leases without a range and a partition can have covered.
async fn replacements(
    leases: &LeaseStore,
    partitions: &[Partition],
    mode: ChangeFeedMode,
) -> Result<Vec<Lease>, Error> {
    let (orphans, others) = sort_out(leases.all().await?, partitions);
    let Some(first) = first_to_start(&orphans)? else { return Ok(Vec::new()) };
    let mut first = first.clone();
    first.record_failure(None, leases.clock().now());
    let mut replacements = Vec::new();
    for partition in partitions {
        for range in uncovered(&partition.range, &others) {
            let (version, lease_token) = if range == partition.range {
                (VERSION_PARTITION_KEY_RANGE, partition.id.clone())
            } else {
                (VERSION_EPK_RANGE, range.token())
            };
            let (continuation_token, properties) = (first.continuation_token.clone(), first.properties.clone());
            let lease = NewLease { version, lease_token, range, continuation_token, mode, properties };
            replacements.push(lease.build(leases));
        }
    }
    Ok(replacements)
}

/// The leases without a range and a partition, and the others with their ranges.
fn sort_out(all: Vec<Lease>, partitions: &[Partition]) -> (Vec<Lease>, Vec<Lease>) {
    let (mut orphans, mut others) = (Vec::new(), Vec::new());
    for lease in all {
        let partition = partitions.iter().find(|partition| partition.id == lease.lease_token);
        match (lease.range(), partition) {
            (Some(_), _) => others.push(lease),
            (None, Some(Partition { range, .. })) => {
                others.push(Lease { feed_range: Some(RangeEnvelope { range: range.clone() }), ..lease });
            }
            (None, None) => orphans.push(lease),
        }
    }
    (orphans, others)
}

/// The lease whose continuation token is the lowest; one that has none comes first.
fn first_to_start(orphans: &[Lease]) -> Result<Option<&Lease>, Error> {
    if let [only] = orphans {
        return Ok(Some(only));
    }
    let mut numbered = Vec::new();
    for orphan in orphans {
        let number = match &orphan.continuation_token {
            None => None,
            Some(token) => Some(token.trim_matches('"').parse::<i64>().map_err(|error| {
                let action = format!("replacing lease {}", orphan.id);
                Error::corrupt(action, format!("its continuation token {token} is no number: {error}"))
            })?),
        };
        numbered.push((number, orphan));
    }
    Ok(numbered.into_iter().min_by_key(|(number, _)| *number).map(|(_, orphan)| orphan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_lowest_continuation_token_comes_first_and_a_missing_one_before_it() {
        let leases = |tokens: &[Option<&str>]| -> Vec<Lease> {
            let lease = |token| Lease::read(json!({"id": "x", "LeaseToken": "0", "ContinuationToken": token}));
            tokens.iter().map(|token| lease(*token).expect("lease")).collect()
        };
        let first = |tokens: &[Option<&str>]| {
            first_to_start(&leases(tokens)).map(|first| first.map(|lease| lease.continuation_token.clone()))
        };
        assert_eq!(first(&[]).expect("none"), None);
        assert_eq!(first(&[Some("\"10\""), Some("\"9\"")]).expect("two"), Some(Some("\"9\"".to_owned())));
        assert_eq!(first(&[Some("\"10\""), None]).expect("two"), Some(None));
        assert_eq!(first(&[Some("odd")]).expect("one"), Some(Some("odd".to_owned())));
        assert!(first(&[Some("odd"), Some("\"9\"")]).is_err());
    }
}
