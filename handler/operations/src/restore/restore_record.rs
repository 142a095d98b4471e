//! The record of a restore in the jobs container, and the report of a restore. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, ErrorKind, Item, Key, retry, split_large_record, timestamp, without_system_properties};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobState, Work};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::capture_lag::CaptureLag;
use super::plan::Plan;
use super::planned_item::{Counts, PlannedItem};
use super::restore_page::without_large_changes;
use super::restores::{RESTORE, Restores};

/// Seconds after which the service removes the record of a dry run.
pub(super) const PLAN_TTL: u64 = 7 * 86_400;
/// Seconds after which the service removes the pages of a dry run and its list of documents: longer, because the plan may be
/// executed until its record expires.
pub(super) const PLANNED_ITEMS_TTL: u64 = 2 * PLAN_TTL;

/// The state of a restore that has ended with these counts.
pub(super) fn state_of(counts: &Counts) -> JobState {
    match counts {
        Counts { failed: 1.., .. } => JobState::Failed,
        Counts { conflict: 1.., .. } => JobState::Conflicts,
        Counts { unknown: 1.., .. } => JobState::Unknowns,
        _ => JobState::Done,
    }
}

/// Says that a restore in this state had no documents; `None` for an undo, and when it had some or has not ended.
pub(super) fn nothing_matched(state: JobState, undo_of: Option<&String>, counts: &Counts) -> Option<String> {
    let is_complete = matches!(state, JobState::Planned | JobState::Done);
    (is_complete && undo_of.is_none() && counts.total() == 0)
        .then(|| "no document or version matches; check the spelling and the partition key".to_owned())
}

/// The outcome of a restore within one request, or its plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// The restore's id; absent from a dry run, which has no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its state.
    pub state: JobState,
    /// Whether it was only planned.
    pub dry_run: bool,
    /// The number of documents by action.
    pub counts: Counts,
    /// The items, in the order of their partition keys and ids.
    pub items: Vec<PlannedItem>,
    /// Request units of the writes.
    pub request_charge: f64,
    /// How far capture is behind, for a restore that undoes a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_lag: Option<CaptureLag>,
    /// What the one who requests it should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Says so when the selection matched nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The record of a restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRecord {
    /// The restore's id.
    pub id: String,
    /// `restore`. The jobs container also has jobs of other kinds.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// The request.
    pub request: Value,
    /// The restore that this one undid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo_of: Option<String>,
    /// The restore that undid this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undone_by: Option<String>,
    /// The last restore that was started to undo this one, whatever its outcome.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_undo: Option<String>,
    /// The restore of several sources that it is part of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub joint: Option<String>,
    /// The container that was written to, if it is not the monitored one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub into: Option<String>,
    /// Who requested it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When its execution was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When its plan was requested, if a stored plan was executed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planned_at: Option<String>,
    /// The counts of that plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planned_counts: Option<Counts>,
    /// How far capture was behind when it was planned, for a restore that undoes a window.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capture_lag: Option<CaptureLag>,
    /// What the one who requested it should know.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// A random id of the request that executes it, if it is done within one request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// The number of documents by action.
    pub counts: Counts,
    /// The items; absent in lists. The items of a job are in pages of their own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub items: Vec<PlannedItem>,
    /// Request units of the writes; for a job, of all requests.
    pub request_charge: f64,
    /// The state of the work; absent if the restore was done within one request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Work>,
    /// The format of the record.
    pub schema: u32,
}

