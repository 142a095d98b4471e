//! How far behind a processor is.
//!
//! The service tells with every page the newest sequence number (LSN) of the physical partition, in the session token;
//! the first change that a lease has not handled yet has one too. Their distance is the lag. It counts transactions, not
//! documents.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use futures::future::try_join_all;

use crate::cosmos::{Container, Error, LeaseStore, Position};
use crate::lease::{Lease, LeaseMode};

/// Estimates the lag of the leases of one processor, without touching them.
#[derive(Debug)]
pub struct ChangeFeedEstimator {
    monitored: Container,
    leases: LeaseStore,
}

/// The lag of one lease.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseLag {
    /// The lease's token.
    pub lease_token: String,
    /// The instance that holds it.
    pub owner: Option<String>,
    /// Transactions not handled yet; `None` before the first checkpoint.
    pub lag: Option<i64>,
    /// When the lease was last written.
    pub last_written: Option<DateTime<Utc>>,
}

impl ChangeFeedEstimator {
    /// An estimator for the processor of this name, on the same containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the lease container is not partitioned by `/id` or
    /// `/partitionKey`.
    pub fn new(processor_name: &str, monitored: Container, leases: Container) -> Result<Self, Error> {
        let prefix = format!("{processor_name}{}", monitored.lease_prefix());
        Ok(Self { leases: LeaseStore::new(leases, prefix)?, monitored })
    }

    /// The lag of every lease, in the order of their tokens; empty when the processor never ran.
    ///
    /// # Errors
    /// When the leases or the change feed cannot be read.
    pub async fn estimate(&self) -> Result<Vec<LeaseLag>, Error> {
        let mut leases = self.leases.all().await?;
        leases.sort_by(|left, right| left.lease_token.cmp(&right.lease_token));
        try_join_all(leases.into_iter().map(|lease| self.lag(lease))).await
    }

    async fn lag(&self, lease: Lease) -> Result<LeaseLag, Error> {
        let lag = match (lease.range(), &lease.continuation_token) {
            (Some(range), Some(continuation)) => {
                let position = Position::Continuation(continuation.clone());
                let mode = lease.mode.unwrap_or(LeaseMode::Incremental);
                let page = self.monitored.read_feed(&range, &position, mode, Some(NonZeroU32::MIN)).await?;
                match (page.changes.first().and_then(|change| change.lsn()), page.session_lsn) {
                    (None, _) => Some(0),
                    (Some(first), Some(newest)) => Some((newest - first + 1).max(0)),
                    (Some(_), None) => Some(1),
                }
            }
            _ => None,
        };
        Ok(LeaseLag { lease_token: lease.lease_token, owner: lease.owner, lag, last_written: lease.timestamp })
    }
}
