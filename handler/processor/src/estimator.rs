//! How far behind a processor is.
//!
//! The service tells with every page the newest sequence number (LSN) of the physical partition, in the session token;
//! the first change that a lease has not handled yet has one too. Their distance is the lag. It counts transactions, not
//! documents.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use crate::change::Change;
use crate::clock::{Clock, later};
use crate::cosmos::{Container, Error, ErrorKind, FeedPage, Position};
use crate::lease::{DEFAULT_EXPIRATION, FeedRange, Lease};
use crate::lease_set::LeaseSet;
use crate::mode::ChangeFeedMode;

/// Reads of the change feed at the same time.
const CONCURRENCY: usize = 16;

/// Estimates the lag of the leases of one processor, without touching them.
#[derive(Clone, Debug)]
pub struct ChangeFeedEstimator {
    leases: LeaseSet,
    expiration: Duration,
}

/// How far one lease is behind, and how it is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseLag {
    /// The lease's token.
    pub lease_token: String,
    /// The instance that holds it, or held it last if it has expired.
    pub owner: Option<String>,
    /// Whether nobody holds the lease: it was given back, or not renewed in time.
    pub is_free: bool,
    /// Transactions not handled yet; before the first checkpoint all that there are. `None` when it cannot be told.
    pub lag: Option<i64>,
    /// Why the lag cannot be told, when the change feed cannot be read from where the lease is.
    pub error: Option<String>,
    /// The age in seconds of the oldest change that is not handled yet; 0 when there is none.
    pub lag_seconds: Option<i64>,
    /// When the lease was last written: taken, renewed or moved forward.
    pub last_written: Option<DateTime<Utc>>,
    /// When the lease last moved forward, if this crate moved it.
    pub last_checkpoint: Option<DateTime<Utc>>,
    /// Since when and why it does not move forward, if its present owner tried more than once.
    pub failure: Option<(DateTime<Utc>, String)>,
    /// Whether there is something to handle and nobody gets on with it: its owner fails, or for as long as it takes a
    /// lease to expire nobody has held it, or nothing has moved.
    pub is_stuck: bool,
}

impl ChangeFeedEstimator {
    /// An estimator for the processor of this name, on the same containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the lease container is not partitioned by `/id` or `/partitionKey`.
    pub fn new(processor_name: &str, monitored: Container, leases: Container) -> Result<Self, Error> {
        let leases = LeaseSet::open(processor_name, monitored, leases)?;
        Ok(Self { leases, expiration: DEFAULT_EXPIRATION })
    }

    /// After what time without renewal a lease is free for others, where its owner did not note it, as an instance of this
    /// crate does; by default 60 seconds.
    pub fn lease_expiration_interval(mut self, interval: Duration) -> Self {
        self.expiration = interval;
        self
    }

    /// The clock by which leases expire; by default the system's.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { leases: self.leases.clock(clock), ..self }
    }

    /// The lag of every lease, in the order of their tokens; empty when the processor never ran. Where the change feed
    /// cannot be read, the lease says so in [`LeaseLag::error`].
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn estimate(&self) -> Result<Vec<LeaseLag>, Error> {
        let leases = self.leases.all().await?;
        Ok(stream::iter(leases.into_iter().map(|lease| self.lag(lease))).buffered(CONCURRENCY).collect().await)
    }

    async fn lag(&self, lease: Lease) -> LeaseLag {
        let now = self.leases.leases.clock().now();
        let (lag, waiting_since, error) = match self.read_lag(&lease).await {
            Ok((lag, since)) => (lag, since, None),
            // Split or merged this moment: something is behind.
            Err(error) if error.kind() == ErrorKind::Gone => (Some(1), None, None),
            Err(error) => (None, None, Some(error.to_string())),
        };
        let expiration = lease.expiration().unwrap_or(self.expiration);
        // What another noted is over with it.
        let failure = lease.failure().filter(|_| lease.is_noted_by_owner());
        let failure = failure.map(|(since, failure)| (since, failure.to_owned()));
        let last_checkpoint = lease.last_checkpoint();
        // A .NET processor does not tell when it moved a lease.
        let moved = lease.held_since().map(|since| last_checkpoint.map_or(since, |moved| moved.max(since)));
        let waits_too_long =
            moved.zip(waiting_since).is_some_and(|(moved, waiting)| later(moved.max(waiting), expiration) < now);
        let is_free = lease.is_expired(now, expiration);
        // A lease that was just made, or given back, has nobody yet.
        let is_abandoned = lease.is_older(now, expiration);
        LeaseLag {
            is_stuck: failure.is_some() || lag != Some(0) && (is_abandoned || waits_too_long),
            lag_seconds: match lag {
                Some(0) => Some(0),
                _ => waiting_since.map(|since| (now - since).num_seconds().max(0)),
            },
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

    /// The lag, and since when the oldest change that is not handled waits.
    async fn read_lag(&self, lease: &Lease) -> Result<(Option<i64>, Option<DateTime<Utc>>), Error> {
        let Some(range) = lease.range() else { return Ok((None, None)) };
        let position = match (lease.continuation_token.as_deref().or(lease.now()), lease.mode()) {
            (Some(continuation), _) => Position::Continuation(continuation.to_owned()),
            (None, ChangeFeedMode::AllVersionsAndDeletes) => return Ok((None, None)),
            (None, ChangeFeedMode::LatestVersion) => lease.reset_to().map_or(Position::Beginning, Position::Time),
        };
        let page = self.read_one(&range, &position, lease.mode()).await?;
        if page.continuation.is_some() {
            let (lag, since) = lag_of(&page);
            return Ok((Some(lag), since));
        }
        // The range is in several partitions, and the page is of one of them.
        let (mut total, mut oldest) = (0, None);
        for part in &page.parts {
            let (lag, since) = lag_of(&self.read_one(part, &position, lease.mode()).await?);
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
