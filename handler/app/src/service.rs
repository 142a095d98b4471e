//! What functions and subcommands work with.

use std::sync::atomic::{AtomicU64, Ordering};

use changefeed_cosmos::Account;
use changefeed_history::{CaptureReport, ContainerStatus, RetentionStatus};
use changefeed_operations::Changefeed;
use changefeed_processor::{ChangeFeedEstimator, Container, FeedRange, LeaseLag, LeaseSet};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::config::{Settings, connect};
use crate::feed::Feed;

/// A store over the settings, and what this process has done with it.
#[derive(Debug)]
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

/// The answer of `status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    version: &'static str,
    settings: Value,
    /// Every container and how much is in it.
    pub containers: Vec<ContainerStatus>,
    /// Every lease of the monitored container's change feed and of the jobs', with its lag.
    pub leases: Vec<LeaseStatus>,
    /// A range that no lease of a feed covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_gap: Option<String>,
    /// A range that several leases of a feed cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_overlap: Option<String>,
    /// Why the leases could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_error: Option<String>,
    /// How the retention is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStatus>,
    /// Why that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_error: Option<String>,
    since_start: Value,
}

/// A lease and how far behind it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseStatus {
    /// Which change feed it is of.
    pub feed: Feed,
    /// The range of the container.
    pub lease_token: String,
    /// The instance that reads it.
    pub owner: Option<String>,
    /// Whether nobody holds the lease: it was given back, or not renewed in time.
    pub is_free: bool,
    /// Changes (transactions) that are not captured yet, where that can be told.
    pub lag: Option<i64>,
    /// The age in seconds of the oldest change that is not captured yet.
    pub lag_seconds: Option<i64>,
    /// When the lease was last renewed or moved forward.
    pub last_written: Option<String>,
    /// When the lease was last moved forward; the Functions trigger does not tell.
    pub last_checkpoint: Option<String>,
    /// Whether there is something to capture and nobody gets on with it.
    pub is_stuck: bool,
    /// Since when and why its owner does not get on with it.
    pub failure: Option<LeaseFailure>,
    /// Why the lag cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The leases of a feed as they were read.
struct Leases {
    lags: Vec<LeaseLag>,
    gap: Option<FeedRange>,
    overlap: Option<FeedRange>,
}

/// Why a lease does not get on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseFailure {
    pub since: String,
    pub message: String,
}

impl LeaseStatus {
    fn of(feed: Feed, lease: LeaseLag) -> Self {
        let rfc3339 = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        Self {
            feed,
            lease_token: lease.lease_token,
            owner: lease.owner,
            is_free: lease.is_free,
            lag: lease.lag,
            lag_seconds: lease.lag_seconds,
            last_written: lease.last_written.map(rfc3339),
            last_checkpoint: lease.last_checkpoint.map(rfc3339),
            is_stuck: lease.is_stuck,
            error: lease.error,
            failure: lease.failure.map(|(since, message)| LeaseFailure { since: rfc3339(since), message }),
        }
    }
}

impl Service {
    /// Sets up a service; Cosmos DB is reached when it is first needed.
    pub fn new(settings: Settings) -> Self {
        let account = Account::new(connect(settings.connection.clone()));
        let changefeed = Changefeed::new(&account, settings.names.clone(), settings.changefeed_options());
        Self { changefeed, settings, counters: Counters::default() }
    }

    /// The same for a command, to which this machine's folders are places too.
    pub fn of_command(mut settings: Settings) -> Self {
        settings.places.host = Some(crate::jobs::host());
        Self::new(settings)
    }

    /// How long one invocation may take.
    pub fn time_limit(&self) -> std::time::Duration {
        self.settings.batch_timeout
    }

    /// Counts a batch for [`Self::status`].
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

    /// Version, settings without secrets, containers, leases, and what happened since the start.
    pub async fn status(&self) -> Status {
        let (containers, captured, jobs, retention) = tokio::join!(
            self.changefeed.containers.status(),
            self.leases(Feed::Capture),
            self.leases(Feed::Jobs),
            self.changefeed.retention.status(chrono::Utc::now())
        );
        let (mut leases, mut leases_gap, mut leases_overlap, mut leases_error) = (Vec::new(), None, None, None);
        for (feed, read) in [(Feed::Capture, captured), (Feed::Jobs, jobs)] {
            match read {
                Ok(read) => {
                    let range = |range: FeedRange| format!("{range} of {}", feed.name());
                    leases.extend(read.lags.into_iter().map(|lease| LeaseStatus::of(feed, lease)));
                    leases_gap = leases_gap.or(read.gap.map(range));
                    leases_overlap = leases_overlap.or(read.overlap.map(range));
                }
                Err(error) => {
                    leases_error = leases_error.or_else(|| Some(format!("those of {}: {error}", feed.name())));
                }
            }
        }
        let (retention, retention_error) = match retention {
            Ok(retention) => (Some(retention), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            settings: self.settings.display(),
            containers,
            leases,
            leases_gap,
            leases_overlap,
            leases_error,
            retention,
            retention_error,
            since_start: serde_json::json!({
                "batches": read(&self.counters.batches),
                "failedBatches": read(&self.counters.failed_batches),
                "versions": read(&self.counters.versions),
                "deadLetters": read(&self.counters.dead_letters),
            }),
        }
    }

    async fn leases(&self, feed: Feed) -> anyhow::Result<Leases> {
        let (container, leases) = self.feed_containers(feed).await?;
        let lags = ChangeFeedEstimator::new(&self.settings.lease_prefix, container, leases)?.estimate().await?;
        let set = self.lease_set(feed).await?;
        Ok(Leases { lags, gap: set.gap().await?, overlap: set.overlap().await? })
    }

    /// The leases of a feed, to look at and to change.
    pub async fn lease_set(&self, feed: Feed) -> anyhow::Result<LeaseSet> {
        let (container, leases) = self.feed_containers(feed).await?;
        Ok(LeaseSet::open(&self.settings.lease_prefix, container, leases)?)
    }

    /// The container whose change feed it is, and the one with its leases, for a change feed processor.
    pub async fn feed_containers(&self, feed: Feed) -> anyhow::Result<(Container, Container)> {
        let names = &self.settings.names;
        let client = (connect(self.settings.connection.clone()))().await?;
        let read = match feed {
            Feed::Capture => &names.monitored,
            Feed::Jobs => &names.jobs,
        };
        let container = Container::open(&client, &names.database, read).await?;
        let leases = Container::open(&client, &names.database, &names.leases).await?;
        Ok((container, leases))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
