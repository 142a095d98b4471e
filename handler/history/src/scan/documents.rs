//! Goes through the documents that a restore or a backup may mean, page by page: first those that are live, then those that
//! were.
//!
//! Every document is to be met exactly once, in memory that does not grow. A live document is met among the live ones. One
//! that is not live any more is met at one of its versions: the newest that is not after the target.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::look::{Looked, Source};
use super::seen::{Seen, Sight};
use crate::cosmos::{Error, Key, KeyRange};
use crate::filter::{Filter, meets};
use crate::located::{id_and_key, read_id_and_key};
use crate::read::DocumentName;
use crate::store::{Role, Store};
use crate::version::Version;

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
    ) -> Result<Looked<T>, Error> {
        let monitored = self.store.container(Role::Monitored).await?;
        let mut parameters = Map::new();
        let conditions = self.filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let source = Source {
            container: monitored,
            select: format!("SELECT VALUE {}", id_and_key(monitored.key_paths())),
            conditions,
            parameters,
            key: self.key.cloned(),
            page_items: self.page_items,
            concurrency: self.concurrency,
        };
        let name = |item: Value| match read_id_and_key(&item, monitored.key_paths()) {
            Ok((id, partition_key)) => Ok(Candidate { name: DocumentName { id, partition_key }, version: None }),
            Err(message) => Err(Error::invalid("listing documents", message)),
        };
        source.look(range, continuation, name, each).await
    }

    /// A page of documents that are not live, by a range of their versions.
    pub(crate) async fn past<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Looked<T>, Error> {
        let changes = self.store.container(Role::Changes).await?;
        let select = "SELECT c.id, c.sourceId, c.partitionKey".to_owned();
        let mut source = Source {
            page_items: self.page_items,
            concurrency: self.concurrency,
            ..Source::of_versions(changes, select, self.key)
        };
        source.conditions.push("c.sourceTs <= @last".to_owned());
        source.parameters.insert("@last".to_owned(), json!(self.looks_back_to()));
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut source.parameters)).collect();
            let fields = fields.join(" AND ");
            source.conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let candidate = |item: Value| {
            let row: Row =
                serde_json::from_value(item).map_err(|error| Error::invalid("listing versions", error.to_string()))?;
            let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
            Ok(Candidate { name, version: Some(row.id) })
        };
        source.look(range, continuation, candidate, each).await
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
            Some(Sight::MetBy(id)) if id.as_deref() != Some(version) => return Ok(None),
            Some(Sight::MetBy(_)) | None => {
                let live = self.store.live(&name).await?;
                if live.as_ref().is_some_and(|live| self.is_met_live(live)) || self.is_removed_by_job(&name).await? {
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
