//! Goes through the documents that a restore may mean, page by page: first those that are live, then those that were.
//!
//! Every document is to be met exactly once, in memory that does not grow. A live document is met among the live ones. One
//! that is not live any more is met at one of its versions: the newest that is not after the target.

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::plan::{Action, PlannedItem, meets, untouched};
use super::request::{FilterOn, RestoreRequest, Selection};
use crate::cosmos::{Container, Error, Key, KeyRange};
use crate::filter::Filter;
use crate::located::{id_and_key, read_id_and_key};
use crate::policy::{Decision, decide};
use crate::read::DocumentName;
use crate::scan::{Looked, Seen, Sight, Source};
use crate::store::{Role, Store};
use crate::version::Version;

/// What a scan is told of.
pub(super) struct Scan<'a> {
    pub store: &'a Store,
    pub request: &'a RestoreRequest,
    /// The container that is written to.
    pub written: &'a Container,
    /// From which second on the history is believed.
    pub horizon: i64,
    pub job_id: &'a str,
    /// The second since 1970 at which the job began.
    pub second: i64,
    pub page_items: usize,
    /// Documents that are planned side by side.
    pub concurrency: usize,
    pub seen: &'a Seen,
}

/// A planned page.
pub(super) type Found = Looked<PlannedItem>;

/// A version's record, by what it is found by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    source_id: String,
    partition_key: Key,
}

