//! Moves through the history in the order of source time, and deletes superseded versions.
//!
//! A step reads the versions of the next seconds after `swept_to`. Each of them may have superseded an older version of its
//! document. So for each document in the step, the version that is current at the last second of the step remains, and
//! all older ones are deleted. The cost of a step depends on the number of changes in it, not on the size of the history. An interrupted
//! step is repeated from its start.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use changefeed_cosmos::{Container, DocumentName, Error, timestamp};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Retention;
use super::expiry::Superseded;
use super::pinned::PinnedVersions;
use crate::limits::{RETENTION_GRACE, SWEEP_ROWS, SWEEP_SPLIT_VERSIONS, SWEEP_VERSIONS};
use crate::removal::Remover;
use crate::removal_log::{RECORDED_TOGETHER, RemovalCause, RemovalLog};
use crate::retention_record::{NEVER, Releasing, Removing, Saved};
use crate::service_clock::ServiceTime;

const DAY: i64 = 86_400;
/// Documents that are swept at the same time.
const CONCURRENT_DOCUMENTS: usize = 8;
/// Documents whose superseded versions are found before they are deleted, so that one record can name many removals.
const DOCUMENTS_TOGETHER: usize = 64;
/// A sweep uses one in this many of the concurrent writes, so that it does not slow down capture.
const SHARE_OF_WRITES: usize = 4;
/// The longest time that one delete is retried.
const DELETE_TIMEOUT: Duration = Duration::from_secs(30);

/// How to sweep.
#[derive(Clone, Copy, Debug)]
pub struct SweepRequest {
    /// The current time, see [`Retention::now`]. The retention is counted back from it.
    pub now: ServiceTime,
    /// Only count the versions that would be deleted.
    pub dry_run: bool,
    /// The sweep stops after this time, when the writes under way are finished. The next sweep continues.
    pub time_limit: Option<Duration>,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SweepState {
    /// No retention is set: all versions are kept.
    Off,
    /// No expired versions are left.
    Done,
    /// It reached its time limit; there may be more expired versions.
    OutOfTime,
    /// Another sweep is running, so this one stopped.
    Yielded,
}

/// The result of a sweep or of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// How it ended.
    pub state: SweepState,
    /// Whether it only counted.
    pub dry_run: bool,
    /// The retention in days; absent means forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Versions that were superseded at this second since 1970 or before have expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_until: Option<i64>,
    /// The number of documents examined. A document with changes in several steps is counted in each.
    pub documents: u64,
    /// The number of versions deleted; in a dry run, of those that would be.
    pub versions: u64,
    /// Request units of the deletes.
    pub request_charge: f64,
}

/// Why a sweep stops early.
pub(super) enum Stop {
    OutOfTime,
    Yielded,
    Failed(Error),
}

impl Stop {
    fn state(self) -> Result<SweepState, Error> {
        match self {
            Self::OutOfTime => Ok(SweepState::OutOfTime),
            Self::Yielded => Ok(SweepState::Yielded),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The time by which steps are ordered.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Versions in the order of their source times.
    SourceTime,
    /// Versions whose source time is not after `until`, in the order of their capture.
    Capture { until: i64 },
}

/// The documents that changed in some seconds.
pub(super) struct Step {
    pub names: Vec<DocumentName>,
    /// The last second.
    pub last: i64,
}

/// Versions of a document that are to be deleted.
#[derive(Default)]
struct SupersededVersions {
    unsplit: Vec<Removing>,
    /// Those with parts.
    split: Vec<Removing>,
    /// The document, if it may have more.
    has_more: Option<DocumentName>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub documents: u64,
    pub versions: u64,
    request_charge: f64,
}

impl Retention {
    /// The versions that have expired now, if `local`, the clock of this machine, agrees with the clock of the service.
    ///
    /// # Errors
    /// See [`Self::now`].
    pub async fn expired(&self, local: impl Fn() -> DateTime<Utc>) -> Result<Expired<'_>, Error> {
        Ok(Expired { retention: self, now: self.now(local).await? })
    }

    /// Deletes the expired versions, or counts them. It can run at any time, repeatedly and concurrently. While a job is
    /// unfinished, no version is deleted that had not expired when the job began.
    ///
    /// # Errors
    /// When the containers cannot be read or written. The next sweep continues.
    pub async fn sweep(&self, request: &SweepRequest) -> Result<SweepReport, Error> {
        let report = |state, until, counts: Counts| SweepReport {
            state,
            dry_run: request.dry_run,
            retention_days: self.options.days,
            superseded_until: until,
            documents: counts.documents,
            versions: counts.versions,
            request_charge: counts.request_charge,
        };
        let Some(days) = self.options.days else {
            return Ok(report(SweepState::Off, None, Counts::default()));
        };
        let now = request.now.time();
        let unfinished = self.held.oldest_unfinished(now).await?;
        let cutoff = cutoff(unfinished.map_or(now, |begun| begun.min(now)), days);
        let jobs = self.record.jobs().open().await?;
        let mut sweep = Sweep {
            retention: self,
            changes: self.changes.open().await?,
            saved: Saved::load(&jobs).await?,
            jobs,
            pinned: self.held.pinned_after(cutoff).await?,
            now: now.timestamp(),
            cutoff,
            deadline: request.time_limit.map(|limit| Instant::now() + limit),
            counts: Mutex::default(),
        };
        let result = if request.dry_run { sweep.count().await } else { sweep.run(now).await };
        let state = result.map_or_else(Stop::state, |()| Ok(SweepState::Done))?;
        Ok(report(state, Some(cutoff), *sweep.counts()))
    }
}

/// The versions that had expired at one time. They are counted and removed by this time, however much later that is.
#[derive(Clone, Copy, Debug)]
pub struct Expired<'a> {
    retention: &'a Retention,
    now: ServiceTime,
}

