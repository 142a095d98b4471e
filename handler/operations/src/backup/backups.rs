//! Backups, and what they need.

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::Meter;
use changefeed_history::{History, ServiceClock};
use changefeed_jobs::{Jobs, Kind};

/// The kind of backups among the jobs.
pub const BACKUP: Kind = Kind { name: "backup", noun: "backup" };

/// Backups of the monitored container and its history.
#[derive(Clone, Debug)]
pub struct Backups {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) locations: LocationAccess,
    pub(super) concurrency: usize,
}

impl Backups {
    /// Backups of this history; their records are in `jobs`. `concurrency` is the number of documents that are read at once.
    pub fn new(history: History, jobs: Jobs, locations: LocationAccess, concurrency: usize) -> Self {
        Self { history, jobs, locations, concurrency }
    }

    /// The clock by which backups are ordered.
    pub(crate) fn clock(&self) -> &ServiceClock {
        self.history.clock()
    }

    /// The same backups, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }
}