impl Scan<'_> {
    /// Plans the documents of a list from the one that `continuation` numbers.
    pub(super) async fn documents(
        &self,
        documents: &[DocumentName],
        continuation: Option<&str>,
    ) -> Result<Found, Error> {
        let first = continuation.and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
        let page: Vec<DocumentName> = documents.iter().skip(first).take(self.page_items).cloned().collect();
        let end = first + page.len();
        let plan = |name: DocumentName| async move {
            self.store
                .plan_item(self.request, name.clone(), self.written, self.horizon)
                .await
                .or_else(|error| failed(name, error))
        };
        let looked_at = page.len() as u64;
        let items = self.each(page, plan).await?;
        Ok(Found { items, next: (end < documents.len()).then(|| end.to_string()), looked_at })
    }

    /// Plans a page of live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found, Error> {
        let monitored = self.store.container(Role::Monitored).await?;
        let mut parameters = Map::new();
        let source = Source {
            container: monitored,
            select: format!("SELECT VALUE {}", id_and_key(monitored.key_paths())),
            conditions: self.filters().iter().map(|filter| filter.condition("c", &mut parameters)).collect(),
            key: self.key().cloned(),
            page_items: self.page_items,
            concurrency: self.concurrency,
            parameters,
        };
        let name = |item: Value| match read_id_and_key(&item, monitored.key_paths()) {
            Ok((id, partition_key)) => Ok(DocumentName { id, partition_key }),
            Err(message) => Err(Error::invalid("listing documents", message)),
        };
        let plan =
            |name: DocumentName| async move { self.plan_live(name.clone()).await.or_else(|error| failed(name, error)) };
        source.look(range, continuation, name, plan).await
    }

    /// Plans a page of documents that are not live, by a range of their versions.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found, Error> {
        let changes = self.store.container(Role::Changes).await?;
        let select = "SELECT c.id, c.sourceId, c.partitionKey".to_owned();
        let (page_items, concurrency) = (self.page_items, self.concurrency);
        let mut source = Source { page_items, concurrency, ..Source::of_versions(changes, select, self.key()) };
        source.conditions.push("c.sourceTs <= @last".to_owned());
        source.parameters.insert("@last".to_owned(), json!(self.looks_back_to()));
        if !self.filters().is_empty() {
            let fields: Vec<String> =
                self.filters().iter().map(|filter| filter.condition("c.document", &mut source.parameters)).collect();
            let fields = fields.join(" AND ");
            source.conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let row = |item: Value| {
            serde_json::from_value(item).map_err(|error| Error::invalid("listing versions", error.to_string()))
        };
        let plan = |row: Row| async move {
            let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
            if self.key().is_some_and(|key| *key != name.partition_key) {
                return Ok(None);
            }
            self.plan_past(name.clone(), &row.id).await.or_else(|error| failed(name, error))
        };
        source.look(range, continuation, row, plan).await
    }

    async fn each<T, F: Future<Output = Result<Option<PlannedItem>, Error>>>(
        &self,
        rows: Vec<T>,
        plan: impl Fn(T) -> F,
    ) -> Result<Vec<PlannedItem>, Error> {
        let planned: Vec<Option<PlannedItem>> =
            futures::stream::iter(rows).map(plan).buffered(self.concurrency).try_collect().await?;
        Ok(planned.into_iter().flatten().collect())
    }

    async fn plan_live(&self, name: DocumentName) -> Result<Option<PlannedItem>, Error> {
        // What is gone since, or meets the filter no more, is met among the versions.
        match self.store.live(&name).await? {
            Some(live) if self.is_met_live(&live) => {
                self.store.plan_from(self.request, name, Some(live), None, self.written, self.horizon).await
            }
            _ => Ok(None),
        }
    }

    async fn plan_past(&self, name: DocumentName, version: &str) -> Result<Option<PlannedItem>, Error> {
        let goes_back_to = match self.seen.get(&name) {
            Some(Sight::IsLive) => return Ok(None),
            Some(Sight::MetBy(id)) if id.as_deref() != Some(version) => return Ok(None),
            Some(Sight::MetBy(_)) | None => {
                let live = self.store.live(&name).await?;
                if live.as_ref().is_some_and(|live| self.is_met_live(live)) || self.is_removed_by_this(&name).await? {
                    self.seen.insert(&name, Sight::IsLive);
                    return Ok(None);
                }
                let newest = self.store.versions_until(&name, self.looks_back_to()).await?.next().await?;
                let id = newest.as_ref().map(|newest| newest.id.clone());
                self.seen.insert(&name, Sight::MetBy(id.clone()));
                (id.as_deref() == Some(version)).then_some((live, newest))
            }
        };
        let Some((live, newest)) = goes_back_to else { return Ok(None) };
        // Beyond the horizon the version that goes with the target is another one.
        let newest = Some(newest).filter(|_| self.horizon <= self.last_change());
        self.store.plan_from(self.request, name, live, newest, self.written, self.horizon).await
    }

    /// Whether a document is one of those that are met live.
    fn is_met_live(&self, live: &Version) -> bool {
        let document = live.document.as_ref();
        self.filters().is_empty() || document.is_some_and(|document| meets(self.filters(), document))
    }

    /// Whether it was live when the job began, and this job removed it.
    async fn is_removed_by_this(&self, name: &DocumentName) -> Result<bool, Error> {
        if !self.request.delete_created_after {
            return Ok(false);
        }
        let mut versions = self.store.versions_until(name, i64::MAX).await?;
        let removal = format!("-delete-{}-", self.job_id);
        while let Some(version) = versions.next().await? {
            if version.source_ts < self.second {
                break;
            }
            if version.id.contains(&removal) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn filters(&self) -> &[Filter] {
        match &self.request.selection {
            Selection::Filter { filters, .. } => filters,
            _ => &[],
        }
    }

    fn key(&self) -> Option<&Key> {
        match &self.request.selection {
            Selection::Partition(key) => Some(key),
            _ => None,
        }
    }

    fn last_change(&self) -> i64 {
        self.request.target.seconds().map_or(i64::MAX, |(last_change, _)| last_change)
    }

    /// The last second of versions by which documents are met. Those whose versions of the target time are gone are told as
    /// unknown.
    fn looks_back_to(&self) -> i64 {
        self.last_change().max(self.horizon)
    }

    /// Whether documents that are not live may be meant.
    pub(super) fn has_past(&self) -> bool {
        !matches!(&self.request.selection, Selection::Filter { on: FilterOn::Live, .. })
    }
}

/// What cannot be planned for good is told; what may pass is tried again.
pub(super) fn failed(name: DocumentName, error: Error) -> Result<Option<PlannedItem>, Error> {
    if decide(error.kind()) == Decision::Retry {
        return Err(error);
    }
    Ok(Some(PlannedItem { message: Some(error.to_string()), ..untouched(name, Action::Failed) }))
}
