//! What restores need.

use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Error, Meter};
use changefeed_history::{ContainerNames, History};
use changefeed_jobs::{JobKind, Jobs, Kind, Run, Step};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::work;

/// The kind of restores among the jobs.
pub const RESTORE: Kind = Kind { name: "restore", noun: "restore" };

/// How documents are restored.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Writes in flight for one request.
    pub concurrency: usize,
    /// How long transient failures are retried within a request.
    pub timeout: Duration,
    /// The field of a restored document that gets the time of the restore, in seconds since 1970; `None` is none.
    pub restored_at_field: Option<String>,
}

/// Restores of documents.
#[derive(Clone, Debug)]
pub struct Restores {
    pub(super) names: ContainerNames,
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) places: LocationAccess,
    pub(super) options: RestoreOptions,
}

impl Restores {
    /// Restores from this history and from backups; their records are in `jobs`.
    pub fn new(
        names: ContainerNames,
        history: History,
        jobs: Jobs,
        places: LocationAccess,
        options: RestoreOptions,
    ) -> Self {
        Self { names, history, jobs, places, options }
    }

    fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }
}

impl JobKind for Restores {
    fn kind(&self) -> Kind {
        RESTORE
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work::work(&self.metered(run.meter()), run).await }.boxed()
    }
}
