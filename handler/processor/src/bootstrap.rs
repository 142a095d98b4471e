//! Creates the leases when a processor starts for the first time.
//!
//! Several instances may start at once. One creates the leases under a lock, and the others wait for its marker. If it
//! dies, its lock expires, and the next instance keeps the leases that exist and creates the missing ones.
//!
//! With [`StartFrom::Now`], each lease records the current position of its range here, so that all ranges start at the
//! same time, regardless of which instance reads them and when. This is not a checkpoint: until the first checkpoint, a
//! processor that is started with another start uses that.

use std::num::NonZeroU32;
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, retry};
use futures::{StreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::container::Container;
use crate::coverage::{gap, uncovered};
use crate::feed::Position;
use crate::lease::{FeedRange, Lease, RangeEnvelope, VERSION_EPK_RANGE, VERSION_PARTITION_KEY_RANGE};
use crate::lease_store::LeaseStore;
use crate::mode::ChangeFeedMode;
use crate::start_from::StartFrom;

/// Leases that are created at once.
const CREATED_TOGETHER: usize = 16;
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);
/// How long the release of the lock is retried.
const UNLOCK_TIME_LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn bootstrap(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    check_start("starting the processor", start, mode)?;
    while !leases.is_initialized().await? {
        let Some(lock) = leases.lock(leases.clock().now()).await? else {
            log::info!("another instance is creating the leases, or died while doing so; waiting for up to 30 seconds");
            leases.clock().sleep(WAIT_FOR_OTHERS).await;
            continue;
        };
        let created = create_missing(monitored, leases, start, mode).await;
        // A lock that is left behind delays the next attempt until it expires.
        retry(Instant::now() + UNLOCK_TIME_LIMIT, || leases.unlock(&lock)).await?;
        created?;
    }
    check_mode(&leases.all().await?, mode)
}

/// Creates leases for the parts of the container that no lease covers, although all leases were created before.
pub(crate) async fn create_vanished(
    monitored: &Container,
    leases: &LeaseStore,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    leases.forget_initialized().await?;
    bootstrap(monitored, leases, start, mode).await
}

/// Whether new leases of this mode can start there.
pub(crate) fn check_start(action: &str, start: StartFrom, mode: ChangeFeedMode) -> Result<(), Error> {
    if mode == ChangeFeedMode::LatestVersion || start == StartFrom::Now {
        return Ok(());
    }
    Err(Error::invalid(
        action,
        "AllVersionsAndDeletes mode always starts from now or from existing leases; it cannot start from the beginning \
         or from a time",
    ))
}

/// Creates leases until they cover the container, because partitions may be split or merged at the same time. A range
/// that has a lease gets no other one, even if its partition was merged since.
async fn create_missing(
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

/// The continuation token of one mode cannot be used in the other.
fn check_mode(leases: &[Lease], mode: ChangeFeedMode) -> Result<(), Error> {
    let Some(other) = leases.iter().find(|lease| lease.mode() != mode) else { return Ok(()) };
    Err(Error::invalid(
        format!("starting the processor in {mode} mode"),
        format!(
            "lease {} is in {} mode, and its continuation token cannot be used in another mode; give the processor \
             another name (for the Functions trigger: leaseContainerPrefix), or delete the leases and lose their \
             checkpoints",
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
    check_mode(&present, mode)?;
    let ranges = monitored.feed_ranges().await?;
    let parts = ranges.iter().flat_map(|range| {
        let parts = uncovered(range, &present);
        parts.into_iter().map(|part| (part == *range, part)).collect::<Vec<_>>()
    });
    let created = parts.map(|(is_partition, part)| create_first(monitored, leases, part, is_partition, start, mode));
    let created = created.collect::<Vec<_>>();
    // One that fails interrupts no other.
    let created: Vec<Result<(), Error>> = stream::iter(created).buffer_unordered(CREATED_TOGETHER).collect().await;
    created.into_iter().collect()
}

/// Creates the first lease of a range.
async fn create_first(
    monitored: &Container,
    leases: &LeaseStore,
    range: FeedRange,
    is_partition: bool,
    start: StartFrom,
    mode: ChangeFeedMode,
) -> Result<(), Error> {
    // The token of a first lease is the partition key range id, as in .NET. The SDK knows only the bounds; the service
    // sends the id with every page.
    let page = monitored.read_feed(&range, &Position::Now, mode, Some(NonZeroU32::MIN)).await?;
    let Some(continuation) = page.continuation else {
        return Err(Error::new(ErrorKind::Gone, "creating the leases", "a partition was split at the same time"));
    };
    let now = Some(continuation).filter(|_| start == StartFrom::Now);
    let (version, lease_token) = match page.partition_key_range_id.filter(|_| is_partition) {
        Some(id) => (VERSION_PARTITION_KEY_RANGE, id),
        None => (VERSION_EPK_RANGE, range.token()),
    };
    let mut lease =
        NewLease { version, lease_token, range, continuation_token: None, mode, properties: Map::new() }.build(leases);
    match mode {
        // This mode has no other start, so this can be the first continuation token.
        ChangeFeedMode::AllVersionsAndDeletes if !leases.writes_as_dotnet() => lease.continuation_token = now,
        _ => now.iter().for_each(|continuation| lease.record_start_from_now(continuation, leases.writes_as_dotnet())),
    }
    create(leases, lease).await
}

/// Creates a lease unless one with its token and range exists. A lease with the same partition key range id as its
/// token may have another range, for example if two partitions were merged while their leases were created. Then the
/// token of the new lease consists of the bounds of its range.
pub(crate) async fn create(leases: &LeaseStore, mut lease: Lease) -> Result<(), Error> {
    if leases.create(&lease).await? {
        return Ok(());
    }
    let is_same =
        |other: &Lease| other.id == lease.id && other.range().is_none_or(|range| Some(range) == lease.range());
    if leases.all().await?.iter().any(is_same) {
        return Ok(());
    }
    if let Some(range) = lease.range() {
        lease.lease_token = range.token();
        (lease.id, lease.version) = (leases.lease_id(&lease.lease_token), VERSION_EPK_RANGE);
    }
    leases.create(&lease).await.map(drop)
}

/// The fields in which a new lease differs from other new leases.
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
