//! What verifications need.

use changefeed_cosmos::{Error, Meter};
use changefeed_history::History;
use changefeed_jobs::{JobKind, Jobs, Kind, Run, Step};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::work;

/// The kind of verifications among the jobs.
pub const VERIFY: Kind = Kind { name: "verify", noun: "verification" };

/// Verifications of a history.
#[derive(Clone, Debug)]
pub struct Verifications {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) concurrency: usize,
}

impl Verifications {
    /// Verifications of this history; their records are in `jobs`. `concurrency` is the number of documents in flight.
    pub fn new(history: History, jobs: Jobs, concurrency: usize) -> Self {
        Self { history, jobs, concurrency }
    }

    fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }
}

impl JobKind for Verifications {
    fn kind(&self) -> Kind {
        VERIFY
    }

    fn work<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Step, Error>> {
        async move { work::work(&self.metered(run.meter()), run).await }.boxed()
    }
}
