//! The first and second phase: reads the live documents and the versions, and returns suspicions.

use changefeed_cosmos::{DocumentName, Error, Key, KeyRange};
use changefeed_history::{
    CheckedRules, DeadLetters, ErasedSet, History, Outline, UNKNOWN_IDENTITY, VersionId, outline_fields,
};
use changefeed_jobs::{Found, ItemPlaces, PagedQuery};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::finding::{Finding, FindingKind};
use crate::scan::{LiveRow, RecentStates, ScanState, query_versions, select_live};

/// Checks pages of documents and versions.
pub(super) struct Check<'a> {
    /// The documents that are erased: their history is to be empty.
    pub erased: &'a ErasedSet,
    /// What is never stored: excluded documents have no history.
    pub rules: &'a CheckedRules,
    pub history: &'a History,
    pub dead_letters: &'a DeadLetters,
    /// The partition key value that the check is limited to.
    pub key: Option<&'a Key>,
    /// The grace time: how long capture may lag, in seconds.
    pub grace: i64,
    pub page_items: usize,
    /// The places for rows that are checked concurrently.
    pub places: ItemPlaces,
    pub states: &'a RecentStates,
    /// Limits the large versions that are read concurrently.
    pub large: &'a Semaphore,
}

/// The outcome for a row.
pub(super) enum Suspicion {
    /// Findings that have to be confirmed.
    Suspected(Vec<Finding>),
    /// It is too early to judge: capture may lag.
    Pending,
}

/// Whether the history has a version.
pub(super) enum Presence {
    /// It is stored exactly.
    Exact(Outline),
    /// It is stored with values that may have been rewritten.
    Inexact,
    /// It is not stored.
    Absent,
}

impl Presence {
    /// The presence of a version, from the stored versions of its second.
    pub(super) fn of(id: &str, outlines: Vec<Outline>) -> Self {
        let mut records = outlines.into_iter().filter(|outline| outline.id.plain() == id).peekable();
        if records.peek().is_none() {
            return Self::Absent;
        }
        records.find(|outline| outline.exact).map_or(Self::Inexact, Self::Exact)
    }
}

