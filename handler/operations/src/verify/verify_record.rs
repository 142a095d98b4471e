//! The record of a verification in the jobs container. `docs/reference/format.md` specifies it.

use changefeed_backup_format::digest_file_names;
use changefeed_cosmos::{Error, ErrorKind, PageRequest, timestamp};
use changefeed_history::SCHEMA;
use changefeed_jobs::{JobProgress, JobState, Work};
use serde::{Deserialize, Serialize, Serializer};

use super::finding::VerifyCounts;
use super::verifications::{VERIFY, Verifications};
use super::verify_request::VerifyRequest;
use crate::backup::format_error;

/// The record of a verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyRecord {
    /// The verification's id.
    pub id: String,
    /// `verify`. The jobs container also has jobs of other kinds.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// The request.
    pub request: VerifyRequest,
    /// Who requested it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<String>,
    /// What was verified and found so far.
    #[serde(default)]
    pub counts: VerifyCounts,
    /// Request units of the whole job so far.
    pub request_charge: f64,
    /// The state of the job's work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Work>,
    /// The format of the record.
    pub schema: u32,
}

/// A list of verifications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifyList {
    /// Newest first; in JSON with the progress instead of the state of the work.
    #[serde(serialize_with = "with_progress")]
    pub items: Vec<VerifyRecord>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// A record in a list.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    record: VerifyRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<JobProgress>,
}

fn with_progress<S: Serializer>(records: &[VerifyRecord], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(records.iter().cloned().map(|mut record| {
        let progress = record.job.take().map(|job| job.progress());
        Listed { record, progress }
    }))
}

impl Verifications {
    /// Creates the job of a verification. For a request that is repeated, the job of the first is returned as it is now.
    ///
    /// # Errors
    /// When the request is invalid or names a verification that has not ended, and when the job cannot be stored.
    pub async fn create_job(&self, request: &VerifyRequest) -> Result<VerifyRecord, Error> {
        request.check().map_err(|message| Error::invalid("verifying", message))?;
        if let Some(key) = &request.partition_key {
            self.history.check_key(key).await?;
        }
        if let Some(shown) = &request.findings_of {
            self.check_has_ended(shown).await?;
        }
        if let Some(location) = &request.digests {
            self.check_digests(location).await?;
        }
        let id = self.jobs.id_for(request.key.as_ref()).await?;
        let now = self.jobs.now();
        let only_on = request.digests.as_deref().and_then(|location| self.digests.required_host(location));
        let record = VerifyRecord {
            id,
            kind: VERIFY.name.to_owned(),
            state: JobState::Queued,
            request: VerifyRequest { requested_by: None, key: None, ..request.clone() },
            requested_by: request.requested_by.clone(),
            started_at: timestamp(now),
            finished_at: None,
            counts: VerifyCounts::default(),
            request_charge: 0.0,
            job: Some(Work { only_on, ..Work::queued(self.jobs.budget(request.ru_per_second).await?, now) }),
            schema: SCHEMA,
        };
        self.jobs.create(&record.id, &record).await?;
        if request.key.is_some() { self.record(&record.id).await } else { Ok(record) }
    }

    /// Refuses the findings of a verification that does not exist, still runs, or did not complete.
    async fn check_has_ended(&self, id: &str) -> Result<(), Error> {
        let refused = |kind, message: &str| Err(Error::new(kind, format!("repairing what {id} found"), message));
        let other = self.record(id).await?;
        if other.request.digests.is_some() {
            return refused(ErrorKind::Invalid, "what a verification with digests finds cannot be repaired");
        }
        match other.state {
            JobState::Done | JobState::Findings => Ok(()),
            state if !state.is_end() => {
                refused(ErrorKind::Conflict, "that verification has not ended yet; wait for its end")
            }
            _ => refused(ErrorKind::Invalid, "that verification failed or was cancelled; verify again"),
        }
    }

    /// Refuses a location at which no digests are and none were written.
    async fn check_digests(&self, location: &str) -> Result<(), Error> {
        let location = self.digests.open(location)?;
        let is_empty = digest_file_names(&location).await.map_err(format_error)?.is_empty();
        if is_empty && self.digests.last_file(&location).await?.is_none() {
            let message = format!("{location} has no digests; write them with `changefeed digest write`");
            return Err(Error::invalid("verifying", message));
        }
        Ok(())
    }

    /// A page of the verifications, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<VerifyList, Error> {
        let (items, continuation) = self.jobs.list(VERIFY, &LISTED_FIELDS, request).await?;
        Ok(VerifyList { items, continuation })
    }

    /// One verification.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such verification.
    pub async fn record(&self, id: &str) -> Result<VerifyRecord, Error> {
        self.jobs.record(VERIFY, id, &[]).await
    }
}

/// The fields of a verification's record in a list.
const LISTED_FIELDS: [&str; 11] = [
    "id",
    "kind",
    "state",
    "request",
    "requestedBy",
    "startedAt",
    "finishedAt",
    "counts",
    "requestCharge",
    "job",
    "schema",
];
