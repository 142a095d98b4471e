//! Scans the documents that a restore or a backup may select, page by page: first the live documents, then the versions.
//!
//! Every document is observed once, in bounded memory, while other processes write, delete and capture. What decides
//! where a document is observed must therefore not change while the job runs. It is the history as it was recorded when the
//! job began: a document that then had a version not after the target is represented by the newest of these versions, and is
//! observed there, live or not. Every other document is observed among the live ones, which a query lists in the order of their
//! creation. Its state is then read again, from both containers.
//!
//! A document that had no such version, and is deleted before the scan reaches it, is not observed: the history of that time
//! does not contain it. One that is deleted after its page and created again is listed again. If the restore deleted it, it is left
//! as it is now: a restore deletes a document once. If others deleted it, it is observed again in its new state.

use changefeed_cosmos::{DocumentName, Error, Key, KeyRange, MAX_TOGETHER};
use changefeed_history::{Filter, History, Known, Outline, VersionId, matches_all};
use changefeed_jobs::{Found, ItemPlaces, PagedQuery};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::live_row::{LiveRow, select_live};
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
    /// The restore that the scan is for. A document that it has deleted, and that was created again since, is not observed a second time.
    pub restore_id: Option<&'a str>,
    pub page_items: usize,
    /// The places for documents that are processed concurrently.
    pub places: ItemPlaces,
    pub states: &'a RecentStates,
}

/// A version that a page names.
struct PastRow {
    name: DocumentName,
    version: VersionId,
    /// Whether no other record represents the document while this version is live: it is exact, so no other record of the version is
    /// newer, and it has a sequence number, so no other version of its second is.
    is_certain: bool,
}

/// A document, where the scan observes it.
pub(crate) struct ScannedDocument {
    pub name: DocumentName,
    /// What was read of it; the error of a document that cannot be read.
    pub known: Result<Known, Error>,
}

/// The fields of a version's record that identify it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: VersionId,
    source_id: String,
    partition_key: Key,
    exact: bool,
    lsn: Option<i64>,
}

