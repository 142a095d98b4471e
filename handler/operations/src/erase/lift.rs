//! Lifts an erasure: the documents are captured again from then on. What was removed stays removed.

use changefeed_cosmos::{DocumentName, Error, ErrorKind, Key, timestamp};
use changefeed_jobs::{Budget, JobState, new_id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::erasure_record::ErasureRecord;
use super::erasure_request::{check_confirmed, chosen};
use super::erasures::Erasures;
use crate::named_key::{named_documents, named_key};

/// A request to lift the erasure of documents.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "RawLiftRequest")]
pub struct LiftRequest {
    /// The documents, each once: 1 to 1,000.
    pub documents: Vec<DocumentName>,
    /// The number of documents again.
    pub confirm: Option<u64>,
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
}

/// The request as it is in JSON.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawLiftRequest {
    id: Option<String>,
    pk: Option<String>,
    partition_key: Option<Key>,
    #[serde(deserialize_with = "named_documents")]
    documents: Option<Vec<DocumentName>>,
    confirm: Option<u64>,
    reason: Option<String>,
    requested_by: Option<String>,
}

impl TryFrom<RawLiftRequest> for LiftRequest {
    type Error = String;

    fn try_from(raw: RawLiftRequest) -> Result<Self, String> {
        Ok(Self {
            documents: chosen(raw.id, named_key(raw.pk, raw.partition_key)?, raw.documents)?,
            confirm: raw.confirm,
            reason: raw.reason,
            requested_by: raw.requested_by,
        })
    }
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiftReport {
    /// The id of the record.
    pub id: String,
    /// Documents that were erased and are captured again.
    pub lifted: usize,
    /// Documents that were not erased.
    pub not_erased: usize,
}

impl Erasures {
    /// Lifts the erasure of documents, and records that.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while one of them is being erased; when the request is invalid; and when the jobs container cannot be
    /// written.
    pub async fn lift(&self, request: &LiftRequest) -> Result<LiftReport, Error> {
        const LIFTING: &str = "lifting an erasure";
        check_confirmed(request.confirm, request.documents.len())
            .map_err(|message| Error::invalid(LIFTING, message))?;
        for document in &request.documents {
            self.history.check_key(&document.partition_key).await?;
        }
        let hashes = self.history.erased().hashes(&request.documents).await?;
        for unfinished in self.unfinished().await? {
            if unfinished.erased.iter().any(|erased| hashes.contains(erased)) {
                let message = format!("erasure {} has not ended; wait for its end", unfinished.id);
                return Err(Error::new(ErrorKind::Conflict, LIFTING, message));
            }
        }
        let deadline = Instant::now() + self.timeout;
        let lifted = self.history.erased().lift(&request.documents, deadline).await?;
        let now = self.jobs.now();
        let recorded = json!({"documents": request.documents.len(), "lift": true});
        let record = ErasureRecord {
            state: JobState::Done,
            erased: hashes,
            requested_by: request.requested_by.clone(),
            reason: request.reason.clone(),
            finished_at: Some(timestamp(now)),
            job: None,
            ..ErasureRecord::queued(new_id(now), recorded, Budget::unlimited(), now)
        };
        self.jobs.create(&record.id, &record).await?;
        Ok(LiftReport { id: record.id, lifted, not_erased: request.documents.len() - lifted })
    }
}
