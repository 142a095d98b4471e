//! The records of backups as they are shown. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::{Job, JobProgress, JobState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backups::{BACKUP, Backups};

/// What a backup contains so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupCounts {
    /// Documents.
    pub documents: u64,
    /// Deletions, in an incremental backup.
    pub deletions: u64,
    /// The size of its files in bytes.
    pub bytes: u64,
    /// Documents that are not in it, because the history does not reach back to the requested time.
    pub unknown: u64,
    /// Documents in it whose date-time strings the Functions host may have rewritten.
    pub inexact: u64,
}

/// A backup as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    /// The id of the job and of the backup.
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
    /// What it contains so far.
    pub counts: BackupCounts,
    /// Request units of the whole job so far.
    pub request_charge: f64,
    /// The progress of the job.
    pub progress: JobProgress,
    /// The only machine that can run it, because its files are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_on: Option<String>,
}

/// A list of backups.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupList {
    /// Newest first.
    pub items: Vec<BackupView>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl BackupView {
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

    /// The location that it is written to.
    pub fn location(&self) -> &str {
        self.request["to"].as_str().unwrap_or_default()
    }
}

impl Backups {
    /// A page of the backups that were requested, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<BackupList, Error> {
        let (jobs, continuation) = self.jobs.list::<Job>(BACKUP, &LISTED_FIELDS, request).await?;
        Ok(BackupList { items: jobs.into_iter().map(BackupView::of).collect(), continuation })
    }

    /// One backup.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such backup.
    pub async fn show(&self, id: &str) -> Result<BackupView, Error> {
        self.jobs.record::<Job>(BACKUP, id, &[]).await.map(BackupView::of)
    }
}

/// The fields of a backup's record in a list.
const LISTED_FIELDS: [&str; 10] =
    ["id", "kind", "state", "startedAt", "finishedAt", "counts", "requestCharge", "job", "request", "schema"];
