//! Erasures, and what they need.

use std::time::Duration;

use changefeed_cosmos::Meter;
use changefeed_history::{DeadLetters, History};
use changefeed_jobs::{Jobs, Kind};

/// The kind of erasures among the jobs.
pub const ERASE: Kind = Kind { name: "erase", noun: "erasure" };

/// Erasures of documents.
#[derive(Clone, Debug)]
pub struct Erasures {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) dead_letters: DeadLetters,
    pub(super) timeout: Duration,
}

impl Erasures {
    /// Erasures from this history; their records are in `jobs`. A request is retried for at most `timeout`.
    pub fn new(history: History, jobs: Jobs, dead_letters: DeadLetters, timeout: Duration) -> Self {
        Self { history, jobs, dead_letters, timeout }
    }

    /// The same erasures, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self {
            history: self.history.metered(meter),
            jobs: self.jobs.metered(meter),
            dead_letters: self.dead_letters.metered(meter),
            timeout: self.timeout,
        }
    }
}
