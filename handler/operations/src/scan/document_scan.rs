//! Scans the documents that a restore or a backup may select, page by page: first the live documents, then the versions.
//!
//! Every document is observed exactly once, in bounded memory, while other processes write, delete and capture. What decides
//! where a document is observed must therefore not change while the job runs. It is the history as it was recorded when the
//! job began: a document that then had a version not after the target is represented by the newest of these versions, and is
//! observed there, live or not. Every other document is observed among the live ones. Its state is then read again, from both
//! containers.
//!
//! A document that had no such version, and is deleted before the scan reaches it, is not observed: the history of that time
//! does not contain it.

use changefeed_cosmos::{DocumentName, Error, Key, KeyRange, read_id_and_key, select_id_and_key};
use changefeed_history::{Filter, History, Version, VersionId, matches_all};
use changefeed_jobs::{Found, PagedQuery};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::query_versions::query_versions;
use super::scan_state::{RecentStates, ScanState};

/// Versions that are read to find the newest: those of one second have no order in the query.
const NEWEST: usize = 4;

/// A scan, and what it selects.
pub(crate) struct DocumentScan<'a> {
    pub history: &'a History,
    /// Conditions that a document meets now, or in one of its versions.
    pub filters: &'a [Filter],
    /// The partition key value that the scan is limited to.
    pub key: Option<&'a Key>,
    /// The second since 1970 of the last change that counts.
    pub last_change: i64,
    /// The second since 1970 from which on the history is complete.
    pub horizon: i64,
    /// The second since 1970 up to which recorded versions represent documents; `None` if none does, so that all documents are
    /// observed among the live ones.
    pub recorded_until: Option<i64>,
    pub page_items: usize,
    /// Documents that are processed concurrently.
    pub concurrency: usize,
    pub states: &'a RecentStates,
}

/// A document that a page names: a live one, or one that has a version.
pub(crate) struct Candidate {
    pub name: DocumentName,
    version: Option<VersionId>,
}

/// A document, where the scan observes it.
pub(crate) struct ScannedDocument {
    pub name: DocumentName,
    /// The live document.
    pub live: Option<Version>,
    /// The newest version that is not after the last change, if it was read.
    pub newest: Option<Option<Version>>,
}

/// The fields of a version's record that identify it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: VersionId,
    source_id: String,
    partition_key: Key,
}

impl DocumentScan<'_> {
    /// Reads a page of the live documents of a range.
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

    /// Reads a page of the versions of a range.
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
        source.parameters.insert("@last".to_owned(), json!(self.newest_second()));
        source.parameters.insert("@recorded".to_owned(), json!(self.recorded_until.unwrap_or(i64::MAX)));
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut source.parameters)).collect();
            let fields = fields.join(" AND ");
            source.conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let candidate = |item: Value| {
            let row: Row = serde_json::from_value(item).map_err(|error| {
                Error::corrupt(format!("listing the versions of container {}", changes.name()), error)
            })?;
            let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
            Ok(Candidate { name, version: Some(row.id) })
        };
        source.page(range, continuation, candidate, each).await
    }

    /// Observes a candidate; `None` when the document is observed elsewhere in the scan, or is not selected.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(crate) async fn observe(&self, candidate: Candidate) -> Result<Option<ScannedDocument>, Error> {
        match candidate.version {
            Some(version) => self.observe_past(candidate.name, &version).await,
            None => self.observe_live(candidate.name).await,
        }
    }

    async fn observe_live(&self, name: DocumentName) -> Result<Option<ScannedDocument>, Error> {
        let live = self.history.live(&name).await?;
        let Some(live) = live.filter(|live| self.meets(live.document.as_ref())) else { return Ok(None) };
        if self.is_observed_past(&name).await? {
            return Ok(None);
        }
        Ok(Some(ScannedDocument { name, live: Some(live), newest: None }))
    }

    /// Whether [`Self::past`] observes the document at one of its versions.
    async fn is_observed_past(&self, name: &DocumentName) -> Result<bool, Error> {
        let Some(recorded_until) = self.recorded_until else { return Ok(false) };
        let versions = self.history.outlines_until(name, self.newest_second(), recorded_until).await?;
        let Some(version) =
            versions.recorded.filter(|version| self.key.is_none_or(|key| *key == version.partition_key))
        else {
            return Ok(false);
        };
        if self.filters.is_empty() || version.is_large {
            return Ok(true);
        }
        let record = self.history.record_of(name, &version.id).await?;
        Ok(self.meets(record.as_ref().and_then(|record| record.get("document"))))
    }

    async fn observe_past(&self, name: DocumentName, version: &VersionId) -> Result<Option<ScannedDocument>, Error> {
        if self.key.is_some_and(|key| *key != name.partition_key) {
            return Ok(None);
        }
        let newest = match self.states.get(&name) {
            Some(ScanState::RepresentedBy(id)) if id.as_ref() != Some(version) => return Ok(None),
            // An interrupted worker stopped here, or the version is on two pages.
            Some(_) => self.history.versions_until(&name, self.newest_second(), NEWEST).await?.next().await?,
            None => {
                let recorded_until = self.recorded_until.unwrap_or(i64::MAX);
                let versions = self.history.outlines_until(&name, self.newest_second(), recorded_until).await?;
                let represented_by = versions.recorded.map(|recorded| recorded.id);
                self.states.insert(&name, ScanState::RepresentedBy(represented_by.clone()));
                if represented_by.as_ref() != Some(version) {
                    return Ok(None);
                }
                match versions.newest {
                    Some(newest) => Some(self.history.version(&name, &newest.id).await?),
                    None => None,
                }
            }
        };
        let live = self.history.live(&name).await?;
        // Before the horizon, another version decides the state at the target.
        let newest = Some(newest).filter(|_| self.horizon <= self.last_change);
        Ok(Some(ScannedDocument { name, live, newest }))
    }

    fn meets(&self, document: Option<&Value>) -> bool {
        self.filters.is_empty() || document.is_some_and(|document| matches_all(self.filters, document))
    }

    /// The second since 1970 of the newest versions that represent documents. A document whose versions of the target time were
    /// removed is reported as unknown.
    fn newest_second(&self) -> i64 {
        self.last_change.max(self.horizon)
    }
}
