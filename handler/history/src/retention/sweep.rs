//! Moves through the history in the order of source time, and removes what was superseded.
//!
//! Each step reads the versions of some seconds, `swept_to` to the last second read. Every one of them may have superseded
//! an older one, so its document is looked at as of that last second: the version current then stays, and older ones go.
//! What a step costs follows from the changes in it, not from the size of the history. A step that is interrupted is done
//! again from its beginning.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, DocumentName, Error, timestamp};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::expiry::{Row, Superseded};
use super::pinned::PinnedVersions;
use super::removal::Remover;
use super::retention::Retention;
use crate::limits::{RETENTION_GRACE, SWEEP_ROWS, SWEEP_SPLIT_VERSIONS, SWEEP_VERSIONS};
use crate::retention_record::{NEVER, Releasing, Removing, Saved};

const DAY: i64 = 86_400;
/// Documents that are looked at together.
const DOCUMENTS: usize = 8;
/// The part of the writes in flight that a sweep takes: capture is not to wait for it.
const SHARE_OF_WRITES: usize = 4;
/// How long throttling of one delete is waited out, at the most.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to sweep.
#[derive(Clone, Copy, Debug)]
pub struct SweepRequest {
    /// The present time, which the window ends at.
    pub now: DateTime<Utc>,
    /// Only count what would be removed.
    pub dry_run: bool,
    /// When to stop, at the latest after what is under way; the next sweep goes on from there.
    pub time_limit: Option<Duration>,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SweepState {
    /// No retention is set: everything is kept.
    Off,
    /// Nothing that has expired is left.
    Done,
    /// Its time was up; there may be more.
    OutOfTime,
    /// Another sweep is at work, and this one has left it to that.
    Yielded,
}

/// What a sweep did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// How it ended.
    pub state: SweepState,
    /// Whether it only counted.
    pub dry_run: bool,
    /// The retention that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// The second since 1970: versions superseded then or before have expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_until: Option<i64>,
    /// Documents that were looked at, again and again those that have changed again and again.
    pub documents: u64,
    /// Versions that were removed.
    pub versions: u64,
    /// Request units of the deletes.
    pub request_charge: f64,
}

/// Why a sweep does not go on.
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

/// By which time a step moves on.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// Versions in the order of their source times.
    SourceTime,
    /// Those of source times not after the second, in the order of their capture.
    Capture { until: i64 },
}

/// Documents of some seconds.
pub(super) struct Step {
    pub names: Vec<DocumentName>,
    /// The last second.
    pub last: i64,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub documents: u64,
    pub versions: u64,
    request_charge: f64,
}

impl Retention {
    /// Removes versions that have expired, or counts them. It is safe at any time, repeatedly and concurrently: of a job that
    /// goes on, what was within the window when it began stays there.
    ///
    /// # Errors
    /// When the containers cannot be read or written; what was removed stays removed, and the next sweep goes on.
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
        let now = request.now.timestamp();
        let unfinished = self.held.oldest_unfinished(request.now).await?;
        let cutoff = cutoff(unfinished.map_or(request.now, |begun| begun.min(request.now)), days);
        let jobs = self.record.jobs().open().await?;
        let mut sweep = Sweep {
            retention: self,
            changes: self.changes.open().await?,
            saved: Saved::load(&jobs).await?,
            jobs,
            pinned: self.held.pinned_after(cutoff).await?,
            now,
            cutoff,
            deadline: request.time_limit.map(|limit| Instant::now() + limit),
            counts: Mutex::default(),
        };
        let result = if request.dry_run { sweep.count().await } else { sweep.run(request.now).await };
        let state = result.map_or_else(Stop::state, |()| Ok(SweepState::Done))?;
        Ok(report(state, Some(cutoff), *sweep.counts()))
    }
}

/// What was superseded at this second since 1970 or before has expired.
pub(super) fn cutoff(now: DateTime<Utc>, days: u32) -> i64 {
    now.timestamp() - i64::from(days) * DAY - RETENTION_GRACE
}

/// A sweep under way.
pub(super) struct Sweep<'a> {
    retention: &'a Retention,
    pub(super) changes: Container,
    jobs: Container,
    pub(super) saved: Saved,
    pub(super) pinned: PinnedVersions,
    now: i64,
    /// What was superseded at this second or before has expired.
    pub(super) cutoff: i64,
    deadline: Option<Instant>,
    counts: Mutex<Counts>,
}