impl Check<'_> {
    /// Reads a page of the dead letters of a range that are changes of an unknown document.
    pub(super) async fn letters(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<Found<Suspicion>, Error> {
        let container = self.dead_letters.open().await?;
        let source = PagedQuery {
            container: &container,
            select: "SELECT VALUE c.id".to_owned(),
            conditions: vec!["c.reason = @reason".to_owned()],
            parameters: Map::from_iter([("@reason".to_owned(), json!(UNKNOWN_IDENTITY))]),
            key: None,
            page_items: self.page_items,
            places: self.places.clone(),
        };
        let suspicion = async |id: Value| {
            let unknown = DocumentName { id: String::new(), partition_key: Key::new(Vec::new()) };
            let letter = VersionId::from(id.as_str().unwrap_or_default());
            Ok(Some(Suspicion::Suspected(vec![Finding::new(FindingKind::UnknownIdentity, &unknown, &letter)])))
        };
        source.page(range, continuation, Ok, suspicion).await
    }

    /// Checks a page of the live documents of a range.
    pub(super) async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<Suspicion>, Error> {
        let monitored = self.history.monitored().open().await?;
        let paths = monitored.key_paths();
        let source = PagedQuery {
            container: &monitored,
            select: select_live(paths),
            conditions: Vec::new(),
            parameters: Map::new(),
            key: self.key.cloned(),
            page_items: self.page_items,
            places: self.places.clone(),
        };
        let each = &source;
        let suspect = |rows: Vec<LiveRow>| async move {
            let rows = self.not_stored_exactly(rows).await;
            each.each(rows, |row| self.suspect_live(row)).await
        };
        source.page_together(range, continuation, |row| LiveRow::read(&row, paths), suspect).await
    }

    /// Without the rows whose versions are stored exactly, which are found with few requests.
    async fn not_stored_exactly(&self, rows: Vec<LiveRow>) -> Vec<LiveRow> {
        let rows: Vec<LiveRow> = rows.into_iter().filter(|row| !self.is_left_out(&row.name)).collect();
        let versions: Vec<_> = rows.iter().map(|row| (row.name.clone(), row.version.clone())).collect();
        match self.history.outlines_many(&versions).await {
            Ok(stored) => {
                let is_exact = |stored: &Option<Outline>| stored.as_ref().is_some_and(|stored| stored.exact);
                rows.into_iter().zip(stored).filter(|(_, stored)| !is_exact(stored)).map(|(row, _)| row).collect()
            }
            Err(error) => {
                log::debug!("the versions of documents are read one by one: {error}");
                rows
            }
        }
    }

    /// Whether the history of a document is not looked at.
    fn is_left_out(&self, name: &DocumentName) -> bool {
        self.erased.contains(name) || self.rules.excludes(name)
    }

    async fn suspect_live(&self, row: LiveRow) -> Result<Option<Suspicion>, Error> {
        let suspected = |kind| Ok(Some(Suspicion::Suspected(vec![Finding::new(kind, &row.name, &row.version)])));
        match Presence::of(&row.version, self.history.outlines_at(&row.name, row.ts).await?) {
            Presence::Exact(_) => Ok(None),
            Presence::Inexact => suspected(FindingKind::Inexact),
            Presence::Absent if self.history.clock().second().await? - row.ts < self.grace => {
                Ok(Some(Suspicion::Pending))
            }
            Presence::Absent if self.history.last_outline(&row.name).await?.is_some() => {
                suspected(FindingKind::Missing)
            }
            Presence::Absent => suspected(FindingKind::NeverCaptured),
        }
    }

    /// Checks a page of the versions of a range.
    pub(super) async fn past(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Found<Suspicion>, Error> {
        let changes = self.history.changes().open().await?;
        let (page_items, places) = (self.page_items, self.places.clone());
        let mut source = PagedQuery { page_items, places, ..query_versions(&changes, outline_fields(), self.key) };
        // Items that hold a part of a version have no time.
        source.conditions.push("IS_DEFINED(c.sourceTs)".to_owned());
        let each = &source;
        let suspect = |rows: Vec<Value>| async move {
            self.find_live(&rows).await;
            each.each(rows, |row| self.suspect_version(row)).await
        };
        source.page_together(range, continuation, Ok, suspect).await
    }

    /// Finds out with few requests which of the documents of these versions are live.
    async fn find_live(&self, rows: &[Value]) {
        let versions = rows.iter().filter_map(|row| Outline::deserialize(row).ok());
        let versions = versions.filter(|version| !version.operation.is_removal());
        let names =
            versions.map(|version| DocumentName { id: version.source_id, partition_key: version.partition_key });
        let names: Vec<DocumentName> = names.filter(|name| self.states.get(name).is_none()).collect();
        let live = async { self.history.monitored().open().await?.select_many("true", &names).await };
        match live.await {
            Ok(live) => {
                for (name, _) in names.iter().zip(live).filter(|(_, live)| live.is_some()) {
                    self.states.insert(name, ScanState::IsLive);
                }
            }
            Err(error) => log::debug!("documents are looked up one by one: {error}"),
        }
    }

    async fn suspect_version(&self, row: Value) -> Result<Option<Suspicion>, Error> {
        let version = match Outline::deserialize(&row) {
            Ok(version) => version,
            Err(error) => {
                let name = DocumentName {
                    id: row["sourceId"].as_str().unwrap_or_default().to_owned(),
                    partition_key: Key::deserialize(&row["partitionKey"]).unwrap_or_else(|_| Key::new(Vec::new())),
                };
                let id = VersionId::from(row["id"].as_str().unwrap_or_default());
                let finding = Finding::new(FindingKind::Incomplete, &name, &id).with_message(error.to_string());
                return Ok(Some(Suspicion::Suspected(vec![finding])));
            }
        };
        let name = DocumentName { id: version.source_id.clone(), partition_key: version.partition_key.clone() };
        if self.key.is_some_and(|key| *key != name.partition_key) || self.is_left_out(&name) {
            return Ok(None);
        }
        let mut findings = Vec::new();
        if let Some(message) = self.damage(&name, &version).await? {
            findings.push(Finding::new(FindingKind::Incomplete, &name, &version.id).with_message(message));
        }
        if self.is_gone(&name, &version).await? {
            findings.push(Finding::new(FindingKind::Gone, &name, &version.id));
        }
        Ok((!findings.is_empty()).then_some(Suspicion::Suspected(findings)))
    }

    /// What is wrong with a version. A large version is read back; any other one only needs a document.
    async fn damage(&self, name: &DocumentName, version: &Outline) -> Result<Option<String>, Error> {
        if version.is_large {
            let _permit = self.large.acquire().await;
            return Ok(self.history.read_back(name, &version.id).await?.and_then(Result::err));
        }
        let is_whole = version.is_plain || version.operation.is_removal();
        Ok((!is_whole).then(|| "it has no document".to_owned()))
    }

    /// Whether this is the newest version of a document, the document should exist, and it does not.
    async fn is_gone(&self, name: &DocumentName, version: &Outline) -> Result<bool, Error> {
        let has_expired = match version.expires_at {
            Some(expires) => expires <= self.history.clock().second().await?,
            None => false,
        };
        if version.operation.is_removal() || has_expired {
            return Ok(false);
        }
        match self.states.get(name) {
            Some(ScanState::IsLive) => return Ok(false),
            Some(ScanState::RepresentedBy(id)) if id.as_ref() != Some(&version.id) => return Ok(false),
            Some(ScanState::RepresentedBy(_)) | None => {}
        }
        if self.history.live(name).await?.is_some() {
            self.states.insert(name, ScanState::IsLive);
            return Ok(false);
        }
        let last = self.history.last_outline(name).await?.map(|last| last.id);
        self.states.insert(name, ScanState::RepresentedBy(last.clone()));
        Ok(last.as_ref() == Some(&version.id))
    }
}