impl DocumentScan<'_> {
    /// Reads a page of the live documents of a range, and makes items of those that are observed there.
    pub(crate) async fn live<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(ScannedDocument) -> F,
    ) -> Result<Found<T>, Error> {
        let monitored = self.history.monitored().open().await?;
        let paths = monitored.key_paths();
        let mut parameters = Map::new();
        let conditions = self.filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let source = PagedQuery {
            container: &monitored,
            select: select_live(paths),
            conditions,
            parameters,
            key: self.key.cloned(),
            page_items: self.page_items,
            places: self.places.clone(),
        };
        let (source, each) = (&source, &each);
        let observe = |rows: Vec<LiveRow>| async move {
            let rows = self.not_deleted_by_restore(rows).await?;
            let rows = self.not_observed_past(rows).await;
            let observed = |row: LiveRow| async move {
                match self.observe_live(row.name).await {
                    Some(document) => each(document).await,
                    None => Ok(None),
                }
            };
            source.each(rows, observed).await
        };
        source.page_together(range, continuation, |row| LiveRow::read(&row, paths), observe).await
    }

    /// Reads a page of the versions of a range, and makes items of the documents that are observed there.
    pub(crate) async fn past<T, F: Future<Output = Result<Option<T>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        each: impl Fn(ScannedDocument) -> F,
    ) -> Result<Found<T>, Error> {
        let changes = self.history.changes().open().await?;
        let select = "SELECT c.id, c.sourceId, c.partitionKey, c.exact, c.lsn".to_owned();
        let mut source = PagedQuery {
            page_items: self.page_items,
            places: self.places.clone(),
            ..query_versions(&changes, select, self.key)
        };
        source.conditions.push("c.sourceTs <= @last AND c._ts <= @recorded".to_owned());
        source.parameters.insert("@last".to_owned(), json!(self.newest_second()));
        source.parameters.insert("@recorded".to_owned(), json!(self.recorded_until()));
        if !self.filters.is_empty() {
            let fields: Vec<String> =
                self.filters.iter().map(|filter| filter.condition("c.document", &mut source.parameters)).collect();
            let fields = fields.join(" AND ");
            source.conditions.push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        let row = |item: Value| {
            let row: Row = serde_json::from_value(item).map_err(|error| {
                Error::corrupt(format!("listing the versions of container {}", changes.name()), error)
            })?;
            let name = DocumentName { id: row.source_id, partition_key: row.partition_key };
            Ok(PastRow { name, version: row.id, is_certain: row.exact && row.lsn.is_some() })
        };
        let (source, each) = (&source, &each);
        let observe = |rows: Vec<PastRow>| async move {
            self.find_unchanged(&rows).await;
            let represented = source.each(rows, |row| self.represented(row)).await?;
            let mut items = Vec::new();
            let mut groups = futures::stream::iter(represented).chunks(MAX_TOGETHER);
            while let Some(rows) = groups.next().await {
                let known = self.known_of(&rows).await;
                let documents = rows.into_iter().zip(known);
                let observed = |(row, known): (PastRow, Option<Known>)| async move {
                    let known = match known {
                        Some(known) => Ok(known),
                        None => self.read(&row.name).await,
                    };
                    each(ScannedDocument { name: row.name, known: known.map(|known| self.trusted(known)) }).await
                };
                items.extend(source.each(documents.collect(), observed).await?);
            }
            Ok(items)
        };
        source.page_together(range, continuation, row, observe).await
    }

    /// Without the rows whose documents the restore has deleted: they were created again since the job began, and a page before this one
    /// had them.
    async fn not_deleted_by_restore(&self, rows: Vec<LiveRow>) -> Result<Vec<LiveRow>, Error> {
        let (Some(restore_id), Some(begun)) = (self.restore_id, self.recorded_until) else { return Ok(rows) };
        let (new, mut rest): (Vec<LiveRow>, Vec<LiveRow>) = rows.into_iter().partition(|row| row.ts >= begun);
        if new.is_empty() {
            return Ok(rest);
        }
        let names: Vec<DocumentName> = new.iter().map(|row| row.name.clone()).collect();
        let are_removed = self.history.are_removed_by(restore_id, &names).await?;
        rest.extend(new.into_iter().zip(are_removed).filter(|(_, is_removed)| !is_removed).map(|(row, _)| row));
        Ok(rest)
    }

    /// Without the rows whose documents [`Self::past`] certainly observes: their live versions were recorded when the job began, and are
    /// the newest of their documents.
    async fn not_observed_past(&self, rows: Vec<LiveRow>) -> Vec<LiveRow> {
        let Some(recorded_until) = self.recorded_until else { return rows };
        let (old, mut rest): (Vec<LiveRow>, Vec<LiveRow>) =
            rows.into_iter().partition(|row| row.ts <= self.newest_second() && self.is_of_key(&row.name.partition_key));
        let records: Vec<_> = old.iter().map(|row| (row.name.clone(), row.version.clone())).collect();
        let recorded = self.history.outlines_many(&records).await.unwrap_or_else(|error| {
            log::debug!("the versions of live documents are read one by one: {error}");
            vec![None; records.len()]
        });
        let is_certain = |recorded: &Outline| recorded.exact && recorded.lsn.is_some();
        for (row, recorded) in old.into_iter().zip(recorded) {
            match recorded.filter(|recorded| is_certain(recorded) && recorded.recorded_at <= recorded_until) {
                Some(recorded) => self.states.insert(&row.name, ScanState::RepresentedBy(Some(recorded.id))),
                None => rest.push(row),
            }
        }
        rest
    }

    /// Observes a live document; `None` when it is observed at one of its versions, or is not selected.
    async fn observe_live(&self, name: DocumentName) -> Option<ScannedDocument> {
        let known = async {
            if self.is_observed_past(&name).await? {
                return Ok(None);
            }
            let live = self.history.live(&name).await?;
            Ok(live.filter(|live| self.meets(live.document.as_ref())))
        };
        let known = known.await.transpose()?.map(|live| Known { live: Some(live), ..Known::default() });
        Some(ScannedDocument { name, known })
    }

    /// Whether [`Self::past`] observes the document at one of its versions.
    async fn is_observed_past(&self, name: &DocumentName) -> Result<bool, Error> {
        let Some(recorded_until) = self.recorded_until else { return Ok(false) };
        let versions =
            self.history.outlines_until(name, self.newest_second(), recorded_until, self.filters).await?.recorded;
        let represented_by = versions.as_ref().map(|version| version.id.clone());
        self.states.insert(name, ScanState::RepresentedBy(represented_by));
        Ok(versions.is_some_and(|version| {
            self.is_of_key(&version.partition_key) && (self.filters.is_empty() || version.is_large || version.meets)
        }))
    }

    /// Finds the rows whose versions represent their documents because they are live: no version follows them.
    async fn find_unchanged(&self, rows: &[PastRow]) {
        let is_unknown = |row: &&PastRow| row.is_certain && self.states.get(&row.name).is_none();
        let unknown: Vec<&PastRow> = rows.iter().filter(is_unknown).collect();
        let names: Vec<DocumentName> = unknown.iter().map(|row| row.name.clone()).collect();
        let live = async {
            let monitored = self.history.monitored().open().await?;
            monitored.select_many("[c._ts, c._etag]", &names).await
        };
        let live = live.await.unwrap_or_else(|error| {
            log::debug!("unchanged documents are found one by one: {error}");
            vec![None; names.len()]
        });
        let is_live = |row: &PastRow, live: Option<Value>| {
            let live: Option<(i64, String)> = live.and_then(|live| serde_json::from_value(live).ok());
            live.is_some_and(|(ts, etag)| VersionId::of_write(ts, &etag) == row.version)
        };
        for (row, _) in unknown.into_iter().zip(live).filter(|(row, live)| is_live(row, live.clone())) {
            self.states.insert(&row.name, ScanState::RepresentedBy(Some(row.version.clone())));
        }
    }

    /// The row, if its version represents its document.
    async fn represented(&self, row: PastRow) -> Result<Option<PastRow>, Error> {
        if !self.is_of_key(&row.name.partition_key) {
            return Ok(None);
        }
        let represented_by = match self.states.get(&row.name) {
            Some(ScanState::RepresentedBy(id)) => id,
            Some(ScanState::IsLive) | None => {
                let (until, recorded_until) = (self.newest_second(), self.recorded_until());
                let recorded = self.history.outlines_until(&row.name, until, recorded_until, &[]).await?.recorded;
                let id = recorded.map(|recorded| recorded.id);
                self.states.insert(&row.name, ScanState::RepresentedBy(id.clone()));
                id
            }
        };
        Ok(Some(row).filter(|row| represented_by.as_ref() == Some(&row.version)))
    }

    /// What is known of documents that are represented by these versions, read with few requests; `None` for a document that has to be
    /// read by itself.
    async fn known_of(&self, rows: &[PastRow]) -> Vec<Option<Known>> {
        self.read_together(rows).await.unwrap_or_else(|error| {
            log::debug!("documents are observed one by one: {error}");
            vec![None; rows.len()]
        })
    }

    async fn read_together(&self, rows: &[PastRow]) -> Result<Vec<Option<Known>>, Error> {
        let names: Vec<DocumentName> = rows.iter().map(|row| row.name.clone()).collect();
        let monitored = self.history.monitored().open().await?;
        let live = self.history.live_many(&monitored, &names, "live").await?;
        let mut known = vec![None; rows.len()];
        let mut changed = Vec::new();
        for (index, (row, live)) in rows.iter().zip(live).enumerate() {
            match live {
                Some(live) if live.id == row.version => {
                    let newest = Some(Some(live.clone()));
                    known[index] = Some(Known { live: Some(live), newest, is_settled: false });
                }
                live => changed.push((index, row, live)),
            }
        }
        let names: Vec<_> = changed.iter().map(|(_, row, _)| row.name.clone()).collect();
        let versions: Vec<_> = changed.iter().map(|(_, row, _)| (row.name.clone(), row.version.clone())).collect();
        let versions = self.history.versions_many(&versions).await?;
        let settled = self.history.are_settled(&names, self.newest_second(), self.recorded_until()).await?;
        for (((index, _, live), version), is_settled) in changed.into_iter().zip(versions).zip(settled) {
            let newest = version.filter(|_| is_settled).map(Some);
            known[index] = newest.map(|newest| Known { live, newest: Some(newest), is_settled });
        }
        Ok(known)
    }

    /// [`Self::known_of`] for one document.
    async fn read(&self, name: &DocumentName) -> Result<Known, Error> {
        let newest = self.history.versions_until(name, self.newest_second(), NEWEST).await?.next().await?;
        let live = self.history.live(name).await?;
        Ok(Known { live, newest: Some(newest), is_settled: false })
    }

    /// Before the horizon, another version than the newest decides the state at the target.
    fn trusted(&self, known: Known) -> Known {
        if self.horizon <= self.last_change { known } else { Known { newest: None, is_settled: false, ..known } }
    }

    fn is_of_key(&self, key: &Key) -> bool {
        self.key.is_none_or(|wanted| wanted == key)
    }

    fn recorded_until(&self) -> i64 {
        self.recorded_until.unwrap_or(i64::MAX)
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
