//! The record of a `populate` or a `truncate` in the jobs container: who changed documents, when, and how many. `docs/reference/format.md`
//! specifies it.

use changefeed_cosmos::{Error, Key, timestamp, to_item};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobState, Kind, new_id};
use serde::Serialize;
use serde_json::Value;

use crate::documents::Documents;

pub(crate) const POPULATE: Kind = Kind { name: "populate", noun: "populate request" };
pub(crate) const TRUNCATE: Kind = Kind { name: "truncate", noun: "truncate request" };

/// The record. It has no `job`, because it is done within one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TryoutRecord {
    pub id: String,
    kind: &'static str,
    /// `running` until the request has ended, also if its process was killed.
    state: JobState,
    request: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<String>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// The report, or null before the end.
    counts: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    schema: u32,
}

impl Documents {
    /// Records a request before it changes anything.
    pub(crate) async fn begin_record(
        &self,
        kind: Kind,
        request: &impl Serialize,
        requested_by: Option<&str>,
    ) -> Result<TryoutRecord, Error> {
        let now = self.jobs.now();
        let request = serde_json::to_value(request).map_err(|error| Error::internal("recording the request", error))?;
        let record = TryoutRecord {
            id: new_id(now),
            kind: kind.name,
            state: JobState::Running,
            request,
            requested_by: requested_by.map(str::to_owned),
            started_at: timestamp(now),
            finished_at: None,
            counts: Value::Null,
            message: None,
            schema: SCHEMA,
        };
        self.jobs.create(&record.id, &record).await?;
        Ok(record)
    }

    /// Completes the record with the report or the error, and returns that.
    pub(crate) async fn end_record<T: Serialize>(
        &self,
        mut record: TryoutRecord,
        result: Result<T, Error>,
    ) -> Result<T, Error> {
        record.finished_at = Some(timestamp(self.jobs.now()));
        record.state = if result.is_ok() { JobState::Done } else { JobState::Failed };
        match &result {
            Ok(report) => record.counts = serde_json::to_value(report).unwrap_or_default(),
            Err(error) => record.message = Some(error.to_string()),
        }
        let saved = async {
            let (jobs, item) = (self.jobs.open().await?, to_item(&record)?);
            jobs.upsert(&Key::text(&record.id), &record.id, &item).await
        }
        .await;
        // The documents are changed; without the rest of the record the caller must still learn what was done.
        if let Err(error) = saved {
            log::warn!("could not complete the record {} of a {} request: {error}", record.id, record.kind);
        }
        result
    }
}
