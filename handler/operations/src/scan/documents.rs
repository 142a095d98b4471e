//! Goes through the documents that a restore or a backup may mean, page by page: first those that are live, then those that
//! the history tells of.
//!
//! Every document is to be met exactly once, in memory that does not grow, whoever writes, deletes and captures meanwhile. So
//! what decides where a document is met must not change while the job goes on: the history as it was recorded when the job
//! began. A document of which it had a version that is not after the target is met at the newest of them, whether it is live
//! or not; any other is met among the live ones. What became of the document is then asked anew, of both sides.
//!
//! A document that was in no such history, and is deleted before it is met, is met nowhere: nothing told of it when the job
//! began.

use changefeed_cosmos::{DocumentName, Error, Key, KeyRange, read_id_and_key, select_id_and_key};
use changefeed_history::{Filter, History, Version, VersionId, matches_all};
use changefeed_jobs::{Found, PagedQuery};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::seen::{Seen, Sight};
use super::versions::query_versions;

/// Versions that are read to find the newest: those of one second have no order in the query.
const NEWEST: usize = 4;

/// What a scan is told of.
pub(crate) struct Scan<'a> {
    pub history: &'a History,
    /// Conditions that documents meet now, or at one of their versions.
    pub filters: &'a [Filter],
    /// The only partition key value that is meant.
    pub key: Option<&'a Key>,
    /// The last second of changes that count.
    pub last_change: i64,
    /// From which second on the history is believed.
    pub horizon: i64,
    /// The second up to which records decide where a document is met; `None` where all are met among the live ones.
    pub recorded_until: Option<i64>,
    pub page_items: usize,
    /// Documents that are looked at side by side.
    pub concurrency: usize,
    pub seen: &'a Seen,
}

/// A document that a page names: one that is live, or one that has a version.
pub(crate) struct Candidate {
    pub name: DocumentName,
    version: Option<VersionId>,
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
    id: VersionId,
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
        let monitored = self.history.monitored().open().await?;
        let mut parameters = Map::new();
        let conditions = self.filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let source = PagedQuery {
            container: &monitored,
            select: format!("SELECT VALUE {}", select_id_and_key(monitored.key_paths())),
            conditions,
            parameters,
            key: self.key.cloned(),
            page_items: self.page_items,
            concurrency: self.concurrency,
        };
        let name = |item: Value| {
            let name = read_id_and_key(&item, monitored.key_paths())?;
            Ok(Candidate { name, version: None })
        };
        source.page(range, continuation, name, each).await
    }

    /// A page of documents that are not live, by a range of their versions.
    pub(crate) async fn past<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(Candidate) -> F,
    ) -> Result<Found<T>, Error> {
        let changes = self.history.changes().open().await?;
        let select = "SELECT c.id, c.sourceId, c.partitionKey".to_owned();
        let mut source = PagedQuery {
            page_items: self.page_items,
            concurrency: self.concurrency,
            ..query_versions(&changes, select, self.key)
        };
        source.conditions.push("c.sourceTs <= @last AND c._ts <= @recorded".to_owned());
        source.parameters.insert("@last".to_owned(), json!(self.looks_back_to()));
        source.parameters.insert("@recorded".to_owned(), json!(self.recorded_until.unwrap_or(i64::MAX)));
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut source.parameters)).collect();
            let fields = fields.join(" AND ");
            source.conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let candidate = |item: Value| {
            let row: Row = serde_json::from_value(item).map_err(|error| Error::corrupt("listing versions", error))?;
            let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
            Ok(Candidate { name, version: Some(row.id) })
        };
        source.page(range, continuation, candidate, each).await
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
        let live = self.history.live(&name).await?;
        let Some(live) = live.filter(|live| self.meets(live.document.as_ref())) else { return Ok(None) };
        if self.is_met_past(&name).await? {
            return Ok(None);
        }
        Ok(Some(Met { name, live: Some(live), newest: None }))
    }

    /// Whether [`Self::past`] comes upon the document at a version.
    async fn is_met_past(&self, name: &DocumentName) -> Result<bool, Error> {
        let Some(recorded_until) = self.recorded_until else { return Ok(false) };
        let sight = self.history.outlines_until(name, self.looks_back_to(), recorded_until).await?;
        let Some(version) = sight.recorded.filter(|version| self.key.is_none_or(|key| *key == version.partition_key))
        else {
            return Ok(false);
        };
        if self.filters.is_empty() || version.is_large {
            return Ok(true);
        }
        let record = self.history.record_of(name, &version.id).await?;
        Ok(self.meets(record.as_ref().and_then(|record| record.get("document"))))
    }

    async fn meet_past(&self, name: DocumentName, version: &VersionId) -> Result<Option<Met>, Error> {
        if self.key.is_some_and(|key| *key != name.partition_key) {
            return Ok(None);
        }
        let newest = match self.seen.get(&name) {
            Some(Sight::MetBy(id)) if id.as_ref() != Some(version) => return Ok(None),
            // A runner before this one came no further, or the same version is in two pages.
            Some(_) => self.history.versions_until(&name, self.looks_back_to(), NEWEST).await?.next().await?,
            None => {
                let recorded_until = self.recorded_until.unwrap_or(i64::MAX);
                let sight = self.history.outlines_until(&name, self.looks_back_to(), recorded_until).await?;
                let met_by = sight.recorded.map(|recorded| recorded.id);
                self.seen.insert(&name, Sight::MetBy(met_by.clone()));
                if met_by.as_ref() != Some(version) {
                    return Ok(None);
                }
                match sight.newest {
                    Some(newest) => Some(self.history.version(&name, &newest.id).await?),
                    None => None,
                }
            }
        };
        let live = self.history.live(&name).await?;
        // Beyond the horizon the version that goes with the target is another one.
        let newest = Some(newest).filter(|_| self.horizon <= self.last_change);
        Ok(Some(Met { name, live, newest }))
    }

    fn meets(&self, document: Option<&Value>) -> bool {
        self.filters.is_empty() || document.is_some_and(|document| matches_all(self.filters, document))
    }

    /// The last second of versions by which documents are met. Those whose versions of the target time are gone are told as
    /// unknown.
    fn looks_back_to(&self) -> i64 {
        self.last_change.max(self.horizon)
    }
}
