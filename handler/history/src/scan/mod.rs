//! Goes through the documents that a restore or a backup may mean, page by page: first those that are live, then those that
//! were.
//!
//! Every document is to be met exactly once, in memory that does not grow. A live document is met among the live ones. One
//! that is not live any more is met at one of its versions: the newest that is not after the target.

mod seen;

use std::num::NonZeroU32;

use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) use self::seen::Seen;
use self::seen::Sight;
use crate::cosmos::{Container, Error, Key, KeyRange, Page};
use crate::filter::{Filter, meets};
use crate::located::{id_and_key, read_id_and_key};
use crate::read::DocumentName;
use crate::store::{Role, Store};
use crate::version::{Version, pk_of};

/// Pages of names that are looked at for one page of items, where few of the names are meant.
const MAX_LOOKS: usize = 10;

/// What a scan is told of.
pub(crate) struct Scan<'a> {
    pub store: &'a Store,
    /// Conditions that documents meet now, or at one of their versions.
    pub filters: &'a [Filter],
    /// The only partition key value that is meant.
    pub key: Option<&'a Key>,
    /// The last second of changes that count.
    pub last_change: i64,
    /// From which second on the history is believed.
    pub horizon: i64,
    /// A job that removes documents while it scans.
    pub removed_by: Option<Remover<'a>>,
    pub page_items: usize,
    /// Documents that are looked at side by side.
    pub concurrency: usize,
    pub seen: &'a Seen,
}

/// A job that removes documents.
#[derive(Clone, Copy)]
pub(crate) struct Remover<'a> {
    pub job_id: &'a str,
    /// The second since 1970 at which the job began.
    pub second: i64,
}

/// What became of the names of a page.
pub(crate) struct Found<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
    pub looked_at: u64,
}

/// A document that a page names: one that is live, or one that has a version.
pub(crate) struct Candidate {
    pub name: DocumentName,
    version: Option<String>,
}

/// A document that is met.
pub(crate) struct Met {
    pub name: DocumentName,
    /// As it is now.
    pub live: Option<Version>,
    /// The newest version that is not after the last change, if that was asked for.
    pub newest: Option<Option<Version>>,
}

/// A version's record, by what it is found by.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    source_id: String,
    partition_key: Key,
}

