//! The record of a restore in the jobs container, and the report made of it. `docs/format.md` specifies the record.

use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::plan::{Counts, Plan, PlannedItem};
use super::show::RestoreView;
use super::stored_item::shortened;
use crate::capture::record::enclosed;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::jobs::{JobState, Work};
use crate::policy::retry;
use crate::read::record::whole;
use crate::store::{Role, Store};
use crate::version::{SCHEMA, timestamp};

/// The kind of restores among the jobs.
pub(crate) const KIND: &str = "restore";
/// Restores on a page of the list.
const LISTED: usize = 100;

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
            kind: KIND.to_owned(),
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

impl Store {
    /// The restores, newest first, without their items.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn restores(&self) -> Result<RestoreList, Error> {
        let jobs = self.container(Role::Jobs).await?;
        let parameters = Map::from_iter([("@kind".to_owned(), json!(KIND))]);
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
        let fields: Vec<String> = fields.iter().map(|field| format!("c.{field}")).collect();
        let query = format!("SELECT {} FROM c WHERE c.kind = @kind ORDER BY c.startedAt DESC", fields.join(", "));
        let mut records = jobs.select::<RestoreRecord>(&query, &parameters, None).await?;
        let mut items = Vec::new();
        while let Some(record) = records.try_next().await? {
            items.push(record.view());
            if items.len() == LISTED {
                break;
            }
        }
        Ok(RestoreList { items })
    }

    /// One restore, with its items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore.
    pub async fn restore(&self, id: &str) -> Result<RestoreRecord, Error> {
        let action = || format!("reading restore {id}");
        let jobs = self.container(Role::Jobs).await?;
        let record = jobs.read(&Key::text(id), id).await?.filter(|record| record["kind"] == KIND);
        let record = record.ok_or_else(|| Error::new(ErrorKind::NotFound, action(), "there is no such restore"))?;
        let record = whole(jobs, record, &["items"]).await?;
        serde_json::from_value(record).map_err(|error| Error::invalid(action(), error.to_string()))
    }

    /// Saves a record. Changes that are long to tell are left out of it: the versions that it names tell them too.
    pub(super) async fn save_restore(&self, record: &RestoreRecord) -> Result<(), Error> {
        let mut record = record.clone();
        record.items = record.items.into_iter().map(shortened).collect();
        let record = &record;
        let jobs = self.container(Role::Jobs).await?;
        let refused = |message| Error::invalid(format!("saving restore {}", record.id), message);
        let deadline = Instant::now() + self.options.batch_timeout;
        for item in enclosed(record, &record.id, &["items"], &Map::new()).map_err(refused)? {
            let key = Key::text(&item.id);
            retry(deadline, || jobs.upsert(&key, &item.id, &item.body)).await?;
        }
        Ok(())
    }
}
