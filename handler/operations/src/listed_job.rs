//! Jobs of several kinds in one list.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::{JobProgress, JobState, Kind, Work};
use serde::Deserialize;
use serde_json::Value;

use crate::changefeed::Changefeed;

/// A job of any kind, as it is shown among others.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedJob {
    /// Its id.
    pub id: String,
    /// The name of its kind.
    pub kind: String,
    /// Its state.
    pub state: JobState,
    /// The request.
    #[serde(default)]
    pub request: Value,
    /// When it was requested, RFC 3339 in UTC.
    pub started_at: String,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<String>,
    /// Its counts; each kind has its own.
    #[serde(default)]
    pub counts: Value,
    /// Request units so far.
    #[serde(default)]
    pub request_charge: f64,
    /// The restore that it undoes.
    #[serde(default)]
    pub undo_of: Option<String>,
    /// The restore that undid it.
    #[serde(default)]
    pub undone_by: Option<String>,
    #[serde(default)]
    requested_by: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    job: Option<Work>,
}

/// The fields that are read.
const FIELDS: [&str; 13] = [
    "id",
    "kind",
    "state",
    "request",
    "startedAt",
    "finishedAt",
    "counts",
    "requestCharge",
    "undoOf",
    "undoneBy",
    "requestedBy",
    "reason",
    "job",
];

impl ListedJob {
    /// Who requested it.
    pub fn requested_by(&self) -> Option<&str> {
        self.requested_by.as_deref().or_else(|| self.request["requestedBy"].as_str())
    }

    /// The reason that was given.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref().or_else(|| self.request["reason"].as_str())
    }

    /// Whether it only makes a plan: a dry run of a restore.
    pub fn is_plan(&self) -> bool {
        self.request["dryRun"] == true
    }

    /// Its progress; `None` for a restore that was done within one request.
    pub fn progress(&self) -> Option<JobProgress> {
        self.job.as_ref().map(Work::progress)
    }

    /// Whether a worker runs it or will. A restore within one request that has not ended runs in that request, or was interrupted.
    pub fn is_under_way(&self) -> bool {
        !self.state.is_end() && self.job.is_some()
    }

    /// The only machine that can run it, because its files are there.
    pub fn only_on(&self) -> Option<&str> {
        self.job.as_ref()?.only_on.as_deref()
    }
}

impl Changefeed {
    /// A page of the jobs of these kinds, newest first, and the continuation of the next page.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list_jobs(
        &self,
        kinds: &[Kind],
        request: &PageRequest,
    ) -> Result<(Vec<ListedJob>, Option<String>), Error> {
        self.jobs.list_kinds(kinds, &FIELDS, request).await
    }

    /// The jobs of these kinds that have not ended, newest first, at most `most`. A restore that one request does is not among them.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn unfinished_jobs(&self, kinds: &[Kind], most: u32) -> Result<Vec<ListedJob>, Error> {
        let mut jobs: Vec<ListedJob> = self.jobs.unfinished(kinds, &FIELDS, most).await?;
        jobs.retain(ListedJob::is_under_way);
        Ok(jobs)
    }
}
