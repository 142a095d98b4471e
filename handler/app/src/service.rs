//! What functions and subcommands work with: the store, one client of the account, and counters of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use changefeed_history::{CaptureReport, Client, Connect, Error, Store};
use changefeed_processor::{Container, LeaseSet};
use futures::FutureExt;
use serde::Serialize;
use tokio::sync::OnceCell;

use crate::config::{Settings, connect};
use crate::feed::Feed;

/// A store over the settings, and what this process has done with it.
pub struct Service {
    /// The monitored container and its history.
    pub store: Store,
    settings: Settings,
    connection: Arc<Connection>,
    counters: Counters,
}

/// The client of the account, which is connected when it is first needed. A failed connection is tried again.
struct Connection {
    connect: Connect,
    client: OnceCell<Client>,
}

impl Connection {
    async fn client(&self) -> Result<&Client, Error> {
        self.client.get_or_try_init(|| (self.connect)()).await
    }
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
        let connection =
            Arc::new(Connection { connect: connect(settings.connection.clone()), client: OnceCell::new() });
        let shared = Arc::clone(&connection);
        let connect_store: Connect = Box::new(move || {
            let shared = Arc::clone(&shared);
            async move { shared.client().await.cloned() }.boxed()
        });
        let store = Store::new(connect_store, settings.names.clone(), settings.store_options());
        Self { store, settings, connection, counters: Counters::default() }
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
        Ok(LeaseSet::open(&self.settings.lease_prefix, container, leases)?)
    }

    /// The container that has this change feed, and the leases container.
    pub async fn feed_containers(&self, feed: Feed) -> anyhow::Result<(Container, Container)> {
        let names = &self.settings.names;
        let client = self.connection.client().await?;
        let monitored = match feed {
            Feed::Capture => &names.monitored,
            Feed::Jobs => &names.jobs,
        };
        let container = Container::open(client, &names.database, monitored).await?;
        let leases = Container::open(client, &names.database, &names.leases).await?;
        Ok((container, leases))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
