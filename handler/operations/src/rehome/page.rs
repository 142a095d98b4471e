//! A page of a move: some documents of the other history, and some versions of each.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use changefeed_cosmos::{
    DocumentName, Error, FieldPath, Key, KeyPath, KeyRange, key_components, read_id_and_key, retry, timestamp,
};
use changefeed_history::{History, Version, VersionId, VersionPlacer, separates_documents};
use changefeed_jobs::{Part, PartPage, Parts, Run};
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::position::{DocumentPosition, Position};
use super::rehome_record::RehomeCounts;
use super::rehomes::Rehomes;
use super::source::Source;

/// How long transient failures of a page are retried within a slice.
const PATIENCE: Duration = Duration::from_secs(20);
/// The approximate request units for a version.
const VERSION_UNITS: f64 = 20.0;
/// Documents on a page: their positions are in the job's record.
const PAGE_DOCUMENTS: usize = 50;
/// Documents whose versions are in memory at the same time in a part.
const CONCURRENT_DOCUMENTS: usize = 4;
/// Documents of a part that are remembered, so that they are moved once. One that was forgotten is read once more.
const REMEMBERED: usize = 100_000;

/// What is done with the versions that this history must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are counted.
    Count,
    /// They are stored.
    Store,
    /// They are compared with the stored ones.
    Compare,
}

/// What the pages of a phase need.
pub(super) struct Pages<'a> {
    pub rehomes: &'a Rehomes,
    pub source: &'a Source,
    pub run: &'a Run,
    pub mode: Mode,
    pub placer: VersionPlacer,
    /// The time to live of documents that have none of their own.
    pub default_ttl: Option<i64>,
    pub page_items: usize,
    pub parallel: usize,
    /// The documents that were begun.
    seen: Mutex<HashSet<String>>,
}