impl Sweep<'_> {
    async fn run(&mut self, now: DateTime<Utc>) -> Result<(), Stop> {
        let result = self.remove_expired().await;
        if matches!(result, Ok(()) | Err(Stop::OutOfTime)) {
            self.saved.progress.swept_at = Some(timestamp(now));
            self.save().await?;
        }
        result
    }

    async fn remove_expired(&mut self) -> Result<(), Stop> {
        for version in self.saved.progress.removing.clone() {
            let request_charge = self.remover().finish(&version).await?;
            self.counts().request_charge += request_charge;
        }
        self.saved.progress.removing.clear();
        if self.saved.progress.released_to == NEVER {
            self.saved.progress.released_to = self.cutoff;
        }
        self.sweep_late().await?;
        self.sweep_on().await?;
        self.release().await
    }

    /// The second up to which nothing that was superseded is to be found, after the retention was lengthened too.
    pub(super) fn swept(&self) -> i64 {
        self.cutoff.min(self.saved.progress.swept_to)
    }

    /// Versions that were captured when the sweep had passed their time.
    async fn sweep_late(&mut self) -> Result<(), Stop> {
        // The service's clock and replicas may be behind.
        let settled = self.now - RETENTION_GRACE;
        if self.saved.progress.swept_to == NEVER {
            self.saved.progress.late_to = settled;
            return Ok(());
        }
        let until = self.swept();
        // While a lengthened retention has not caught up, what lies between is not judged and must be seen again.
        let whole = until == self.saved.progress.swept_to;
        let mut captured = self.saved.progress.late_to;
        while let Some(step) = self.step(Order::Capture { until }, captured).await? {
            self.sweep_documents(step.names, until).await?;
            captured = step.last;
            if whole {
                self.saved.progress.late_to = captured.min(settled).max(self.saved.progress.late_to);
                self.save().await?;
            }
        }
        if whole {
            self.saved.progress.late_to = settled.max(self.saved.progress.late_to);
        }
        Ok(())
    }

    async fn sweep_on(&mut self) -> Result<(), Stop> {
        while self.saved.progress.swept_to < self.cutoff {
            let step = self.step(Order::SourceTime, self.saved.progress.swept_to).await?;
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

    /// Documents of restores that pin nothing any more.
    async fn release(&mut self) -> Result<(), Stop> {
        let until = self.swept();
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

    /// The documents of the next seconds after one, some [`SWEEP_ROWS`] versions of them; `None` when there are no more.
    /// A second is never cut, so that memory follows from what is written within one.
    pub(super) async fn step(&self, order: Order, after: i64) -> Result<Option<Step>, Stop> {
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
                Err(error) => log::warn!("an item of the changes container is not a version and is skipped: {error}"),
            }
        }
        Ok(last.map(|last| Step { names: names.into_values().collect(), last }))
    }

    /// Removes what was superseded of these documents at `until` or before.
    async fn sweep_documents(&mut self, names: Vec<DocumentName>, until: i64) -> Result<(), Stop> {
        self.counts().documents += names.len() as u64;
        let mut names = names;
        while !names.is_empty() {
            let sweep = &*self;
            let split: Vec<Vec<(DocumentName, Removing)>> = futures::stream::iter(names)
                .map(|name| async move { sweep.sweep_document(name, until).await })
                .buffer_unordered(DOCUMENTS)
                .try_collect()
                .await?;
            // Those that have more are looked at again.
            names = split
                .iter()
                .filter(|found| found.len() == SWEEP_SPLIT_VERSIONS)
                .filter_map(|found| found.first().map(|(name, _)| name.clone()))
                .collect();
            let split: Vec<Removing> = split.into_iter().flatten().map(|(_, version)| version).collect();
            for some in split.chunks(SWEEP_SPLIT_VERSIONS) {
                self.remove_split(some).await?;
            }
        }
        Ok(())
    }

    /// Removes versions without parts; those with parts, up to [`SWEEP_SPLIT_VERSIONS`] of them, are returned.
    async fn sweep_document(&self, name: DocumentName, until: i64) -> Result<Vec<(DocumentName, Removing)>, Stop> {
        loop {
            self.check_time()?;
            let (mut whole, mut split) = (Vec::new(), Vec::new());
            let mut superseded = Superseded::at(&self.changes, &name, until).await?;
            while let Some(row) = superseded.next().await? {
                match row {
                    row if self.pinned.contains(&name, &row.id) => {}
                    row if !row.split => whole.push(row),
                    row if split.len() < SWEEP_SPLIT_VERSIONS => {
                        split.push((name.clone(), Removing { id: row.id.into(), key: row.key }));
                    }
                    _ => {}
                }
                if whole.len() == SWEEP_VERSIONS {
                    break;
                }
            }
            // Nothing is deleted under a query that is still being read.
            drop(superseded);
            let more = whole.len() == SWEEP_VERSIONS;
            let remover = self.remover();
            let delete = |row: Row| async move {
                self.check_time()?;
                let request_charge = remover.delete(&row.id, &row.key).await?;
                let mut counts = self.counts();
                (counts.versions, counts.request_charge) =
                    (counts.versions + 1, counts.request_charge + request_charge);
                Ok::<(), Stop>(())
            };
            let share = (self.retention.options.concurrency / SHARE_OF_WRITES / DOCUMENTS).max(1);
            futures::stream::iter(whole).map(delete).buffer_unordered(share).try_collect::<()>().await?;
            if !more {
                return Ok(split);
            }
        }
    }

    async fn remove_split(&mut self, versions: &[Removing]) -> Result<(), Stop> {
        self.check_time()?;
        self.saved.progress.removing = versions.to_vec();
        self.save().await?;
        for version in versions {
            let request_charge = self.remover().remove(version).await?;
            let mut counts = self.counts();
            (counts.versions, counts.request_charge) = (counts.versions + 1, counts.request_charge + request_charge);
        }
        self.saved.progress.removing.clear();
        Ok(())
    }

    fn remover(&self) -> Remover<'_> {
        Remover { changes: &self.changes, patience: self.retention.options.timeout.min(PATIENCE) }
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
