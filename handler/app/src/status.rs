//! The status of the service: settings without secrets, containers, leases, retention and counters.

use changefeed_cosmos::{Error, SourceName, timestamp};
use changefeed_history::{ContainerState, ContainerStatus, Growth, RetentionStatus, Role};
use changefeed_operations::BackupLateness;
use changefeed_processor::{ChangeFeedEstimator, ChangeFeedMode, FeedRange, LeaseLag, LeaseSet, LeaseState};
use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::feed::Feed;
use crate::metrics::Counts;
use crate::service::Service;
use crate::sources::Sources;
use crate::stalled::{WatchRecord, problem};

/// The status of the service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    version: &'static str,
    /// The source, if the app has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// The settings without secrets.
    pub settings: Value,
    /// Every container with its number of items.
    pub containers: Vec<ContainerStatus>,
    /// The change feed mode of the leases of capture: `LatestVersion` or `AllVersionsAndDeletes`; `None` without a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Every lease of every change feed, with its lag.
    pub leases: Vec<LeaseStatus>,
    /// A range that no lease covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_gap: Option<RangeOfFeed>,
    /// A range that several leases cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_overlap: Option<RangeOfFeed>,
    /// Why the leases could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leases_error: Option<String>,
    /// State of the retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStatus>,
    /// Why the state of the retention could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_error: Option<String>,
    /// How the container of the versions has grown; absent until it was observed for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// The backup policy; absent if none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<BackupStatus>,
    /// Why the backup policy could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups_error: Option<String>,
    /// Whether a dead letter is a change whose id or key is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_unknown_identity: bool,
    since_start: Counts,
    /// The other sources, if all were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_sources: Vec<Status>,
}

/// Whether the backups of the policy are taken. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// The slot of the newest one that has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Since when one is overdue: it was due more than six hours ago, and has not succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue_since: Option<String>,
    /// Why the last look at the policy failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl BackupStatus {
    fn of(lateness: BackupLateness) -> Self {
        Self {
            newest: lateness.newest.map(timestamp),
            overdue_since: lateness.overdue_since(Utc::now()).map(timestamp),
            problem: lateness.problem,
        }
    }
}

/// A part of a change feed; in JSON a text: `-FF of capture`.
#[derive(Debug)]
pub struct RangeOfFeed {
    /// The change feed.
    pub feed: Feed,
    range: String,
}

impl RangeOfFeed {
    fn whole(feed: Feed) -> Self {
        Self { feed, range: "-FF".to_owned() }
    }
}

impl std::fmt::Display for RangeOfFeed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.range, self.feed.name())
    }
}

impl Serialize for RangeOfFeed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A lease and its lag.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseStatus {
    /// Its change feed.
    pub feed: Feed,
    /// The change feed mode in which it can be used: `LatestVersion` or `AllVersionsAndDeletes`.
    pub mode: String,
    /// The range of the container, as the service writes it.
    pub lease_token: String,
    /// The instance that holds the lease.
    pub owner: Option<String>,
    /// Whether the lease was released or has expired.
    pub is_free: bool,
    /// Changes (transactions) that are not captured yet, if known.
    pub lag: Option<i64>,
    /// Age in seconds of the oldest change that is not captured yet, if known.
    pub lag_seconds: Option<i64>,
    /// When the lease was last renewed or checkpointed.
    pub last_written: Option<String>,
    /// When the lease was last checkpointed. The Functions trigger does not record it.
    pub last_checkpoint: Option<String>,
    /// Whether there are changes to capture and no instance makes progress.
    pub is_stuck: bool,
    /// Whether it makes progress, and if not, what stops it.
    pub state: LeaseState,
    /// Why it makes no progress, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it was seen without progress, by the function `WatchLeases` or `changefeed process`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<String>,
    /// The first document of its next page that the Functions trigger cannot deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undeliverable: Option<UndeliverableDocument>,
    /// Since when and why its owner makes no progress, if the owner has recorded that.
    pub failure: Option<LeaseFailure>,
    /// Why the lag could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A document that the Functions trigger cannot deliver.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UndeliverableDocument {
    id: Option<String>,
    lsn: Option<i64>,
    reason: String,
}

/// The leases of one feed.
struct Leases {
    lags: Vec<LeaseLag>,
    mode: Option<ChangeFeedMode>,
    gap: Option<FeedRange>,
    overlap: Option<FeedRange>,
}

/// Why a lease makes no progress.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseFailure {
    pub since: String,
    pub message: String,
}

