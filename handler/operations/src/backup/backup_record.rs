//! The records of backups as they are shown. `docs/reference/format.md` specifies the record.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::Job;
use serde::{Deserialize, Serialize};

use super::backups::{BACKUP, Backups};
use crate::job_view::{JobList, JobView};

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
pub type BackupView = JobView<BackupCounts>;
/// A list of backups.
pub type BackupList = JobList<BackupCounts>;

impl Backups {
    /// A page of the backups that were requested, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<BackupList, Error> {
        let (jobs, continuation) = self.jobs.list::<Job>(BACKUP, &LISTED_FIELDS, request).await?;
        Ok(JobList { items: jobs.into_iter().map(BackupView::of).collect(), continuation })
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
