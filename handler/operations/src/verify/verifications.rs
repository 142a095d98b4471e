//! Verifications, and what they need.

use changefeed_cosmos::Meter;
use changefeed_history::History;
use changefeed_jobs::{Jobs, Kind};

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
    /// Verifications of this history; their records are in `jobs`. `concurrency` is the number of documents that are read at once.
    pub fn new(history: History, jobs: Jobs, concurrency: usize) -> Self {
        Self { history, jobs, concurrency }
    }

    /// The same verifications, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }
}
