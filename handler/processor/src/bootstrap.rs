//! Makes the leases when a processor runs for the first time.
//!
//! Several instances may start at once: one makes the leases under a lock, the others wait for its marker. An instance
//! that is killed meanwhile leaves a lock that expires, and leases that the next one finds and keeps.
//!
//! With [`StartFrom::Now`] the position of every range is written into its lease here, so that all ranges start at the
//! same moment, whichever instance comes to read them, and whenever. It is no bookmark: as long as nothing was handled, a
//! processor that is started from elsewhere starts from there.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cosmos::{Container, Error, ErrorKind, LeaseStore, Position};
use crate::coverage::{gap, uncovered};
use crate::lease::{FeedRange, Lease, RangeEnvelope, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::mode::ChangeFeedMode;
use crate::start_from::StartFrom;

const WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);

pub(crate) async fn bootstrap(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    if mode == ChangeFeedMode::AllVersionsAndDeletes && start != StartFrom::Now {
        return Err(Error::new(
            ErrorKind::Invalid,
            "starting the processor",
            "AllVersionsAndDeletes mode starts from now, or where its leases are; it knows no beginning and no time",
        ));
    }
    while !leases.is_initialized().await? {
        let Some(lock) = leases.lock(leases.clock().now()).await? else {
            log::info!(
                "another instance is making the leases, or was killed while it did; waiting for up to 30 seconds"
            );
            leases.clock().sleep(WAIT_FOR_OTHERS).await;
            continue;
        };
        let created = create_all(monitored, leases, start, mode).await;
        leases.unlock(lock).await?;
        created?;
    }
    same_mode(&leases.all().await?, mode)
}

/// Makes leases until they cover the container: partitions may be split and merged meanwhile. What a lease covers already
/// gets no other, however partitions have been merged since.
async fn create_all(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    loop {
        match create_leases(monitored, leases, start, mode).await {
            Ok(()) if gap(&leases.all().await?).is_none() => return leases.mark_initialized().await,
            Err(error) if error.kind() != ErrorKind::Gone => return Err(error),
            Ok(()) | Err(_) => leases.clock().sleep(WAIT_FOR_OTHERS).await,
        }
    }
}

/// A bookmark of one mode means nothing to the other.
fn same_mode(leases: &[Lease], mode: ChangeFeedMode) -> Result<(), Error> {
    let Some(other) = leases.iter().find(|lease| lease.mode() != mode) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::Invalid,
        format!("starting the processor in {mode} mode"),
        format!(
            "lease {} is of {} mode, and its bookmark cannot be read in another; give the processor another name \
             (for the Functions trigger: leaseContainerPrefix), or delete the leases and lose their bookmarks",
            other.id,
            other.mode()
        ),
    ))
}

async fn create_leases(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    let present = leases.all().await?;
    same_mode(&present, mode)?;
    for range in monitored.feed_ranges().await? {
        for part in uncovered(&range, &present) {
            let is_partition = part == range;
            create(leases, first_lease(monitored, leases, part, is_partition, start, mode).await?).await?;
        }
    }
    Ok(())
}

async fn first_lease(
    monitored: &Container,
    leases: &LeaseStore,
    range: FeedRange,
    is_partition: bool,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<Lease, Error> {
    // The SDK names ranges by their bounds; .NET names first leases by the id of the partition key range, which the
    // service sends with every page.
    let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
    let Some(continuation) = page.continuation else {
        return Err(Error::new(ErrorKind::Gone, "making the leases", "a partition was split meanwhile"));
    };
    let now = Some(continuation).filter(|_| start == StartFrom::Now);
    let (version, lease_token) = match page.partition_key_range_id.filter(|_| is_partition) {
        Some(id) => (VERSION_PARTITION_KEY_RANGE, id),
        None => (VERSION_EPK_RANGE, range.token()),
    };
    let mut lease =
        NewLease { version, lease_token, range, continuation_token: None, mode, properties: Map::new() }.build(leases);
    match mode {
        // There is no other start that somebody could still choose.
        ChangeFeedMode::AllVersionsAndDeletes => lease.continuation_token = now,
        ChangeFeedMode::LatestVersion => now.iter().for_each(|continuation| lease.fix_now(continuation)),
    }
    Ok(lease)
}

/// Creates a lease, if there is none of its name and range. The name of a partition may be taken by a lease of another
/// range: two partitions that were merged while their leases were made, for instance. Then the range itself is the name.
pub(crate) async fn create(leases: &LeaseStore, mut lease: Lease) -> Result<(), Error> {
    if leases.create(&lease).await? {
        return Ok(());
    }
    let is_same =
        |there: &Lease| there.id == lease.id && there.range().is_none_or(|range| Some(range) == lease.range());
    if leases.all().await?.iter().any(is_same) {
        return Ok(());
    }
    if let Some(range) = lease.range() {
        lease.lease_token = range.token();
        (lease.id, lease.version) = (leases.lease_id(&lease.lease_token), VERSION_EPK_RANGE);
    }
    leases.create(&lease).await.map(drop)
}

/// What differs from one lease that is made to the next.
pub(crate) struct NewLease {
    pub version: i64,
    pub lease_token: String,
    pub range: FeedRange,
    pub continuation_token: Option<String>,
    pub mode: ChangeFeedMode,
    pub properties: Map<String, Value>,
}

impl NewLease {
    pub(crate) fn build(self, leases: &LeaseStore) -> Lease {
        Lease {
            id: leases.lease_id(&self.lease_token),
            version: self.version,
            etag: None,
            lease_token: self.lease_token,
            feed_range: Some(RangeEnvelope { range: self.range }),
            owner: None,
            continuation_token: self.continuation_token,
            properties: self.properties,
            timestamp: Some(leases.clock().now()),
            ts: None,
            mode: Some(self.mode),
            partition_key: None,
            other: Map::new(),
        }
    }
}
