//! Restores as they are shown: a list, the progress of one, and its items page by page.

use changefeed_cosmos::{Error, PageRequest};
use changefeed_jobs::{JobProgress, ListedItems, page_of};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::forecast::Forecast;
use super::planned_item::{Action, PlannedItem};
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
    /// What its execution takes, if it is a stored plan; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// For the next items; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// Says so when the selection matched nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A request for items of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreItemsRequest {
    /// Only items with one of these actions; all without any.
    #[serde(default)]
    pub action: Vec<Action>,
    /// The most items on the page, 1 to 1,000; by default 1,000.
    pub max_items: Option<u32>,
    /// The continuation of the page before; `None` for the first page.
    pub continuation: Option<String>,
}

impl RestoreItemsRequest {
    fn page(&self) -> PageRequest {
        PageRequest { max_items: self.max_items, continuation: self.continuation.clone() }
    }

    fn selects(&self, item: &PlannedItem) -> bool {
        self.action.is_empty() || self.action.contains(&item.action)
    }
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
    /// Newest first, without their items.
    pub items: Vec<RestoreView>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl RestoreRecord {
    /// The record as it is shown: with the progress instead of the state of the work.
    pub fn view(mut self) -> RestoreView {
        let progress = self.job.take().map(|job| job.progress());
        let message = nothing_matched(self.state, self.undo_of.as_ref(), &self.counts);
        RestoreView { record: self, progress, forecast: None, continuation: None, message }
    }
}

impl Restores {
    /// A page of the restores, newest first, without their items. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<RestoreList, Error> {
        let fields = [
            "id",
            "kind",
            "state",
            "request",
            "undoOf",
            "undoneBy",
            "lastUndo",
            "joint",
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
        let (records, continuation) = self.jobs.list::<RestoreRecord>(RESTORE, &fields, request).await?;
        Ok(RestoreList { items: records.into_iter().map(RestoreRecord::view).collect(), continuation })
    }

    /// A restore with its first items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore.
    pub async fn show(&self, id: &str) -> Result<RestoreView, Error> {
        let mut view = self.show_without_pages(id).await?;
        if view.progress.is_some() {
            let first = self.job_items(id, &RestoreItemsRequest::default()).await?;
            (view.record.items, view.continuation) = (first.items, first.continuation);
        }
        Ok(view)
    }

    /// A restore without the items that are in pages of their own: those of a job.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub async fn show_without_pages(&self, id: &str) -> Result<RestoreView, Error> {
        let mut view = self.record(id).await?.view();
        view.forecast = self.forecast(&view.record, view.progress.as_ref()).await?;
        Ok(view)
    }

    /// A page of the items of a restore.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such restore; and when the continuation is
    /// not one of this list.
    pub async fn items(&self, id: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        let continuation = continuation.map(str::to_owned);
        self.items_page(id, &RestoreItemsRequest { continuation, ..Default::default() }).await
    }

    /// A page of the items of a restore, as the request says. A page of a job with some actions may be shorter than that, and not the last one.
    ///
    /// # Errors
    /// As [`Self::items`], and when the request is out of bounds.
    pub async fn items_page(&self, id: &str, request: &RestoreItemsRequest) -> Result<RestoreItems, Error> {
        let page = request.page();
        page.check()?;
        let record = self.record(id).await?;
        if record.job.is_none() {
            let selected = record.items.into_iter().filter(|item| request.selects(item));
            let (items, continuation) = page_of(selected.collect(), &page)?;
            return Ok(RestoreItems { items, continuation });
        }
        self.job_items(id, request).await
    }

    async fn job_items(&self, id: &str, request: &RestoreItemsRequest) -> Result<RestoreItems, Error> {
        let listed = ListedItems {
            only: ("action", request.action.iter().map(|action| json!(action)).collect()),
            is_listed: &|item: &StoredItem| request.selects(item.planned()),
            ..ListedItems::all(PAGE_KIND, id, false)
        };
        let (items, continuation) = self.jobs.items(listed, &request.page()).await?;
        Ok(RestoreItems { items: items.into_iter().map(PlannedItem::from).collect(), continuation })
    }
}
