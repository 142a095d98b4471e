//! The record of an erasure in the jobs container. It names no document. `docs/reference/format.md` specifies it.

use changefeed_cosmos::{
    DocumentName, Error, Item, Key, PageRequest, reassemble, retry, split_large_record, timestamp,
};
use changefeed_history::SCHEMA;
use changefeed_jobs::{Budget, JobState, Work, new_id};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::erase_counts::EraseCounts;
use super::erasure_request::ErasureRequest;
use super::erasures::{ERASE, Erasures};

/// The kind of the item with the names of the documents, which exists while the erasure is under way.
pub(super) const DOCUMENTS_KIND: &str = "erase-documents";
/// Seconds after which the service removes the record of a dry run.
const PLAN_TTL: u64 = 7 * 86_400;

/// The record of an erasure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureRecord {
    /// The erasure's id.
    pub id: String,
    /// `erase`. The jobs container also has jobs of other kinds.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// The request: `documents`, their number; `keepLive`, `dryRun`, `lift` and `ruPerSecond` where given.
    pub request: Value,
    /// The HMACs of the documents' names. Absent for a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub erased: Vec<String>,
    /// The second since 1970, by the service's clock, at which they were recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub registered_second: Option<i64>,
    /// Who requested it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// The reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// What was removed so far.
    #[serde(default)]
    pub counts: EraseCounts,
    /// Request units of the whole job so far.
    pub request_charge: f64,
    /// The state of the job's work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Work>,
    /// The format of the record.
    pub schema: u32,
}

impl ErasureRecord {
    /// The record of an erasure that no worker has started.
    pub(super) fn queued(id: String, request: Value, budget: Budget, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind: ERASE.name.to_owned(),
            state: JobState::Queued,
            request,
            erased: Vec::new(),
            registered_second: None,
            requested_by: None,
            reason: None,
            started_at: timestamp(now),
            finished_at: None,
            counts: EraseCounts::default(),
            request_charge: 0.0,
            job: Some(Work::queued(budget, now)),
            schema: SCHEMA,
        }
    }
}

impl Erasures {
    /// Records that documents are erased, and creates the job that removes them. A dry run only counts. For a request that is
    /// repeated, the job of the first is returned as it is now.
    ///
    /// # Errors
    /// When the request is invalid, and when the jobs container cannot be written.
    pub async fn create_job(&self, request: &ErasureRequest) -> Result<ErasureRecord, Error> {
        request.check().map_err(|message| Error::invalid("erasing documents", message))?;
        for document in &request.documents {
            self.history.check_key(&document.partition_key).await?;
        }
        let id = match &request.key {
            Some(key) => self.jobs.id_for(Some(key)).await?,
            None => new_id(self.jobs.now()),
        };
        let mut recorded = json!({"documents": request.documents.len()});
        for (name, flag) in [("keepLive", request.keep_live), ("dryRun", request.dry_run)] {
            if flag {
                recorded[name] = json!(true);
            }
        }
        if let Some(units) = request.ru_per_second {
            recorded["ruPerSecond"] = json!(units);
        }
        let budget = self.jobs.budget(request.ru_per_second).await?;
        let mut record = ErasureRecord {
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            ..ErasureRecord::queued(id, recorded, budget, self.jobs.now())
        };
        // If this is interrupted before the job exists, the documents are not captured and still there, until the request is repeated.
        if !request.dry_run {
            let deadline = Instant::now() + self.timeout;
            record.erased = self.history.erased().register(&request.documents, deadline).await?;
            record.registered_second = Some(self.history.clock().second().await?);
        }
        self.store_documents(&record.id, &request.documents).await?;
        let mut body = serde_json::to_value(&record).map_err(|error| Error::internal("storing an erasure", error))?;
        if request.dry_run {
            body["ttl"] = json!(PLAN_TTL);
        }
        self.jobs.create(&record.id, &body).await?;
        if request.key.is_none() {
            return Ok(record);
        }
        let stored = self.record(&record.id).await?;
        if stored.state.is_end() {
            // The first request was done before this one stored the names again.
            self.remove_documents(&record.id).await?;
        }
        Ok(stored)
    }

    /// Stores the names of the documents until the erasure has ended.
    async fn store_documents(&self, job_id: &str, documents: &[DocumentName]) -> Result<(), Error> {
        let id = documents_id(job_id);
        let list = json!({"id": id, "kind": DOCUMENTS_KIND, "jobId": job_id, "documents": documents, "schema": SCHEMA});
        let jobs = self.jobs.open().await?;
        let deadline = Instant::now() + self.timeout;
        for item in split_large_record(&list, &id, &["documents"], &Map::new())? {
            let (key, body): (Key, Value) = (Key::text(&item.id), Item::value(&item)?);
            retry(deadline, || jobs.upsert(&key, &item.id, &body)).await?;
        }
        Ok(())
    }

    /// The names of the documents; `None` after the erasure has ended.
    pub(super) async fn documents_of(&self, job_id: &str) -> Result<Option<Vec<DocumentName>>, Error> {
        let (jobs, id) = (self.jobs.open().await?, documents_id(job_id));
        let Some(list) = jobs.read(&Key::text(&id), &id).await? else { return Ok(None) };
        let mut list = reassemble(&jobs, list, &["documents"]).await?;
        let documents: Vec<DocumentName> = serde_json::from_value(list["documents"].take())
            .map_err(|error| Error::corrupt(format!("reading the documents of erasure {job_id}"), error))?;
        // Another erasure of the same document may have removed its name.
        Ok(Some(documents.into_iter().filter(|document| !document.id.is_empty()).collect()))
    }

    /// Removes the names of the documents.
    pub(super) async fn remove_documents(&self, job_id: &str) -> Result<(), Error> {
        let (jobs, id) = (self.jobs.open().await?, documents_id(job_id));
        let parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
        let query = "SELECT VALUE c.id FROM c WHERE c.partOf = @id";
        let parts: Vec<String> = jobs.select(query, &parameters, None).await?.try_collect().await?;
        let deadline = Instant::now() + self.timeout;
        for item in std::iter::once(id).chain(parts) {
            jobs.delete_until(deadline, &Key::text(&item), &item, None).await?;
        }
        Ok(())
    }

    /// One erasure.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such erasure.
    pub async fn record(&self, id: &str) -> Result<ErasureRecord, Error> {
        self.jobs.record(ERASE, id, &[]).await
    }

    /// A page of the records, newest first.
    pub(super) async fn records(&self, request: &PageRequest) -> Result<(Vec<ErasureRecord>, Option<String>), Error> {
        self.jobs.list(ERASE, &LISTED_FIELDS, request).await
    }

    /// The erasures that have not ended, newest first.
    pub(super) async fn unfinished(&self) -> Result<Vec<ErasureRecord>, Error> {
        self.jobs.unfinished(&[ERASE], &LISTED_FIELDS, MAX_UNFINISHED).await
    }
}

/// The most unfinished erasures that are read.
const MAX_UNFINISHED: u32 = 1000;

fn documents_id(job_id: &str) -> String {
    format!("{job_id}-documents")
}

/// The fields of an erasure's record in a list.
const LISTED_FIELDS: [&str; 14] = [
    "id",
    "kind",
    "state",
    "request",
    "erased",
    "registeredSecond",
    "requestedBy",
    "reason",
    "startedAt",
    "finishedAt",
    "counts",
    "requestCharge",
    "job",
    "schema",
];
