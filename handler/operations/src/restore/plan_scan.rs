//! Plans a page of what a scan meets.

use changefeed_cosmos::{Container, DocumentName, Error, KeyRange};
use changefeed_jobs::Found;
use futures::{StreamExt, TryStreamExt};

use super::plan::{Action, PlannedItem, untouched};
use super::request::{FilterOn, RestoreRequest, Selection};
use super::restores::Restores;
use super::stored_item::shortened;
use crate::scan::{Candidate, Scan};

/// What a page is planned by.
pub(super) struct Scanned<'a> {
    pub restores: &'a Restores,
    pub request: &'a RestoreRequest,
    pub scan: Scan<'a>,
    /// The container that is written to.
    pub written: &'a Container,
}

impl Scanned<'_> {
    /// Plans the documents of a list from the one that `continuation` numbers.
    pub(super) async fn documents(
        &self,
        documents: &[DocumentName],
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let scan = &self.scan;
        let first = continuation.and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
        let page: Vec<DocumentName> = documents.iter().skip(first).take(scan.page_items).cloned().collect();
        let end = first + page.len();
        let plan = |name: DocumentName| async move {
            let planned = self.restores.plan_item(self.request, name.clone(), self.written, scan.horizon).await;
            told(name, planned)
        };
        let processed = page.len() as u64;
        let items: Vec<Option<PlannedItem>> =
            futures::stream::iter(page).map(plan).buffered(scan.concurrency).try_collect().await?;
        let next = (end < documents.len()).then(|| end.to_string());
        Ok(Found { items: items.into_iter().flatten().collect(), next, processed })
    }

    /// Plans a page of live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.live(range, continuation, |candidate| self.plan(candidate)).await
    }

    /// Plans a page of documents that are not live, by a range of their versions.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<PlannedItem>, Error> {
        self.scan.past(range, continuation, |candidate| self.plan(candidate)).await
    }

    async fn plan(&self, candidate: Candidate) -> Result<Option<PlannedItem>, Error> {
        let name = candidate.name.clone();
        let scan = &self.scan;
        let planned = async {
            let Some(met) = scan.meet(candidate).await? else { return Ok(None) };
            self.restores.plan_from(self.request, met.name, met.live, met.newest, self.written, scan.horizon).await
        };
        told(name, planned.await)
    }
}

/// Whether documents that are not live may be meant.
pub(super) fn has_past(request: &RestoreRequest) -> bool {
    !matches!(&request.selection, Selection::Filter { on: FilterOn::Live, .. })
}

/// What a page tells of a document: no more of its changes than is stored, for pages hold many documents. What cannot be planned
/// for good is told too; what may pass is tried again.
pub(super) fn told(
    name: DocumentName,
    planned: Result<Option<PlannedItem>, Error>,
) -> Result<Option<PlannedItem>, Error> {
    match planned {
        Ok(item) => Ok(item.map(shortened)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => Ok(Some(PlannedItem { message: Some(error.to_string()), ..untouched(name, Action::Failed) })),
    }
}
