//! Restores for people to look at: how far one is, and its items page by page.

use changefeed_cosmos::Error;
use changefeed_jobs::JobProgress;
use serde::Serialize;

use super::plan::PlannedItem;
use super::record::RestoreRecord;
use super::restores::Restores;
use super::stored_item::{PAGE_KIND, StoredItem};

/// A restore as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreView {
    /// Its record, with the first items.
    #[serde(flatten)]
    pub record: RestoreRecord,
    /// How far it is, if it is a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// For the next items; absent when these are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// A page of a restore's items.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreItems {
    /// In the order in which the restore came upon them.
    pub items: Vec<PlannedItem>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl RestoreRecord {
    /// The record as it is shown: how far it is, in place of what its runners need to know.
    pub fn view(mut self) -> RestoreView {
        let progress = self.job.take().map(|job| job.progress());
        RestoreView { record: self, progress, continuation: None }
    }
}

impl Restores {
    /// A restore with its first items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore.
    pub async fn show(&self, id: &str) -> Result<RestoreView, Error> {
        let record = self.record(id).await?;
        if record.job.is_none() {
            return Ok(record.view());
        }
        let first = self.job_items(id, None).await?;
        let mut view = record.view();
        (view.record.items, view.continuation) = (first.items, first.continuation);
        Ok(view)
    }

    /// The items of a restore, page by page.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore, and when the continuation is
    /// none that this gave.
    pub async fn items(&self, id: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        let record = self.record(id).await?;
        if record.job.is_none() {
            return Ok(RestoreItems { items: record.items, continuation: None });
        }
        self.job_items(id, continuation).await
    }

    async fn job_items(&self, id: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        let (items, continuation) = self.jobs.items::<StoredItem>(PAGE_KIND, id, false, continuation).await?;
        Ok(RestoreItems { items: items.into_iter().map(PlannedItem::from).collect(), continuation })
    }
}
