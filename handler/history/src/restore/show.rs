//! Restores for people to look at: how far one is, and its items page by page.

use std::num::NonZeroU32;

use serde::Serialize;
use serde_json::{Map, json};

use super::pages::{ItemsPage, PAGE_KIND};
use super::plan::PlannedItem;
use super::record::RestoreRecord;
use crate::cosmos::{Error, KeyRange, Page};
use crate::jobs::JobProgress;
use crate::store::{Role, Store};

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

impl Store {
    /// A restore with its first items.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such restore.
    pub async fn show_restore(&self, id: &str) -> Result<RestoreView, Error> {
        let record = self.restore(id).await?;
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
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such restore, and when the continuation is
    /// none that this gave.
    pub async fn restore_items(&self, id: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        let record = self.restore(id).await?;
        if record.job.is_none() {
            return Ok(RestoreItems { items: record.items, continuation: None });
        }
        self.job_items(id, continuation).await
    }

    async fn job_items(&self, id: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        let jobs = self.container(Role::Jobs).await?;
        let mut continuation = continuation.map(str::to_owned);
        loop {
            let (query, parameters) = pages_query(id);
            let page = jobs.query(query, &parameters, None, NonZeroU32::MIN, continuation.as_deref()).await?;
            continuation.clone_from(&page.continuation);
            let pages = self.read_pages(page).await?;
            if !pages.is_empty() || continuation.is_none() {
                return Ok(RestoreItems { items: pages.iter().flat_map(ItemsPage::items).collect(), continuation });
            }
        }
    }

    /// The next page of items within a range of the jobs container.
    pub(super) async fn pages_of(
        &self,
        id: &str,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<ItemsPage>, Option<String>), Error> {
        let jobs = self.container(Role::Jobs).await?;
        let (query, parameters) = pages_query(id);
        let page = jobs.query_range(query, &parameters, range, NonZeroU32::MIN, continuation).await?;
        let next = page.continuation.clone();
        Ok((self.read_pages(page).await?, next))
    }

    async fn read_pages(&self, page: Page) -> Result<Vec<ItemsPage>, Error> {
        let mut pages = Vec::new();
        for record in page.items {
            pages.push(self.items_page_of(record).await?.page);
        }
        Ok(pages)
    }
}

fn pages_query(id: &str) -> (&'static str, Map<String, serde_json::Value>) {
    let parameters = Map::from_iter([("@id".to_owned(), json!(id)), ("@kind".to_owned(), json!(PAGE_KIND))]);
    ("SELECT * FROM c WHERE c.jobId = @id AND c.kind = @kind", parameters)
}