impl<'a> Pages<'a> {
    /// The pages of a phase.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn new(
        rehomes: &'a Rehomes,
        source: &'a Source,
        run: &'a Run,
        mode: Mode,
        is_new_key: bool,
    ) -> Result<Self, Error> {
        let (page_items, parallel) = rehomes.jobs.options().within(run.ru_per_second(), VERSION_UNITS);
        let (monitored, changes) = (rehomes.history.monitored().open().await?, rehomes.history.changes().open().await?);
        let placer = VersionPlacer {
            key_paths: monitored.key_paths().to_vec(),
            is_new_key,
            separates_documents: separates_documents(changes.key_paths()),
            captured_by: run.id(),
            captured_at: timestamp(DateTime::from_timestamp_secs(run.second()).unwrap_or_default()),
        };
        let default_ttl = monitored.default_ttl();
        Ok(Self { rehomes, source, run, mode, placer, default_ttl, page_items, parallel, seen: Mutex::default() })
    }

    /// Moves or compares the next versions of a part; `None` when the run is stopping.
    pub(super) async fn page(&self, parts: &Parts, part: Part) -> Result<Option<PartPage<RehomeCounts>>, Error> {
        self.run.pace().await;
        if self.run.is_stopping() {
            return Ok(None);
        }
        let deadline = Instant::now() + self.patience();
        let erased = Box::pin(self.rehomes.history.erased().current(deadline)).await?;
        let mut position = Position::read(part.continuation.as_deref())?;
        let mut counts = RehomeCounts::default();
        if position.unfinished.is_empty() {
            let (documents, unreadable, next) = self.documents(&parts.range(&part), position.next.as_deref()).await?;
            (position.is_last, position.next) = (next.is_none(), next);
            position.unfinished = documents.into_iter().map(DocumentPosition::first).collect();
            counts.add(unreadable);
        }
        let mut documents = std::mem::take(&mut position.unfinished);
        // The record of the job must not name a document that was erased meanwhile.
        let found = documents.len();
        documents.retain(|document| !document.names().iter().any(|name| erased.contains(name)));
        if self.mode != Mode::Compare {
            counts.erased += (found - documents.len()) as u64;
        }
        let wanted = self.page_items.div_ceil(documents.len().max(1));
        let moved = futures::stream::iter(documents).map(|document| async move {
            if self.run.is_stopping() {
                return Ok((RehomeCounts::default(), Some(document)));
            }
            retry(deadline, || self.step(document.clone(), wanted)).await
        });
        let moved: Vec<_> = moved.buffered(CONCURRENT_DOCUMENTS).try_collect().await?;
        for (of_document, unfinished) in moved {
            counts.documents += u64::from(unfinished.is_none() && self.mode != Mode::Compare);
            counts.add(of_document);
            position.unfinished.extend(unfinished);
        }
        let erased = Box::pin(self.rehomes.history.erased().current(Instant::now() + self.patience())).await?;
        position.unfinished.retain(|document| !document.names().iter().any(|name| erased.contains(name)));
        Ok(Some(PartPage { continuation: position.write()?, is_numbered: false, was_begun: false, result: counts }))
    }

    /// The next versions of a document. Returns where the following ones begin.
    async fn step(
        &self,
        document: DocumentPosition,
        wanted: usize,
    ) -> Result<(RehomeCounts, Option<DocumentPosition>), Error> {
        match &self.source.flat {
            Some(flat) => Ok((self.move_copies(flat, &document.document).await?, None)),
            None => self.move_versions(document, wanted).await,
        }
    }

    /// The documents of a page that were not begun, what is not readable, and where the next page begins.
    async fn documents(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<DocumentName>, RehomeCounts, Option<String>), Error> {
        let changes = self.source.history.changes().open().await?;
        let key_paths = &self.placer.key_paths;
        let select = match &self.source.flat {
            Some(flat) => {
                let id = FieldPath::property(&flat.id_field).query_properties().concat();
                // The copy has an id of its own.
                let component = |path: &KeyPath| match path.is_property("id") {
                    true => format!(", {{k: c{id}}}"),
                    false => key_components(std::slice::from_ref(path)),
                };
                let components: String = key_paths.iter().map(component).collect();
                format!("SELECT VALUE {{id: c.id, name: [c{id}{components}]}} FROM c")
            }
            None => {
                "SELECT c.id, c.sourceId, c.sourceTs, c.partitionKey FROM c WHERE NOT IS_DEFINED(c.partOf)".to_owned()
            }
        };
        let items = u32::try_from(self.page_items.min(PAGE_DOCUMENTS)).ok().and_then(NonZeroU32::new);
        let items = items.unwrap_or(NonZeroU32::MIN);
        let deadline = Instant::now() + self.patience();
        let none = Map::new();
        let page = retry(deadline, || changes.query_range(&select, &none, range, items, continuation)).await?;
        let (mut documents, mut counts) = (Vec::new(), RehomeCounts::default());
        if self.mode != Mode::Compare {
            counts.records = page.items.len() as u64;
        }
        for row in page.items {
            let name = match &self.source.flat {
                Some(_) => read_id_and_key(&row["name"], key_paths).ok(),
                None => name_of_version(&row),
            };
            match name {
                Some(name) if self.is_first(&name) => documents.push(name),
                Some(_) => {}
                None if self.mode == Mode::Compare => {}
                None => {
                    counts.unreadable += 1;
                    counts.name(format!("item {} of container {} does not name a document", row["id"], changes.name()));
                }
            }
        }
        Ok((documents, counts, page.continuation))
    }

    /// Whether a document is seen for the first time.
    fn is_first(&self, name: &DocumentName) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(name.to_index_key())
    }

    /// Counts, stores or compares versions that this history must have.
    pub(super) async fn put(&self, versions: Vec<Version>) -> Result<RehomeCounts, Error> {
        let deadline = Instant::now() + self.patience();
        let erased = Box::pin(self.rehomes.history.erased().current(deadline)).await?;
        let found = versions.len();
        let mut versions: Vec<Version> =
            versions.into_iter().filter(|version| !erased.contains(&version.document_name())).collect();
        // With the new partition key, the document has another name.
        let is_erased = versions.len() < found;
        let (rules, found) = (self.rehomes.history.rules().await?, versions.len());
        versions.retain(|version| !rules.excludes(&version.document_name()));
        let excluded = (found - versions.len()) as u64;
        let versions: Vec<Version> =
            versions.into_iter().map(|version| self.rehomes.history.as_recorded(version)).collect();
        let mut counts = match self.mode {
            Mode::Store => self.store(&versions, deadline).await?,
            Mode::Count => {
                let stored = read_stored(&self.rehomes.history, &versions).await?;
                let here = stored.iter().flatten().count() as u64;
                RehomeCounts { versions: versions.len() as u64 - here, already_stored: here, ..RehomeCounts::default() }
            }
            Mode::Compare => return self.compare(&versions).await,
        };
        counts.erased += u64::from(is_erased);
        counts.excluded += excluded;
        Ok(counts)
    }

    async fn store(&self, versions: &[Version], deadline: Instant) -> Result<RehomeCounts, Error> {
        let mut counts = RehomeCounts::default();
        let concurrency = (self.rehomes.concurrency / (self.parallel * CONCURRENT_DOCUMENTS)).max(1);
        for stored in self.rehomes.history.store_versions(versions, concurrency, deadline).await? {
            match stored? {
                Some(_) => counts.versions += 1,
                None => counts.already_stored += 1,
            }
        }
        Ok(counts)
    }

    async fn compare(&self, versions: &[Version]) -> Result<RehomeCounts, Error> {
        let mut counts = RehomeCounts { compared: versions.len() as u64, ..RehomeCounts::default() };
        let stored = read_stored(&self.rehomes.history, versions).await?;
        for (version, stored) in versions.iter().zip(stored) {
            match stored {
                Some(stored) if stored.has_same_content(version) => {}
                Some(_) => {
                    counts.different += 1;
                    counts.name(format!("version {} is here with another content", version.id));
                }
                None => {
                    counts.missing += 1;
                    counts.name(format!("version {} is not here, or cannot be read", version.id));
                }
            }
        }
        Ok(counts)
    }

    /// How long transient failures are retried: no longer than an erasure waits for writes.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.rehomes.history.erased().options().longest_write)
    }
}

async fn read_stored(history: &History, versions: &[Version]) -> Result<Vec<Option<Version>>, Error> {
    let names: Vec<(DocumentName, VersionId)> =
        versions.iter().map(|version| (version.document_name(), version.id.clone())).collect();
    history.versions_many(&names).await
}

fn name_of_version(row: &Value) -> Option<DocumentName> {
    let partition_key = Key::deserialize(&row["partitionKey"]).ok()?;
    row["sourceTs"].as_i64()?;
    Some(DocumentName { id: row["sourceId"].as_str()?.to_owned(), partition_key })
}
