//! What functions and subcommands work with: the capabilities of one source over its settings, and counters of this process.

use std::num::NonZeroU32;
use std::sync::Arc;

use changefeed_cosmos::{Account, Error, SourceName};
use changefeed_history::{Role, TimeZone};
use changefeed_operations::Changefeed;
use changefeed_processor::{Container, LeaseSet};

use crate::config::Settings;
use crate::feed::Feed;
use crate::metrics::{Metrics, SourceMetrics};

/// The capabilities of a source over its settings, and what this process has captured of it.
pub struct Service {
    /// The monitored container and its history.
    pub changefeed: Changefeed,
    settings: Settings,
    metrics: SourceMetrics,
}

/// [`Service::command`] for this source, or for the only one.
pub fn command_of(source: Option<&SourceName>, words: &str) -> String {
    source.map_or_else(|| format!("changefeed {words}"), |source| format!("changefeed {words} --source {source}"))
}

impl Service {
    /// Sets up the service of a source. Nothing is sent until it is needed.
    pub fn new(account: &Account, settings: Settings, metrics: &Arc<Metrics>) -> Self {
        let changefeed = Changefeed::new(account, settings.names.clone(), settings.changefeed_options());
        let label = Some(&settings.source).filter(|_| !settings.sources.is_empty());
        Self { changefeed, metrics: SourceMetrics::new(metrics, label), settings }
    }

    /// The source.
    pub fn source(&self) -> &SourceName {
        &self.settings.source
    }

    /// The source, if the app has several.
    pub fn named_source(&self) -> Option<&SourceName> {
        Some(&self.settings.source).filter(|_| self.settings.sources.len() > 1)
    }

    /// The path of an answer or a page, with the source if the app has several.
    pub fn path(&self, path: String) -> String {
        self.named_source().map_or(path.clone(), |source| format!("{path}?source={source}"))
    }

    /// A command for a person to run, with the source if the app has several: `changefeed restore undo ID --source orders`.
    pub fn command(&self, words: &str) -> String {
        command_of(self.named_source(), words)
    }

    /// The feeds whose leases are looked at for this source. Those of the jobs, which all sources share, count for the first one.
    pub fn feeds(&self) -> &'static [Feed] {
        let is_first = self.settings.sources.first().is_none_or(|first| first == self.source());
        if is_first { &Feed::ALL } else { &Feed::CAPTURED }
    }

    /// Time limit of one invocation.
    pub fn time_limit(&self) -> std::time::Duration {
        self.settings.batch_timeout
    }

    /// What this process has captured of the source since it started.
    pub fn metrics(&self) -> &SourceMetrics {
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

    /// Brings another event for jobs of this source that no worker has continued. A failure is logged: the next call tries again.
    pub async fn wake_jobs(&self) {
        match self.changefeed.jobs.wake_forgotten(chrono::Utc::now()).await {
            Ok(woken) => woken.iter().for_each(|id| log::info!("job {id} has waited, and is delivered again")),
            Err(error) => log::warn!("could not look for jobs that wait: {error}"),
        }
    }

    /// The zone of times in requests that are written without one.
    pub fn time_zone(&self) -> TimeZone {
        self.settings.time_zone.clone().unwrap_or(TimeZone::UTC)
    }

    /// The settings of the source.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
