//! A job that writes to a location, as it is shown.

use changefeed_jobs::{Job, JobProgress, JobState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A job as it is shown, with the counts of its kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView<Counts> {
    /// Its id; of a backup, that of the backup too.
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
    pub counts: Counts,
    /// Request units of the whole job so far.
    pub request_charge: f64,
    /// The progress of the job.
    pub progress: JobProgress,
    /// The only machine that can run it, because its files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
}

/// A list of such jobs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobList<Counts> {
    /// Newest first.
    pub items: Vec<JobView<Counts>>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl<Counts: DeserializeOwned + Default> JobView<Counts> {
    pub(crate) fn of(job: Job) -> Self {
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

    /// The location that it writes to.
    pub fn location(&self) -> &str {
        self.request["to"].as_str().unwrap_or_default()
    }
}
