//! Makes the leases when a processor runs for the first time.
//!
//! Several instances may start at once: one makes the leases under a lock, the others wait for its marker. An instance
//! that is killed meanwhile leaves a lock that expires, and leases that the next one finds and keeps.
//!
//! With [`StartFrom::Now`] the position of every range is written into its lease here, so that all ranges start at the
//! same moment, whichever instance comes to read them, and whenever.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::Utc;

use crate::cosmos::{Container, Error, LeaseStore, Position};
use crate::lease::{FeedRange, Lease, LeaseMode, RangeEnvelope, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::start_from::StartFrom;

const WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);

pub(crate) async fn bootstrap(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: LeaseMode,
) -> Result<(), Error> {
    while !leases.is_initialized().await? {
        let Some(lock) = leases.lock(Utc::now()).await? else {
            tokio::time::sleep(WAIT_FOR_OTHERS).await;
            continue;
        };
        create_leases(monitored, leases, start, mode).await?;
        leases.mark_initialized().await?;
        leases.unlock(lock).await?;
    }
    Ok(())
}

async fn create_leases(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: LeaseMode,
) -> Result<(), Error> {
    let present = leases.all().await?;
    for range in monitored.feed_ranges().await? {
        if !present.iter().any(|lease| lease.range().as_ref() == Some(&range)) {
            leases.create(&first_lease(monitored, leases, range, start, mode).await?).await?;
        }
    }
    Ok(())
}

async fn first_lease(
    monitored: &Container,
    leases: &LeaseStore,
    range: FeedRange,
    start: StartFrom,
    mode: LeaseMode,
) -> Result<Lease, Error> {
    // The SDK names ranges by their bounds; .NET names first leases by the id of the partition key range, which the
    // service sends with every page.
    let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
    let pinned = page.continuations.first().filter(|_| start == StartFrom::Now).map(|part| part.continuation.clone());
    let (version, token) = match page.partition_key_range_id {
        Some(id) => (VERSION_PARTITION_KEY_RANGE, id),
        None => (VERSION_EPK_RANGE, range.token()),
    };
    Ok(new_lease(leases, version, token, range, pinned, mode))
}

pub(crate) fn new_lease(
    leases: &LeaseStore,
    version: i64,
    lease_token: String,
    range: FeedRange,
    continuation_token: Option<String>,
    mode: LeaseMode,
) -> Lease {
    Lease {
        id: leases.lease_id(&lease_token),
        version,
        etag: None,
        lease_token,
        feed_range: Some(RangeEnvelope { range }),
        owner: None,
        continuation_token,
        properties: serde_json::Map::new(),
        timestamp: Some(Utc::now()),
        ts: None,
        mode: Some(mode),
        partition_key: None,
        other: serde_json::Map::new(),
    }
}
