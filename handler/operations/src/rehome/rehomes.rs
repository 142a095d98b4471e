//! Moves of histories, and what they need.

use std::fmt;
use std::sync::Arc;

use changefeed_cosmos::{Account, Error, Meter};
use changefeed_history::{Containers, DeadLetters, History};
use changefeed_jobs::{Jobs, Kind};

/// The kind of moves among the jobs.
pub const REHOME: Kind = Kind { name: "rehome", noun: "move" };

type FindAccount = dyn Fn(&str) -> Result<Account, Error> + Send + Sync;

/// Finds the account of a connection by the name of its settings. Nothing is sent.
#[derive(Clone)]
pub struct Connections(Arc<FindAccount>);

impl Connections {
    /// Finds accounts with this function. Its error names the settings that are missing.
    pub fn new(find: impl Fn(&str) -> Result<Account, Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    pub(super) fn account(&self, name: &str) -> Result<Account, Error> {
        (self.0)(name)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connections")
    }
}

/// Moves of other histories into this one.
#[derive(Clone, Debug)]
pub struct Rehomes {
    pub(super) containers: Containers,
    pub(super) history: History,
    pub(super) dead_letters: DeadLetters,
    pub(super) jobs: Jobs,
    pub(super) connections: Connections,
    /// This machine, where the connections are known.
    pub(super) host: Option<String>,
    pub(super) concurrency: usize,
}

impl Rehomes {
    /// Moves into this history; their records are in `jobs`. `host` is this machine.
    pub fn new(
        containers: Containers,
        history: History,
        dead_letters: DeadLetters,
        jobs: Jobs,
        connections: Connections,
        host: Option<String>,
        concurrency: usize,
    ) -> Self {
        Self { containers, history, dead_letters, jobs, connections, host, concurrency }
    }

    /// The same moves, whose requests another meter counts.
    pub(super) fn metered(&self, meter: &Meter) -> Self {
        Self {
            history: self.history.metered(meter),
            dead_letters: self.dead_letters.metered(meter),
            jobs: self.jobs.metered(meter),
            ..self.clone()
        }
    }
}
