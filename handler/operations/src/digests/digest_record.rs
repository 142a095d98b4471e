//! The records of jobs that write digests, as they are shown. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::Job;
use serde::{Deserialize, Serialize};

use super::all::{DIGEST, Digests};
use crate::job_view::{JobList, JobView};

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
pub type DigestView = JobView<DigestCounts>;
/// A list of jobs that write digests.
pub type DigestList = JobList<DigestCounts>;

impl Digests {
    /// A page of the jobs that write digests, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<DigestList, Error> {
        let (jobs, continuation) = self.jobs.list::<Job>(DIGEST, &LISTED_FIELDS, request).await?;
        Ok(JobList { items: jobs.into_iter().map(DigestView::of).collect(), continuation })
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