impl Expired<'_> {
    /// Counts them.
    ///
    /// # Errors
    /// See [`Retention::sweep`].
    pub async fn count(&self) -> Result<SweepReport, Error> {
        self.sweep(true).await
    }

    /// Removes them.
    ///
    /// # Errors
    /// See [`Retention::sweep`].
    pub async fn remove(&self) -> Result<SweepReport, Error> {
        self.sweep(false).await
    }

    async fn sweep(&self, dry_run: bool) -> Result<SweepReport, Error> {
        self.retention.sweep(&SweepRequest { now: self.now, dry_run, time_limit: None }).await
    }
}

/// The second since 1970 of the cutoff: versions superseded then or before have expired.
pub(super) fn cutoff(now: DateTime<Utc>, days: u32) -> i64 {
    now.timestamp() - i64::from(days) * DAY - RETENTION_GRACE
}

/// A running sweep.
pub(super) struct Sweep<'a> {
    retention: &'a Retention,
    pub(super) changes: Container,
    jobs: Container,
    pub(super) saved: Saved,
    pub(super) pinned: PinnedVersions,
    now: i64,
    /// Versions superseded at this second or before have expired.
    pub(super) cutoff: i64,
    deadline: Option<Instant>,
    counts: Mutex<Counts>,
}

impl Sweep<'_> {
    async fn run(&mut self, now: DateTime<Utc>) -> Result<(), Stop> {
        let result = self.delete_expired().await;
        if matches!(result, Ok(()) | Err(Stop::OutOfTime)) {
            self.saved.progress.swept_at = Some(timestamp(now));
            self.save().await?;
        }
        result
    }

    async fn delete_expired(&mut self) -> Result<(), Stop> {
        for version in self.saved.progress.removing.clone() {
            let request_charge = self.remover().delete_orphaned_parts(&version).await?;
            self.counts().request_charge += request_charge;
        }
        self.saved.progress.removing.clear();
        if self.saved.progress.released_to == NEVER {
            self.saved.progress.released_to = self.cutoff;
        }
        self.sweep_late_captures().await?;
        self.sweep_forward().await?;
        self.sweep_released().await
    }

    /// The cutoff for documents that the sweep has already passed: `swept_to`, or the cutoff of this sweep if that is earlier because
    /// the retention was made longer.
    pub(super) fn passed_cutoff(&self) -> i64 {
        self.cutoff.min(self.saved.progress.swept_to)
    }

    /// Sweeps the documents of versions that were captured after the sweep had passed their source time.
    async fn sweep_late_captures(&mut self) -> Result<(), Stop> {
        // To allow for clock skew and for replicas that lag.
        let settled = self.now - RETENTION_GRACE;
        if self.saved.progress.swept_to == NEVER {
            self.saved.progress.late_to = settled;
            return Ok(());
        }
        let until = self.passed_cutoff();
        // After the retention was made longer, the cutoff is before `swept_to` for a while. Versions in between are not examined now,
        // so `late_to` must not pass them.
        let is_caught_up = until == self.saved.progress.swept_to;
        let mut captured = self.saved.progress.late_to;
        while let Some(step) = self.next_step(Order::Capture { until }, captured).await? {
            self.sweep_documents(step.names, until).await?;
            captured = step.last;
            if is_caught_up {
                self.saved.progress.late_to = captured.min(settled).max(self.saved.progress.late_to);
                self.save().await?;
            }
        }
        if is_caught_up {
            self.saved.progress.late_to = settled.max(self.saved.progress.late_to);
        }
        Ok(())
    }

    /// Sweeps from `swept_to` to the cutoff.
    async fn sweep_forward(&mut self) -> Result<(), Stop> {
        while self.saved.progress.swept_to < self.cutoff {
            let step = self.next_step(Order::SourceTime, self.saved.progress.swept_to).await?;
            let until = step.as_ref().map_or(self.cutoff, |step| step.last);
            self.saved.progress.horizon = self.saved.progress.horizon.max(until);
            self.save().await?;
            if let Some(step) = step {
                self.sweep_documents(step.names, until).await?;
            }
            self.saved.progress.swept_to = until;
        }
        Ok(())
    }

    /// Sweeps the documents of restores that no longer pin versions.
    async fn sweep_released(&mut self) -> Result<(), Stop> {
        let until = self.passed_cutoff();
        let begun = self.saved.progress.releasing.clone();
        for restore in self.retention.held.restores_between(self.saved.progress.released_to, self.cutoff).await? {
            let mut continuation = match &begun {
                Some(begun) if restore < begun.restore => continue,
                Some(begun) if restore == begun.restore => begun.continuation.clone(),
                _ => None,
            };
            loop {
                self.check_time()?;
                let releasing = Releasing { restore: restore.clone(), continuation: continuation.clone() };
                self.saved.progress.releasing = Some(releasing);
                self.save().await?;
                let (documents, next) = self.retention.held.documents_of(&restore, continuation.as_deref()).await?;
                self.sweep_documents(documents, until).await?;
                if next.is_none() {
                    break;
                }
                continuation = next;
            }
        }
        (self.saved.progress.released_to, self.saved.progress.releasing) = (self.cutoff, None);
        Ok(())
    }

    /// The documents of the next seconds after `after`, about [`SWEEP_ROWS`] versions; `None` when there are no more. A step
    /// always contains whole seconds, so it needs memory for all versions of one second.
    pub(super) async fn next_step(&self, order: Order, after: i64) -> Result<Option<Step>, Stop> {
        self.check_time()?;
        let (time, until) = match order {
            Order::SourceTime => ("c.sourceTs", self.cutoff),
            Order::Capture { until } => ("c._ts", until),
        };
        let query = format!(
            "SELECT c.sourceId AS id, c.partitionKey, {time} AS second FROM c \
             WHERE {time} > @after AND c.sourceTs <= @until ORDER BY {time}"
        );
        let parameters = Map::from_iter([("@after".to_owned(), json!(after)), ("@until".to_owned(), json!(until))]);
        let mut rows = self.changes.select_few::<Value>(&query, &parameters, None, SWEEP_ROWS).await?;
        let mut names = indexmap::IndexMap::new();
        let (mut count, mut last) = (0, None);
        while let Some(mut row) = rows.try_next().await? {
            let second = row["second"].as_f64().map_or(after, |second| second as i64);
            if count >= SWEEP_ROWS && last != Some(second) {
                break;
            }
            (count, last) = (count + 1, Some(second));
            if let Value::Object(properties) = &mut row {
                properties.shift_remove("second");
            }
            match serde_json::from_value::<DocumentName>(row) {
                Ok(name) => {
                    names.entry((name.partition_key.to_string(), name.id.clone())).or_insert(name);
                }
                Err(error) => log::warn!("skipping an item of the changes container that is not a version: {error}"),
            }
        }
        Ok(last.map(|last| Step { names: names.into_values().collect(), last }))
    }

    /// Deletes the versions of these documents that were superseded at `until` or before.
    async fn sweep_documents(&mut self, names: Vec<DocumentName>, until: i64) -> Result<(), Stop> {
        self.counts().documents += names.len() as u64;
        let mut names = names;
        while !names.is_empty() {
            let mut unfinished = Vec::new();
            for group in names.chunks(DOCUMENTS_TOGETHER) {
                let sweep = &*self;
                let found: Vec<SupersededVersions> = futures::stream::iter(group.to_vec())
                    .map(|name| sweep.superseded_versions(name, until))
                    .buffer_unordered(CONCURRENT_DOCUMENTS)
                    .try_collect()
                    .await?;
                let (mut unsplit, mut split) = (Vec::new(), Vec::new());
                for found in found {
                    unsplit.extend(found.unsplit);
                    split.extend(found.split);
                    unfinished.extend(found.has_more);
                }
                self.delete_unsplit_versions(&unsplit).await?;
                for chunk in split.chunks(SWEEP_SPLIT_VERSIONS) {
                    self.delete_split_versions(chunk).await?;
                }
            }
            names = unfinished;
        }
        Ok(())
    }

    /// The superseded versions of a document, up to the limits.
    async fn superseded_versions(&self, name: DocumentName, until: i64) -> Result<SupersededVersions, Stop> {
        self.check_time()?;
        let mut found = SupersededVersions::default();
        let mut superseded = Superseded::at(&self.changes, &name, until).await?;
        while let Some(row) = superseded.next().await? {
            if self.pinned.contains(&name, &row.id) {
                continue;
            }
            let versions = if row.split { &mut found.split } else { &mut found.unsplit };
            let limit = if row.split { SWEEP_SPLIT_VERSIONS } else { SWEEP_VERSIONS };
            if versions.len() == limit {
                // The query is not read further after deletes.
                found.has_more = Some(name);
                break;
            }
            versions.push(Removing { id: row.id.into(), key: row.key });
        }
        Ok(found)
    }

    /// Deletes versions without parts, after recording their removal.
    async fn delete_unsplit_versions(&self, versions: &[Removing]) -> Result<(), Stop> {
        let remover = self.remover();
        let delete = |version: Removing| async move {
            self.check_time()?;
            let request_charge = remover.delete(&version.id, &version.key).await?;
            let mut counts = self.counts();
            (counts.versions, counts.request_charge) = (counts.versions + 1, counts.request_charge + request_charge);
            Ok::<(), Stop>(())
        };
        let concurrency = (self.retention.options.concurrency / SHARE_OF_WRITES).max(CONCURRENT_DOCUMENTS);
        for versions in versions.chunks(RECORDED_TOGETHER) {
            self.record_removals(versions).await?;
            let deletes = futures::stream::iter(versions.to_vec()).map(delete);
            deletes.buffer_unordered(concurrency).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Deletes versions with parts, after recording that they are being removed.
    async fn delete_split_versions(&mut self, versions: &[Removing]) -> Result<(), Stop> {
        self.check_time()?;
        self.saved.progress.removing = versions.to_vec();
        self.save().await?;
        self.record_removals(versions).await?;
        for version in versions {
            let request_charge = self.remover().delete_version(version).await?;
            let mut counts = self.counts();
            (counts.versions, counts.request_charge) = (counts.versions + 1, counts.request_charge + request_charge);
        }
        self.saved.progress.removing.clear();
        Ok(())
    }

    async fn record_removals(&self, versions: &[Removing]) -> Result<(), Stop> {
        self.check_time()?;
        let versions: Vec<_> = versions.iter().map(|version| (version.id.as_str(), &version.key)).collect();
        let log = RemovalLog { jobs: &self.jobs, changes: &self.changes, cause: RemovalCause::Retention };
        log.record(&versions, Instant::now() + self.retention.options.timeout.min(DELETE_TIMEOUT)).await?;
        Ok(())
    }

    fn remover(&self) -> Remover<'_> {
        Remover { changes: &self.changes, timeout: self.retention.options.timeout.min(DELETE_TIMEOUT) }
    }

    async fn save(&mut self) -> Result<(), Stop> {
        let removed = self.counts().versions;
        let before = self.saved.progress.removed;
        self.saved.progress.removed = before + removed - self.saved.counted;
        self.saved.counted = removed;
        let deadline = Instant::now() + self.retention.options.timeout;
        if self.saved.save(&self.jobs, deadline).await? { Ok(()) } else { Err(Stop::Yielded) }
    }

    pub(super) fn check_time(&self) -> Result<(), Stop> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stop::OutOfTime),
            _ => Ok(()),
        }
    }

    pub(super) fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
