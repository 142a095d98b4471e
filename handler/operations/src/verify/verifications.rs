//! Verifications, and what they need.

use std::sync::Arc;

use changefeed_cosmos::Meter;
use changefeed_history::{DeadLetters, History};
use changefeed_jobs::{Jobs, Kind};
use tokio::sync::Mutex;

use super::digest_check::Chain;
use crate::digests::Digests;

/// The kind of verifications among the jobs.
pub const VERIFY: Kind = Kind { name: "verify", noun: "verification" };

/// Verifications of a history.
#[derive(Clone, Debug)]
pub struct Verifications {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) dead_letters: DeadLetters,
    pub(super) digests: Digests,
    pub(super) concurrency: usize,
    pub(super) chain: Arc<Mutex<Option<ReadChain>>>,
}

/// The chain of digests that a verification has read.
#[derive(Debug)]
pub(super) struct ReadChain {
    pub job_id: String,
    pub chain: Arc<Chain>,
}

impl Verifications {
    /// Verifications of this history; their records are in `jobs`. `concurrency` is the number of documents that are read at once.
    pub fn new(history: History, jobs: Jobs, dead_letters: DeadLetters, digests: Digests, concurrency: usize) -> Self {
        Self { history, jobs, dead_letters, digests, concurrency, chain: Arc::default() }
    }

    /// The same verifications, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self {
            history: self.history.metered(meter),
            jobs: self.jobs.metered(meter),
            dead_letters: self.dead_letters.metered(meter),
            digests: self.digests.metered(meter),
            concurrency: self.concurrency,
            chain: Arc::clone(&self.chain),
        }
    }
}
