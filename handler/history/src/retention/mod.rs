//! Deletes versions that expired: those whose successor is older than the retention.
//!
//! A version is the answer for every time from its own to its successor's, so it expires by the age of its *successor* and never
//! by its own. The newest version of a document has no successor and never expires. The version that was current at the start
//! of the window does not expire either.
//!
//! A sweep deletes the expired versions. It moves through the history in the order of source time. Decision 4 in
//! `docs/decisions` says why a time to live on each version does not work. Properties wanted, even if a sweep is killed at any
//! instant and captures arrive in any order:
//!
//! * The horizon is recorded before a version older than it is deleted. For a time before the horizon, a reader trusts only the
//!   version that was current at the horizon; the state before that version is unknown.
//! * A version that can be read has all its parts. Parts are deleted soon after their version.
//! * A version that was captured after the sweep had passed its source time is found by the time of its capture.

mod count;
mod expiry;
mod pinned;
mod status;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{Error, LazyContainer};
use chrono::{DateTime, Utc};

use crate::containers::Containers;
use crate::retention_record::Horizon;
use crate::service_clock::{ServiceClock, ServiceTime};

pub use pinned::{HeldVersions, PinnedVersions};
pub use status::RetentionStatus;
pub use sweep::{Expired, SweepReport, SweepRequest, SweepState};

/// How long versions are stored.
#[derive(Clone, Debug)]
pub struct RetentionOptions {
    /// The number of days for which a version is stored after it was superseded; `None` is forever.
    pub days: Option<u32>,
    /// Concurrent writes, shared by capture and sweeps.
    pub concurrency: usize,
    /// How long transient failures of a write are retried.
    pub timeout: Duration,
}

/// Deletes versions that were superseded longer ago than the retention.
#[derive(Clone, Debug)]
pub struct Retention {
    changes: LazyContainer,
    record: Horizon,
    clock: ServiceClock,
    held: Arc<dyn HeldVersions>,
    options: RetentionOptions,
}

impl Retention {
    /// The retention of the history in these containers. `held` names the versions that restores and other jobs still need.
    pub fn new(containers: &Containers, held: Arc<dyn HeldVersions>, options: RetentionOptions) -> Self {
        let (record, clock) = (Horizon::new(containers.jobs.clone()), ServiceClock::new(containers.jobs.clone()));
        Self { changes: containers.changes.clone(), record, clock, held, options }
    }

    /// The time to count the retention back from, if `local`, the clock of this machine, agrees with the clock of the service.
    /// Where no retention is set, nothing is removed at any time, and nothing is asked.
    ///
    /// # Errors
    /// When the two differ by more than five minutes, and when the jobs container cannot be written.
    pub async fn now(&self, local: impl Fn() -> DateTime<Utc>) -> Result<ServiceTime, Error> {
        match self.options.days {
            Some(_) => self.clock.now_if_local_agrees(local).await,
            None => Ok(ServiceTime::new(local())),
        }
    }
}
