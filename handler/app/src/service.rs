//! What functions and subcommands work with: the capabilities over the settings, and counters of this process.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use changefeed_cosmos::{Account, Error};
use changefeed_history::{CaptureReport, Role, TimeZone};
use changefeed_operations::Changefeed;
use changefeed_processor::{Container, LeaseSet};
use serde::Serialize;

use crate::config::{Settings, connect};
use crate::feed::Feed;

/// The capabilities over the settings, and what this process has captured.
pub struct Service {
    /// The monitored container and its history.
    pub changefeed: Changefeed,
    settings: Settings,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    failed_batches: AtomicU64,
    versions: AtomicU64,
    dead_letters: AtomicU64,
}

/// What this process has captured since it started.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    batches: u64,
    failed_batches: u64,
    versions: u64,
    dead_letters: u64,
}

impl Service {
    /// Sets up a service. It connects to Cosmos DB when it first needs to.
    pub fn new(settings: Settings) -> Self {
        let account = Account::new(connect(settings.connection.clone()));
        let changefeed = Changefeed::new(&account, settings.names.clone(), settings.changefeed_options());
        Self { changefeed, settings, counters: Counters::default() }
    }

    /// A service for a command. Folders of this machine are locations of backups, too.
    pub fn of_command(mut settings: Settings) -> Self {
        settings.locations.host = Some(crate::jobs::host());
        Self::new(settings)
    }

    /// Time limit of one invocation.
    pub fn time_limit(&self) -> std::time::Duration {
        self.settings.batch_timeout
    }

    /// Counts a batch.
    pub fn count(&self, batch: Result<&CaptureReport, ()>) {
        let add = |counter: &AtomicU64, number| counter.fetch_add(number, Ordering::Relaxed);
        add(&self.counters.batches, 1);
        match batch {
            Ok(report) => {
                add(&self.counters.versions, report.stored);
                add(&self.counters.dead_letters, report.dead_lettered);
            }
            Err(()) => {
                add(&self.counters.failed_batches, 1);
            }
        }
    }

    /// What this process has captured since it started.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            batches: read(&self.counters.batches),
            failed_batches: read(&self.counters.failed_batches),
            versions: read(&self.counters.versions),
            dead_letters: read(&self.counters.dead_letters),
        }
    }

    /// The leases of a feed.
    pub async fn lease_set(&self, feed: Feed) -> anyhow::Result<LeaseSet> {
        let (container, leases) = self.feed_containers(feed).await?;
        Ok(LeaseSet::open(self.settings.lease_prefix(feed), container, leases)?)
    }

    /// The container that has this change feed, and the leases container.
    pub async fn feed_containers(&self, feed: Feed) -> anyhow::Result<(Container, Container)> {
        let names = &self.settings.names;
        let client = self.changefeed.containers.account().client().await?;
        let monitored = match feed {
            Feed::Capture | Feed::CaptureAllVersions => &names.monitored,
            Feed::Jobs => &names.jobs,
        };
        let container = Container::open(client, &names.database, monitored).await?;
        let leases = Container::open(client, &names.database, &names.leases).await?;
        Ok((container, leases))
    }

    /// Reads a page of the monitored container in AllVersionsAndDeletes mode.
    ///
    /// # Errors
    /// When the account does not have the mode, and when the container cannot be read.
    pub async fn has_all_versions(&self) -> Result<(), Error> {
        let probe = async {
            let monitored = self.changefeed.containers.of(Role::Monitored).open().await?;
            let Some(range) = monitored.ranges().await?.into_iter().next() else { return Ok(()) };
            monitored.changes_after(&range, i64::from(i32::MAX), NonZeroU32::MIN).await.map(drop)
        };
        Box::pin(probe).await
    }

    /// The zone of times in requests that are written without one.
    pub fn time_zone(&self) -> TimeZone {
        self.settings.time_zone.clone().unwrap_or(TimeZone::UTC)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
