//! Estimates how far behind a processor is.
//!
//! The session token of every page contains the latest logical sequence number (LSN) of the physical partition. The
//! first unprocessed change of a lease has an LSN too. The difference is the lag. It counts transactions, not
//! documents.

use std::num::NonZeroU32;
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind};
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use crate::change::Change;
use crate::container::Container;
use crate::feed::{FeedPage, Position};
use crate::lease::{DEFAULT_EXPIRATION, FeedRange, Lease};
use crate::lease_set::LeaseSet;
use crate::lease_state::{Evidence, LeaseState};
use crate::mode::ChangeFeedMode;
use crate::observation::LeaseObservation;
use crate::undeliverable::UndeliverableChange;
use changefeed_cosmos::{Clock, later};

/// How long a lease may make no progress before it counts as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(600);

/// The number of concurrent reads of the change feed.
const CONCURRENCY: usize = 16;

/// Estimates the lag of the leases of one processor. It does not change the leases.
#[derive(Clone, Debug)]
pub struct ChangeFeedEstimator {
    leases: LeaseSet,
    expiration: Duration,
    stalled_after: Duration,
}

/// The estimated lag and the state of one lease.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseLag {
    /// The id of the lease.
    pub lease_id: String,
    /// The lease token.
    pub lease_token: String,
    /// The change feed mode in which it can be used.
    pub mode: ChangeFeedMode,
    /// The instance that owns the lease, even if the lease has expired.
    pub owner: Option<String>,
    /// Whether any instance may acquire the lease: it has no owner or has expired.
    pub is_free: bool,
    /// The number of unprocessed transactions; before the first checkpoint all transactions. `None` when unknown.
    pub lag: Option<i64>,
    /// Why the lag is unknown, if the change feed cannot be read from the continuation token of the lease.
    pub error: Option<String>,
    /// The age in seconds of the oldest unprocessed change; 0 when there is none, `None` when unknown.
    pub lag_seconds: Option<i64>,
    /// The time of the oldest unprocessed change; `None` when there is none, and when it is unknown.
    pub waiting_since: Option<DateTime<Utc>>,
    /// When the lease was last acquired, renewed, checkpointed or released.
    pub last_written: Option<DateTime<Utc>>,
    /// The time of the last checkpoint, if this crate made it.
    pub last_checkpoint: Option<DateTime<Utc>>,
    /// Since when and why the lease makes no progress, if its current owner failed more than once in a row.
    pub failure: Option<(DateTime<Utc>, String)>,
    /// Whether changes wait and are not processed: the owner fails repeatedly, the lease was not renewed or not
    /// checkpointed for longer than the lease expiration interval, or its state is another problem.
    pub is_stuck: bool,
    /// Whether the lease makes progress, and if not, why.
    pub state: LeaseState,
    /// Since when the lease was seen without progress; `None` if it was looked at only once.
    pub unchanged_since: Option<DateTime<Utc>>,
    /// The first change of the next page that the Functions trigger cannot deliver. Determined only while the lease has no
    /// owner: an owner of another kind may deliver it.
    pub undeliverable: Option<UndeliverableChange>,
}

impl ChangeFeedEstimator {
    /// An estimator for the processor with this name and these containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the processor name contains one of `/ \ ? #`, and when the lease container is not
    /// partitioned by `/id` or `/partitionKey`.
    pub fn new(processor_name: &str, monitored: Container, leases: Container) -> Result<Self, Error> {
        let leases = LeaseSet::open(processor_name, monitored, leases)?;
        Ok(Self { leases, expiration: DEFAULT_EXPIRATION, stalled_after: STALLED_AFTER })
    }

    /// How long a lease lives without renewal; 60 seconds by default. Leases whose owner is an instance of this crate
    /// record their own interval, which takes precedence.
    pub fn lease_expiration_interval(mut self, interval: Duration) -> Self {
        self.expiration = interval;
        self
    }

    /// How long a lease may make no progress before it counts as stalled; 10 minutes by default.
    pub fn stalled_after(mut self, duration: Duration) -> Self {
        self.stalled_after = duration;
        self
    }

