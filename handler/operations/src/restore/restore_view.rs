//! Restores as they are shown: a list, the progress of one, and its items page by page.

use changefeed_cosmos::Error;
use changefeed_jobs::JobProgress;
use serde::Serialize;

use super::planned_item::PlannedItem;
use super::restore_page::{PAGE_KIND, StoredItem};
use super::restore_record::{RestoreRecord, nothing_matched};
use super::restores::{RESTORE, Restores};

/// A restore as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreView {
    /// Its record, with the first items.
    #[serde(flatten)]
    pub record: RestoreRecord,
    /// Its progress, if it is a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// For the next items; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// Says so when the selection matched nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A page of a restore's items.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreItems {
    /// In the order in which the restore planned them.
    pub items: Vec<PlannedItem>,
    /// For the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// A list of restores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoreList {
    /// Newest first, at most 100, without their items.
    pub items: Vec<RestoreView>,
}

impl RestoreRecord {
    /// The record as it is shown: with the progress instead of the state of the work.
    pub fn view(mut self) -> RestoreView {
        let progress = self.job.take().map(|job| job.progress());
        let message = nothing_matched(self.state, self.undo_of.as_ref(), &self.counts);
        RestoreView { record: self, progress, continuation: None, message }
    }
}

impl Restores {
    /// The restores, newest first, without their items.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn list(&self) -> Result<RestoreList, Error> {
        let fields = [
            "id",
            "kind",
            "state",
            "request",
            "undoOf",
            "undoneBy",
            "lastUndo",
            "into",
            "requestedBy",
            "reason",
            "startedAt",
            "plannedAt",
            "plannedCounts",
            "finishedAt",
            "counts",
            "requestCharge",
            "job",
            "schema",
        ];
        let records: Vec<RestoreRecord> = self.jobs.list(RESTORE, &fields).await?;
        Ok(RestoreList { items: records.into_iter().map(RestoreRecord::view).collect() })
    }

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

    /// A page of the items of a restore.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore; and when the continuation is
    /// not one of this list.
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