impl RestoreRecord {
    /// The record of a restore that is about to execute a plan.
    pub(super) fn start(id: String, plan: &Plan, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: RESTORE.name.to_owned(),
            state: JobState::Running,
            request: plan.request.clone(),
            undo_of: plan.undo_of.clone(),
            undone_by: None,
            last_undo: None,
            joint: None,
            into: plan.into.clone(),
            requested_by: plan.requested_by.clone(),
            reason: plan.reason.clone(),
            started_at: timestamp(now),
            planned_at: None,
            planned_counts: None,
            capture_lag: plan.capture_lag.clone(),
            warnings: plan.warnings.clone(),
            attempt: Some(format!("{:016x}", changefeed_cosmos::random_u64())),
            finished_at: None,
            counts: Counts::of(&plan.items),
            items: plan.items.clone(),
            request_charge: 0.0,
            job: None,
            schema: SCHEMA,
        }
    }

    /// Sets the outcome.
    pub(super) fn finish(&mut self, items: Vec<PlannedItem>, request_charge: f64, now: DateTime<Utc>) {
        self.counts = Counts::of(&items);
        self.state = state_of(&self.counts);
        self.items = items;
        self.request_charge = request_charge;
        self.finished_at = Some(timestamp(now));
    }

    /// The report of the restore.
    pub fn report(self) -> RestoreReport {
        RestoreReport {
            message: nothing_matched(self.state, self.undo_of.as_ref(), &self.counts),
            id: Some(self.id),
            state: self.state,
            dry_run: false,
            counts: self.counts,
            items: self.items,
            request_charge: self.request_charge,
            capture_lag: self.capture_lag,
            warnings: self.warnings,
        }
    }
}

impl Plan {
    /// The plan as the report of a dry run.
    pub fn report(self) -> RestoreReport {
        let counts = Counts::of(&self.items);
        RestoreReport {
            message: nothing_matched(JobState::Planned, self.undo_of.as_ref(), &counts),
            id: None,
            state: JobState::Planned,
            dry_run: true,
            counts,
            items: self.items,
            request_charge: 0.0,
            capture_lag: self.capture_lag,
            warnings: self.warnings,
        }
    }
}

impl Restores {
    /// The record of a restore, with its items if it was done within one request.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore.
    pub async fn record(&self, id: &str) -> Result<RestoreRecord, Error> {
        self.jobs.record(RESTORE, id, &["items"]).await
    }

    /// Stores the record of a restore within one request, without large differences.
    pub(super) async fn save(&self, record: &RestoreRecord) -> Result<(), Error> {
        let jobs = self.jobs.open().await?;
        let deadline = Instant::now() + self.options.timeout;
        for item in self.split(record).await? {
            let (key, body) = (Key::text(&item.id), item.value()?);
            retry(deadline, || jobs.upsert(&key, &item.id, &body)).await?;
        }
        Ok(())
    }

    /// Stores the record of a restore that is about to be executed within one request, if there is none of its id. False when
    /// another request executes it.
    pub(super) async fn create_record(&self, record: &RestoreRecord) -> Result<bool, Error> {
        let items = self.split(record).await?;
        let jobs = self.jobs.open().await?;
        let deadline = Instant::now() + self.options.timeout;
        for item in items {
            let (key, body) = (Key::text(&item.id), item.value()?);
            if item.id != record.id {
                retry(deadline, || jobs.upsert(&key, &item.id, &body)).await?;
                continue;
            }
            match retry(deadline, || jobs.create(&key, &item.id, &body)).await {
                Ok(_) => {}
                // The reply to the creation may have been lost.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    return Ok(self.record(&record.id).await?.attempt == record.attempt);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The items of a record, without large differences and without the names of erased documents.
    async fn split(&self, record: &RestoreRecord) -> Result<Vec<Item>, Error> {
        let mut record = record.clone();
        let items = self.without_erased(record.items).await?;
        record.items = items.into_iter().map(without_large_changes).collect();
        let mut stored = serde_json::to_value(&record).map_err(|error| Error::internal("storing a restore", error))?;
        // An undo compares the live document with it, should the restore be interrupted before the new etags are stored.
        for (number, item) in record.items.iter().enumerate() {
            if let Some(digest) = &item.body_digest {
                stored["items"][number]["bodyDigest"] = json!(digest);
            }
        }
        split_large_record(&stored, &record.id, &["items"], &Map::new())
    }

    /// Records on a restore that it was undone by another one.
    pub(super) async fn mark_undone(&self, id: &str, by: &str) -> Result<(), Error> {
        let jobs = self.jobs.open().await?;
        let key = Key::text(id);
        let deadline = Instant::now() + self.options.timeout;
        loop {
            let Some(record) = retry(deadline, || jobs.read(&key, id)).await? else { return Ok(()) };
            let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
            let mut record = without_system_properties(record);
            if record["undoneBy"] == by {
                return Ok(());
            }
            record["undoneBy"] = json!(by);
            match retry(deadline, || jobs.replace(&key, id, &record, &etag)).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                written => return written.map(drop),
            }
        }
    }
}
