//! What functions and subcommands work with: the capabilities over the settings, and counters of this process.

use std::num::NonZeroU32;
use std::sync::Arc;

use changefeed_cosmos::{Account, Error};
use changefeed_history::{Role, TimeZone};
use changefeed_operations::Changefeed;
use changefeed_processor::{Container, LeaseSet};

use crate::config::{Settings, connect};
use crate::feed::Feed;
use crate::metrics::Metrics;

/// The capabilities over the settings, and what this process has captured.
pub struct Service {
    /// The monitored container and its history.
    pub changefeed: Changefeed,
    settings: Settings,
    metrics: Arc<Metrics>,
}

impl Service {
    /// Sets up a service. It connects to Cosmos DB when it first needs to.
    pub fn new(settings: Settings) -> Self {
        let account = Account::new(connect(settings.connection.clone(), settings.preferred_regions.clone()));
        let changefeed = Changefeed::new(&account, settings.names.clone(), settings.changefeed_options());
        Self { changefeed, settings, metrics: Arc::new(Metrics::new()) }
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

    /// What this process has captured since it started.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
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

    /// Notes the size of the history, once an hour. A failure is logged: the next call tries again.
    pub async fn note_size(&self) {
        if let Err(error) = self.changefeed.containers.note_size(chrono::Utc::now()).await {
            log::warn!("could not note the size of the history: {error}");
        }
    }

    /// The zone of times in requests that are written without one.
    pub fn time_zone(&self) -> TimeZone {
        self.settings.time_zone.clone().unwrap_or(TimeZone::UTC)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
