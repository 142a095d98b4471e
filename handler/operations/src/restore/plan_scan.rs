//! Plans a page of documents that a scan observes, or of a list of documents.

use changefeed_cosmos::{DocumentName, Error, KeyRange};
use changefeed_jobs::Found;
use futures::{StreamExt, TryStreamExt};

use super::plan_document::DocumentPlanner;
use super::planned_item::PlannedItem;
use super::restore_page::page_item;
use crate::scan::{Candidate, DocumentScan};

/// A page of a list of documents, and the continuation of the next one. `continuation` is the index of the first one.
pub(super) fn list_page(
    documents: &[DocumentName],
    continuation: Option<&str>,
    page_items: usize,
) -> Result<(Vec<DocumentName>, Option<String>), Error> {
    let first = match continuation {
        Some(index) => index.parse::<usize>().map_err(|error| {
            Error::corrupt("reading the position in a list of documents", format!("{index:?}: {error}"))
        })?,
        None => 0,
    };
    let page: Vec<DocumentName> = documents.iter().skip(first).take(page_items).cloned().collect();
    let end = first + page.len();
    Ok((page, (end < documents.len()).then(|| end.to_string())))
}

/// Plans pages of a scan.
pub(super) struct ScanPlanner<'a> {
    pub planner: DocumentPlanner<'a>,
    pub scan: DocumentScan<'a>,
}

impl ScanPlanner<'_> {
    /// Plans a page of a list of documents. `continuation` is the index of the first one.
    pub(super) async fn documents(
        &self,
        documents: &[DocumentName],
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let (page, next) = list_page(documents, continuation, self.scan.page_items)?;
        let plan = |name: DocumentName| async move { page_item(name.clone(), self.planner.plan(name).await) };
        let processed = page.len() as u64;
        let items: Vec<Option<PlannedItem>> =
            futures::stream::iter(page).map(plan).buffered(self.scan.concurrency).try_collect().await?;
        Ok(Found { items: items.into_iter().flatten().collect(), next, processed })
    }

    /// Plans a page of the live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.live(range, continuation, |candidate| self.plan(candidate)).await
    }

    /// Plans a page of the documents that a range of the versions represents.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.past(range, continuation, |candidate| self.plan(candidate)).await
    }

    async fn plan(&self, candidate: Candidate) -> Result<Option<PlannedItem>, Error> {
        let name = candidate.name.clone();
        let planned = async {
            let Some(scanned) = self.scan.observe(candidate).await? else { return Ok(None) };
            self.planner.plan_from(scanned.name, scanned.live, scanned.newest).await
        };
        page_item(name, planned.await)
    }
}