impl Scan<'_> {
    /// A page of live documents of a range.
    pub(crate) async fn live<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Found<T>, Error> {
        let monitored = self.store.container(Role::Monitored).await?;
        let mut parameters = Map::new();
        let conditions: Vec<String> =
            self.filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let query = format!("SELECT VALUE {} FROM c{condition}", id_and_key(monitored.key_paths()));
        let names = |page: Page| {
            let name = |item: Value| match read_id_and_key(&item, monitored.key_paths()) {
                Ok((id, partition_key)) => Ok(Candidate { name: DocumentName { id, partition_key }, version: None }),
                Err(message) => Err(Error::invalid("listing documents", message)),
            };
            page.items.into_iter().map(name).collect()
        };
        self.look(monitored, &query, &parameters, range, self.key, continuation, names, each).await
    }

    /// A page of documents that are not live, by a range of their versions.
    pub(crate) async fn past<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Found<T>, Error> {
        let changes = self.store.container(Role::Changes).await?;
        let (mut conditions, mut parameters) = (vec!["c.sourceTs <= @last".to_owned()], Map::new());
        parameters.insert("@last".to_owned(), json!(self.looks_back_to()));
        let pk = self.key.and_then(pk_of);
        // Under the first level of the usual key, a partition's history lies together.
        let prefix = pk.as_ref().and_then(|pk| Key::of(&json!({ "pk": pk }), &["/pk".to_owned()]).ok());
        let prefix = prefix.filter(|_| changes.key_paths().first().is_some_and(|path| path == "/pk"));
        match (self.key, pk) {
            (Some(_), Some(pk)) => {
                parameters.insert("@pk".to_owned(), pk);
                conditions.push("c.pk = @pk".to_owned());
            }
            (Some(_), None) => conditions.push("NOT IS_DEFINED(c.pk)".to_owned()),
            (None, _) => {}
        }
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut parameters)).collect();
            let fields = fields.join(" AND ");
            conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let query = format!("SELECT c.id, c.sourceId, c.partitionKey FROM c WHERE {}", conditions.join(" AND "));
        let rows = |page: Page| {
            let candidate = |item: Value| {
                let row: Row = serde_json::from_value(item)
                    .map_err(|error| Error::invalid("listing versions", error.to_string()))?;
                let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
                Ok(Candidate { name, version: Some(row.id) })
            };
            page.items.into_iter().map(candidate).collect()
        };
        self.look(changes, &query, &parameters, range, prefix.as_ref(), continuation, rows, each).await
    }

    /// Asks for pages of a range, or of a partition key value, until there is enough for a page of items.
    #[expect(clippy::too_many_arguments, reason = "a query, where it goes on, and what is made of its rows")]
    async fn look<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        container: &Container,
        query: &str,
        parameters: &Map<String, Value>,
        range: &KeyRange,
        key: Option<&Key>,
        continuation: Option<&str>,
        read: impl Fn(Page) -> Result<Vec<Candidate>, Error>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Found<T>, Error> {
        let max_items = NonZeroU32::new(self.page_items as u32).unwrap_or(NonZeroU32::MIN);
        let mut found = Found { items: Vec::new(), next: continuation.map(str::to_owned), looked_at: 0 };
        for _ in 0..MAX_LOOKS {
            let next = found.next.as_deref();
            let page = match key {
                Some(_) => container.query(query, parameters, key, max_items, next).await?,
                None => container.query_range(query, parameters, range, max_items, next).await?,
            };
            found.next.clone_from(&page.continuation);
            let rows = read(page)?;
            found.looked_at += rows.len() as u64;
            found.items.extend(self.each(rows, &each).await?);
            if found.next.is_none() || found.items.len() >= self.page_items.div_ceil(2) {
                break;
            }
        }
        Ok(found)
    }

    async fn each<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        rows: Vec<Candidate>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Vec<T>, Error> {
        let done: Vec<Option<T>> =
            futures::stream::iter(rows).map(each).buffered(self.concurrency).try_collect().await?;
        Ok(done.into_iter().flatten().collect())
    }

    /// Whether a document that was named is met here, and what is known of it.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(crate) async fn meet(&self, candidate: Candidate) -> Result<Option<Met>, Error> {
        match candidate.version {
            Some(version) => self.meet_past(candidate.name, &version).await,
            None => self.meet_live(candidate.name).await,
        }
    }

    async fn meet_live(&self, name: DocumentName) -> Result<Option<Met>, Error> {
        // What is gone since, or meets the filter no more, is met among the versions.
        let live = self.store.live(&name).await?.filter(|live| self.is_met_live(live));
        Ok(live.map(|live| Met { name, live: Some(live), newest: None }))
    }

    async fn meet_past(&self, name: DocumentName, version: &str) -> Result<Option<Met>, Error> {
        if self.key.is_some_and(|key| *key != name.partition_key) {
            return Ok(None);
        }
        let goes_back_to = match self.seen.get(&name) {
            Some(Sight::IsLive) => return Ok(None),
            Some(Sight::GoesBackTo(id)) if id.as_deref() != Some(version) => return Ok(None),
            Some(Sight::GoesBackTo(_)) | None => {
                let live = self.store.live(&name).await?;
                if live.as_ref().is_some_and(|live| self.is_met_live(live)) || self.is_removed_by_job(&name).await? {
                    self.seen.insert(&name, Sight::IsLive);
                    return Ok(None);
                }
                let newest = self.store.versions_until(&name, self.looks_back_to()).await?.next().await?;
                let id = newest.as_ref().map(|newest| newest.id.clone());
                self.seen.insert(&name, Sight::GoesBackTo(id.clone()));
                (id.as_deref() == Some(version)).then_some((live, newest))
            }
        };
        let Some((live, newest)) = goes_back_to else { return Ok(None) };
        // Beyond the horizon the version that goes with the target is another one.
        let newest = Some(newest).filter(|_| self.horizon <= self.last_change);
        Ok(Some(Met { name, live, newest }))
    }

    /// Whether a document is one of those that are met live.
    fn is_met_live(&self, live: &Version) -> bool {
        let document = live.document.as_ref();
        self.filters.is_empty() || document.is_some_and(|document| meets(self.filters, document))
    }

    /// Whether it was live when the job began, and the job removed it.
    async fn is_removed_by_job(&self, name: &DocumentName) -> Result<bool, Error> {
        let Some(Remover { job_id, second }) = self.removed_by else { return Ok(false) };
        let mut versions = self.store.versions_until(name, i64::MAX).await?;
        let removal = format!("-delete-{job_id}-");
        while let Some(version) = versions.next().await? {
            if version.source_ts < second {
                break;
            }
            if version.id.contains(&removal) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last second of versions by which documents are met. Those whose versions of the target time are gone are told as
    /// unknown.
    fn looks_back_to(&self) -> i64 {
        self.last_change.max(self.horizon)
    }
}
