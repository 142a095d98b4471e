//! The records of jobs that write digests, as they are shown. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::{Job, JobProgress, JobState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::all::{DIGEST, Digests};

/// What was added to the chain since the job began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DigestCounts {
    /// Files.
    pub files: u64,
    /// Versions in them.
    pub versions: u64,
    /// Removals in them.
    pub removals: u64,
    /// The time before which the chain is complete, RFC 3339 in UTC; absent as long as the chain has no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_until: Option<String>,
}

/// A job that writes digests, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestView {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: JobState,
    /// The request.
    pub request: Value,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// What was written so far.
    pub counts: DigestCounts,
    /// Request units of the whole job so far.
    pub request_charge: f64,
    /// The progress of the job.
    pub progress: JobProgress,
    /// The only machine that can run it, because its files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
}

/// A list of jobs that write digests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DigestList {
    /// Newest first.
    pub items: Vec<DigestView>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl DigestView {
    pub(super) fn of(job: Job) -> Self {
        Self {
            counts: serde_json::from_value(job.counts).unwrap_or_default(),
            request: job.other.get("request").cloned().unwrap_or_default(),
            progress: job.job.progress(),
            only_on: job.job.only_on,
            id: job.id,
            state: job.state,
            started_at: job.started_at,
            finished_at: job.finished_at,
            request_charge: job.request_charge,
        }
    }

    /// The location that is written to.
    pub fn location(&self) -> &str {
        self.request["to"].as_str().unwrap_or_default()
    }
}

impl Digests {
    /// A page of the jobs that write digests, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<DigestList, Error> {
        let (jobs, continuation) = self.jobs.list::<Job>(DIGEST, &LISTED_FIELDS, request).await?;
        Ok(DigestList { items: jobs.into_iter().map(DigestView::of).collect(), continuation })
    }

    /// One job.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such job.
    pub async fn show(&self, id: &str) -> Result<DigestView, Error> {
        self.jobs.record::<Job>(DIGEST, id, &[]).await.map(DigestView::of)
    }
}

/// The fields of a job's record in a list.
pub(super) const LISTED_FIELDS: [&str; 10] =
    ["id", "kind", "state", "startedAt", "finishedAt", "counts", "requestCharge", "job", "request", "schema"];