    /// The clock by which leases expire; the system clock by default.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { leases: self.leases.clock(clock), ..self }
    }

    /// The lag of every lease, ordered by lease token; empty if the processor never ran. If the change feed cannot be
    /// read for a lease, [`LeaseLag::error`] says why.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn estimate(&self) -> Result<Vec<LeaseLag>, Error> {
        self.estimate_with(&[]).await
    }

    /// As [`Self::estimate`], with what earlier looks at the leases have shown. Without them, a lease that is stalled by a
    /// document is [`LeaseState::PossiblyStalled`], and failures of .NET owners are not detected.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn estimate_with(&self, observations: &[LeaseObservation]) -> Result<Vec<LeaseLag>, Error> {
        // A container that was deleted and created again has other leases.
        let current = Self { leases: self.leases.current().await?, ..self.clone() };
        let leases = current.leases.all().await?;
        let lag = |lease| current.lag(lease, observations);
        Ok(stream::iter(leases.into_iter().map(lag)).buffered(CONCURRENCY).collect().await)
    }

    async fn lag(&self, lease: Lease, observations: &[LeaseObservation]) -> LeaseLag {
        let now = self.leases.leases.clock().now();
        let (lag, waiting_since, error) = match self.read_lag(&lease).await {
            Ok((lag, since)) => (lag, since, None),
            // The partition is being split or merged, so something may be unprocessed.
            Err(error) if error.kind() == ErrorKind::Gone => (Some(1), None, None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        let expiration = lease.expiration().unwrap_or(self.expiration);
        // A failure of a previous owner says nothing about the current one.
        let failure = lease.failure().filter(|_| lease.is_recorded_by_owner());
        let failure = failure.map(|(since, failure)| (since, failure.to_owned()));
        let last_checkpoint = lease.last_checkpoint();
        // Unknown for a .NET owner, which does not record when it checkpoints.
        let last_progress = lease.held_since().map(|since| last_checkpoint.map_or(since, |time| time.max(since)));
        let waits_too_long = last_progress
            .zip(waiting_since)
            .is_some_and(|(progress, waiting)| later(progress.max(waiting), expiration) < now);
        let is_free = lease.is_expired(now, expiration);
        // A lease that was just created or released has no owner yet, and is not abandoned.
        let is_abandoned = lease.is_stale(now, expiration);
        let observation = observations.iter().find(|observation| observation.is_of(&lease));
        // An instance acquires a lease that is stalled for a moment, again and again.
        let is_free_but_for_a_moment =
            observation.is_some_and(|observation| !observation.is_owned && observation.lasted(self.stalled_after));
        let is_owned = lease.is_owned() && !is_free_but_for_a_moment;
        let observation = observation.filter(|observation| observation.is_owned == is_owned);
        let undeliverable = match lag {
            Some(1..) if !is_owned => self.leases.first_undeliverable(&lease).await.ok().flatten(),
            _ => None,
        };
        let evidence = Evidence {
            is_owned,
            is_abandoned,
            has_changes: lag != Some(0),
            waiting_since,
            recorded_failure: failure.as_ref().map(|_| lease.failure_of()),
            waits_too_long,
            has_undeliverable: undeliverable.is_some(),
            observation,
        };
        let state = evidence.state(now, self.stalled_after);
        LeaseLag {
            is_stuck: state.is_problem(),
            state,
            unchanged_since: observation.map(|observation| observation.since),
            undeliverable,
            mode: lease.mode(),
            lease_id: lease.id,
            lag_seconds: match lag {
                Some(0) => Some(0),
                _ => waiting_since.map(|since| (now - since).num_seconds().max(0)),
            },
            waiting_since,
            lease_token: lease.lease_token,
            owner: lease.owner,
            is_free,
            lag,
            error,
            last_written: lease.timestamp,
            last_checkpoint,
            failure,
        }
    }

    /// The lag, and the time of the oldest unprocessed change.
    async fn read_lag(&self, lease: &Lease) -> Result<(Option<i64>, Option<DateTime<Utc>>), Error> {
        let Some(range) = lease.range() else { return Ok((None, None)) };
        let position = match (lease.continuation_token.as_deref().or(lease.start_from_now()), lease.mode()) {
            (Some(continuation), _) => Position::Continuation(continuation.to_owned()),
            (None, ChangeFeedMode::AllVersionsAndDeletes) => return Ok((None, None)),
            (None, ChangeFeedMode::LatestVersion) => lease.reset_to().map_or(Position::Beginning, Position::Time),
        };
        let (mut total, mut oldest, mut unread) = (0, None, vec![range]);
        while let Some(range) = unread.pop() {
            let page = self.read_one(&range, &position, lease.mode()).await?;
            if page.continuation.is_none() {
                // The range was split into several partitions, some of them perhaps again, and the page is from one of them.
                unread.extend(page.parts);
                continue;
            }
            let (lag, since) = lag_of(&page);
            total += lag;
            oldest = oldest.into_iter().chain(since).min();
        }
        Ok((Some(total), oldest))
    }

    async fn read_one(&self, range: &FeedRange, position: &Position, mode: ChangeFeedMode) -> Result<FeedPage, Error> {
        self.leases.monitored.read_feed(range, position, mode, Some(NonZeroU32::MIN)).await
    }
}

fn lag_of(page: &FeedPage) -> (i64, Option<DateTime<Utc>>) {
    let first = page.changes.first();
    let lag = match (first.map(Change::lsn), page.session_lsn) {
        (None, _) => 0,
        (Some(Some(first)), Some(newest)) => (newest - first + 1).max(1),
        (Some(_), _) => 1,
    };
    (lag, first.and_then(Change::time))
}
