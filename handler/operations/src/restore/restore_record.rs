//! The record of a restore in the jobs container, and the report made of it. `docs/reference/format.md` specifies the record.

use std::time::Instant;

use changefeed_cosmos::{Error, Key, retry, split_large_record, timestamp};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobState, Work};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plan::{Counts, Plan, PlannedItem};
use super::restores::{RESTORE, Restores};
use super::show::RestoreView;
use super::stored_item::shortened;

/// How a restore ended.
pub(super) fn state_of(counts: &Counts) -> JobState {
    match counts {
        Counts { failed: 1.., .. } => JobState::Failed,
        Counts { conflict: 1.., .. } => JobState::Conflicts,
        _ => JobState::Done,
    }
}

/// What a restore did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// The restore's id; absent from a dry run, which leaves no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How far it is.
    pub state: JobState,
    /// Whether it was only planned.
    pub dry_run: bool,
    /// How many documents each action is for.
    pub counts: Counts,
    /// Document by document.
    pub items: Vec<PlannedItem>,
    /// Request units of the writes.
    pub request_charge: f64,
}

/// The record of a restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRecord {
    /// The restore's id.
    pub id: String,
    /// `restore`: jobs of other kinds lie beside it.
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// What was asked for.
    pub request: Value,
    /// The restore that this one undid.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo_of: Option<String>,
    /// The restore that undid this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undone_by: Option<String>,
    /// The container that was written to, where it is not the monitored one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub into: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// How many documents each action is for.
    pub counts: Counts,
    /// Document by document; not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub items: Vec<PlannedItem>,
    /// Request units of the writes; of everything that was done, where the restore is a job.
    pub request_charge: f64,
    /// How far the work is, where the restore is a job. Then its items are documents of their own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Work>,
    /// The format of the record.
    pub schema: u32,
}

/// A list of restores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoreList {
    /// Newest first, without their items; at most a hundred.
    pub items: Vec<RestoreView>,
}

impl RestoreRecord {
    pub(super) fn start(id: String, plan: &Plan, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: RESTORE.name.to_owned(),
            state: JobState::Running,
            request: plan.request.clone(),
            undo_of: plan.undo_of.clone(),
            undone_by: None,
            into: plan.into.clone(),
            requested_by: plan.requested_by.clone(),
            reason: plan.reason.clone(),
            started_at: timestamp(now),
            finished_at: None,
            counts: Counts::of(&plan.items),
            items: plan.items.clone(),
            request_charge: 0.0,
            job: None,
            schema: SCHEMA,
        }
    }

    pub(super) fn finish(&mut self, items: Vec<PlannedItem>, request_charge: f64, now: DateTime<Utc>) {
        self.counts = Counts::of(&items);
        self.state = state_of(&self.counts);
        self.items = items;
        self.request_charge = request_charge;
        self.finished_at = Some(timestamp(now));
    }

    pub(super) fn report(self) -> RestoreReport {
        RestoreReport {
            id: Some(self.id),
            state: self.state,
            dry_run: false,
            counts: self.counts,
            items: self.items,
            request_charge: self.request_charge,
        }
    }
}

impl Plan {
    /// The plan as the report of a dry run.
    pub fn report(self) -> RestoreReport {
        RestoreReport {
            id: None,
            state: JobState::Planned,
            dry_run: true,
            counts: Counts::of(&self.items),
            items: self.items,
            request_charge: 0.0,
        }
    }
}

impl Restores {
    /// The restores, newest first, without their items.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn list(&self) -> Result<RestoreList, Error> {
        let fields = [
            "id",
            "kind",
            "state",
            "request",
            "undoOf",
            "undoneBy",
            "into",
            "requestedBy",
            "reason",
            "startedAt",
            "finishedAt",
            "counts",
            "requestCharge",
            "job",
            "schema",
        ];
        let records: Vec<RestoreRecord> = self.jobs.list(RESTORE, &fields).await?;
        Ok(RestoreList { items: records.into_iter().map(RestoreRecord::view).collect() })
    }

    /// One restore, with its items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore.
    pub async fn record(&self, id: &str) -> Result<RestoreRecord, Error> {
        self.jobs.record(RESTORE, id, &["items"]).await
    }

    /// Saves a record. Changes that are long to tell are left out of it: the versions that it names tell them too.
    pub(super) async fn save(&self, record: &RestoreRecord) -> Result<(), Error> {
        let mut record = record.clone();
        record.items = record.items.into_iter().map(shortened).collect();
        let record = &record;
        let jobs = self.jobs.open().await?;
        let deadline = Instant::now() + self.options.timeout;
        for item in split_large_record(record, &record.id, &["items"], &Map::new())? {
            let key = Key::text(&item.id);
            retry(deadline, || jobs.upsert(&key, &item.id, &item.body)).await?;
        }
        Ok(())
    }
}
