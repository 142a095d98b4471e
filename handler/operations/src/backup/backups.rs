//! What backups need.

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Error, Meter};
use changefeed_history::History;
use changefeed_jobs::{JobKind, Jobs, Kind, Run, Step};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::work;

/// The kind of backups among the jobs.
pub const BACKUP: Kind = Kind { name: "backup", noun: "backup" };

/// Backups of the monitored container and its history.
#[derive(Clone, Debug)]
pub struct Backups {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) places: LocationAccess,
    pub(super) concurrency: usize,
}

impl Backups {
    /// Backups of this history; their records are in `jobs`. `concurrency` is the number of documents in flight.
    pub fn new(history: History, jobs: Jobs, places: LocationAccess, concurrency: usize) -> Self {
        Self { history, jobs, places, concurrency }
    }

    fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }
}

impl JobKind for Backups {
    fn kind(&self) -> Kind {
        BACKUP
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work::work(&self.metered(run.meter()), run).await }.boxed()
    }
}
