//! Plans a page of documents that a scan observes, or of a list of documents.

use changefeed_cosmos::{DocumentName, Error, KeyRange, MAX_TOGETHER};
use changefeed_jobs::Found;
use futures::{StreamExt, TryStreamExt};

use super::plan_document::DocumentPlanner;
use super::planned_item::PlannedItem;
use super::read_together::ReadTogether;
use super::restore_page::page_item;
use crate::scan::{DocumentScan, ScannedDocument};

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
        let processed = page.len() as u64;
        let monitored = self.scan.history.monitored().open().await?;
        let mut items: Vec<Option<PlannedItem>> = Vec::new();
        for names in page.chunks(MAX_TOGETHER) {
            let last_change = self.planner.request.target.seconds().map(|(last, _)| last);
            let together = &ReadTogether::to_plan(self.planner.restores, &monitored, names, last_change).await;
            let plan = |name: DocumentName| async move {
                let planned = match together.known(&name) {
                    Some(known) => self.planner.plan_from(name.clone(), known).await,
                    None => self.planner.plan(name.clone()).await,
                };
                page_item(name, planned)
            };
            let places = &self.scan.places;
            let planned = futures::stream::iter(names.iter().cloned()).map(|name| places.take(plan(name)));
            items.extend(planned.buffered(places.count()).try_collect::<Vec<_>>().await?);
        }
        Ok(Found { items: items.into_iter().flatten().collect(), next, processed })
    }

    /// Plans a page of the live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.live(range, continuation, |scanned| self.plan(scanned)).await
    }

    /// Plans a page of the documents that a range of the versions represents.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.past(range, continuation, |scanned| self.plan(scanned)).await
    }

    async fn plan(&self, scanned: ScannedDocument) -> Result<Option<PlannedItem>, Error> {
        let ScannedDocument { name, known } = scanned;
        let planned = async { self.planner.plan_from(name.clone(), known?).await }.await;
        page_item(name, planned)
    }
}