impl LeaseStatus {
    fn of(feed: Feed, lease: LeaseLag) -> Self {
        let rfc3339 = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let reason = problem(&lease);
        let undeliverable = lease.undeliverable.map(|change| UndeliverableDocument {
            id: change.id,
            lsn: change.lsn,
            reason: change.reason.to_string(),
        });
        Self {
            feed,
            mode: lease.mode.to_string(),
            state: lease.state,
            reason,
            unchanged_since: lease.unchanged_since.map(rfc3339),
            undeliverable,
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

impl Status {
    /// Reads the status of the first source, with those of the others.
    pub async fn read_all(sources: &Sources) -> Self {
        let mut read = join_all(sources.all().map(|service| Self::read(service))).await;
        let others = read.split_off(1);
        match read.pop() {
            Some(first) => Self { other_sources: others, ..first },
            None => Self::read(sources.first()).await,
        }
    }

    /// The status of every source.
    pub fn of_sources(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.other_sources)
    }

    /// Reads the status of a source. A part that cannot be read holds the reason instead.
    pub async fn read(service: &Service) -> Self {
        let feeds = service.feeds();
        let (containers, read_feeds, retention, growth, backups, unknown_identity) = tokio::join!(
            service.changefeed.containers.status(),
            join_all(feeds.iter().map(|feed| leases(service, *feed))),
            service.changefeed.retention.status(Utc::now()),
            service.changefeed.containers.growth(Utc::now()),
            service.changefeed.backup_policy.lateness(Utc::now()),
            service.changefeed.dead_letters.has_unknown_identity()
        );
        let containers = of_source(service, containers).await;
        let (mut leases, mut leases_gap, mut leases_overlap, mut leases_error) = (Vec::new(), None, None, None);
        // With leases of both modes, the last one is AllVersionsAndDeletes.
        let mut mode = None;
        for (feed, read) in feeds.iter().copied().zip(read_feeds) {
            match read {
                Ok(read) => {
                    if feed.is_captured() {
                        mode = read.mode.map(|mode| mode.to_string()).or(mode);
                    }
                    let range = |range: FeedRange| RangeOfFeed { feed, range: range.to_string() };
                    leases.extend(read.lags.into_iter().map(|lease| LeaseStatus::of(feed, lease)));
                    leases_gap = leases_gap.or(read.gap.map(range));
                    leases_overlap = leases_overlap.or(read.overlap.map(range));
                }
                Err(error) => {
                    leases_error = leases_error.or_else(|| Some(format!("leases of {}: {error}", feed.name())));
                }
            }
        }
        if leases_gap.is_none() && leases_error.is_none() {
            match feed_without_leases(service, &containers, &leases).await {
                Ok(feed) => leases_gap = feed.map(RangeOfFeed::whole),
                Err(error) => leases_error = Some(format!("leases of {}: {error}", Feed::Jobs.name())),
            }
        }
        let (retention, retention_error) = match retention {
            Ok(retention) => (Some(retention), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (backups, backups_error) = match backups {
            Ok(lateness) => (lateness.map(BackupStatus::of), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            source: service.named_source().cloned(),
            settings: service.settings().display(),
            containers,
            mode,
            leases,
            leases_gap,
            leases_overlap,
            leases_error,
            retention,
            retention_error,
            // The state of the containers shows why they cannot be read.
            growth: growth.unwrap_or_default(),
            backups,
            backups_error,
            has_unknown_identity: unknown_identity.unwrap_or_default(),
            since_start: service.metrics().counts(),
            other_sources: Vec::new(),
        }
    }
}

/// The containers, where that of dead letters has no items if those that it has are of other sources.
async fn of_source(service: &Service, mut containers: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    if service.named_source().is_some() && matches!(service.changefeed.dead_letters.has_any().await, Ok(false)) {
        for container in containers.iter_mut().filter(|container| container.role == Role::DeadLetters) {
            if let ContainerState::Ready { items, .. } = &mut container.state {
                *items = Some(0);
            }
        }
    }
    containers
}

/// A feed that has no lease although it needs one: that of a container that was captured, because the container or its leases
/// were deleted, and that of the jobs while a job is queued. Before the first capture and without a job, no lease is expected.
async fn feed_without_leases(
    service: &Service,
    containers: &[ContainerStatus],
    leases: &[LeaseStatus],
) -> Result<Option<Feed>, Error> {
    let has_versions = |container: &ContainerStatus| {
        container.role == Role::Changes && matches!(container.state, ContainerState::Ready { items: Some(1..), .. })
    };
    if !leases.iter().any(|lease| lease.feed.is_captured()) && containers.iter().any(has_versions) {
        return Ok(Some(Feed::captured_in(service.settings().mode)));
    }
    let has_lease = leases.iter().any(|lease| lease.feed == Feed::Jobs) || !service.feeds().contains(&Feed::Jobs);
    let is_waiting = !has_lease && service.changefeed.jobs.has_queued().await?;
    Ok(is_waiting.then_some(Feed::Jobs))
}

/// The leases of a feed, each with its lag.
pub async fn lags(service: &Service, feed: Feed) -> anyhow::Result<Vec<LeaseLag>> {
    Ok(leases(service, feed).await?.lags)
}

/// The leases of a feed, each with its lag, and a range that none of them covers.
pub async fn lags_and_gap(service: &Service, feed: Feed) -> anyhow::Result<(Vec<LeaseLag>, Option<FeedRange>)> {
    let leases = leases(service, feed).await?;
    Ok((leases.lags, leases.gap))
}

/// The leases of some feeds as they are shown.
pub async fn lease_statuses(service: &Service, feeds: &[Feed]) -> anyhow::Result<Vec<LeaseStatus>> {
    let mut statuses = Vec::new();
    for feed in feeds.iter().copied() {
        statuses.extend(lags(service, feed).await?.into_iter().map(|lease| LeaseStatus::of(feed, lease)));
    }
    Ok(statuses)
}

async fn leases(service: &Service, feed: Feed) -> anyhow::Result<Leases> {
    let (container, leases) = service.feed_containers(feed).await?;
    // Without the record, which may be unreadable, the states are those of a single look.
    let record = WatchRecord::load(service.changefeed.containers.of(Role::Jobs)).await;
    let observations = record.map(|record| record.leases).unwrap_or_default();
    let prefix = service.settings().lease_prefix(feed);
    let set = LeaseSet::open(prefix, container.clone(), leases.clone())?;
    let estimator =
        ChangeFeedEstimator::new(prefix, container, leases)?.stalled_after(service.settings().stalled_after);
    let lags = estimator.estimate_with(&observations).await?;
    Ok(Leases { lags, mode: set.mode().await?, gap: set.gap().await?, overlap: set.overlap().await? })
}
