//! Collects the documents and deletions of a page.

use std::num::NonZeroU32;

use changefeed_backup_format::{BackupDocument, BackupHeader, Content, Deletion, FeedPosition, Line};
use changefeed_cosmos::{DocumentName, Error, Key, KeyPath, KeyRange};
use changefeed_history::{AsOf, CheckedRules, Filter, Known, Version, matches_all};
use changefeed_jobs::{Found, ItemPlaces, Part};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::backup_record::BackupCounts;
use super::backups::Backups;
use super::format_conversions::{backup_document, key_components};
use super::page_sizer::PageSizer;
use crate::scan::{DocumentScan, RecentStates, ScannedDocument};

/// The documents that are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    /// The live documents.
    Live,
    /// The documents in the history, by their versions.
    Past,
    /// The deletes and expiries that the history has recorded since the earlier backup.
    Removals,
    /// The change feed since the earlier backup.
    Feed,
}

/// Collects pages of a backup.
pub(super) struct Collector<'a> {
    pub backups: &'a Backups,
    pub header: &'a BackupHeader,
    /// The filters of the header.
    pub filters: &'a [Filter],
    /// What is never stored: excluded documents are in no backup, because their deletes would not be.
    pub rules: &'a CheckedRules,
    /// See [`DocumentScan::horizon`].
    pub horizon: i64,
    /// See [`DocumentScan::recorded_until`].
    pub recorded_until: Option<i64>,
    pub page_items: usize,
    pub places: ItemPlaces,
    pub states: &'a RecentStates,
    pub sizer: &'a PageSizer,
}

/// The content of a page.
pub(super) struct Collected {
    pub lines: Vec<Line>,
    /// The documents that have no line, and those whose line is inexact.
    pub counts: BackupCounts,
    pub next: Option<String>,
    pub processed: u64,
}

/// The outcome for a document.
enum Entry {
    Line(Line),
    /// A document whose date-time strings may have been rewritten.
    Inexact(BackupDocument),
    /// The history does not reach back to the requested time.
    Unknown,
}

impl Collector<'_> {
    /// Whether the backup compares all documents and has the phase [`Phase::Past`].
    pub(super) fn has_past(&self) -> bool {
        let is_incremental = self.header.incremental_from.is_some() && self.feed().is_none();
        matches!(self.header.content, Content::AsOf { .. }) || is_incremental
    }

    /// The position from which an incremental backup reads the change feed; none if it compares all documents, or is a full one.
    pub(super) fn feed(&self) -> Option<&FeedPosition> {
        self.header.incremental_from.as_ref().and_then(|earlier| earlier.feed.as_ref())
    }

    /// The phase after this one.
    pub(super) fn phase_after(&self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::Live if self.has_past() => Some(Phase::Past),
            // The feed comes last: it has a document that was created again after its delete was read.
            Phase::Removals => Some(Phase::Feed),
            Phase::Live | Phase::Past | Phase::Feed => None,
        }
    }

    /// Collects the next page of a part.
    ///
    /// # Errors
    /// When the containers cannot be read, and when the retention may have removed versions that the page needs.
    pub(super) async fn page(&self, phase: Phase, range: &KeyRange, part: &Part) -> Result<Collected, Error> {
        let continuation = part.continuation.as_deref();
        if phase == Phase::Live && matches!(self.header.content, Content::Live {}) {
            return self.live(range, continuation).await;
        }
        if phase == Phase::Removals {
            return self.removals(range, continuation).await;
        }
        let scan = self.scan();
        let scan = &scan;
        let each = |scanned: ScannedDocument| self.entry(scanned).boxed();
        let found = match phase {
            Phase::Live => scan.live(range, continuation, each).await?,
            _ => scan.past(range, continuation, each).await?,
        };
        self.check_horizon().await?;
        let collected = collected(found);
        self.sizer.record(collected.lines.iter().map(size));
        Ok(collected)
    }

    fn scan(&self) -> DocumentScan<'_> {
        DocumentScan {
            history: &self.backups.history,
            // A document that no longer meets the filter is a deletion, so all are read.
            filters: if self.since().is_some() { &[] } else { self.filters },
            key: None,
            last_change: self.last_change(),
            horizon: self.horizon,
            recorded_until: self.recorded_until,
            restore_id: None,
            page_items: self.sizer.page_items(self.page_items),
            places: self.places.clone(),
            states: self.states,
        }
    }

    /// The second since 1970 from which on an incremental backup has changes.
    pub(super) fn since(&self) -> Option<i64> {
        self.header.incremental_from.as_ref().map(|earlier| earlier.since.time().timestamp())
    }

    fn last_change(&self) -> i64 {
        match self.header.content {
            Content::Live {} => i64::MAX,
            Content::AsOf { moment } => moment.time().timestamp(),
        }
    }

    /// Fails when the retention may have removed versions that the page needs: it announces a horizon before it removes.
    async fn check_horizon(&self) -> Result<(), Error> {
        let announced = self.backups.history.horizon().await?;
        if announced == self.horizon || announced <= self.last_change() {
            return Ok(());
        }
        Err(Error::invalid(
            "backing up",
            "versions of the requested time are being removed by the retention; use a later time",
        ))
    }

    /// Reads a page of live documents.
    async fn live(&self, range: &KeyRange, continuation: Option<&str>) -> Result<Collected, Error> {
        let monitored = self.backups.history.monitored().open().await?;
        let mut parameters = Map::new();
        let conditions: Vec<String> = match self.since() {
            Some(since) => {
                parameters.insert("@since".to_owned(), json!(since));
                vec!["c._ts >= @since".to_owned()]
            }
            None => self.filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect(),
        };
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let query = format!("SELECT * FROM c{condition}");
        let max_items = NonZeroU32::new(self.page_items as u32).unwrap_or(NonZeroU32::MIN);
        let page = monitored.query_range(&query, &parameters, range, max_items, continuation).await?;
        let processed = page.items.len() as u64;
        let mut lines = Vec::new();
        for document in page.items {
            lines.extend(self.live_line(document, monitored.key_paths())?);
        }
        Ok(Collected { lines, counts: BackupCounts::default(), next: page.continuation, processed })
    }

    pub(super) fn live_line(&self, document: Value, key_paths: &[KeyPath]) -> Result<Option<Line>, Error> {
        let name = || -> Result<DocumentName, Error> {
            let id = document["id"].as_str().unwrap_or_default().to_owned();
            Ok(DocumentName { id, partition_key: Key::of(&document, key_paths)? })
        };
        if self.rules.has_filter() && self.rules.excludes(&name()?) {
            return Ok(None);
        }
        if matches_all(self.filters, &document) {
            let id = document["id"].clone();
            let document = BackupDocument::from_live(document)
                .map_err(|message| Error::corrupt(format!("backing up document {id}"), message))?;
            return Ok(Some(Line::Document(document)));
        }
        if self.since().is_none() {
            return Ok(None);
        }
        Ok(Some(Line::Deletion(deletion(name()?, None))))
    }

    async fn entry(&self, scanned: ScannedDocument) -> Result<Option<Entry>, Error> {
        let (name, known) = (scanned.name, scanned.known?);
        if self.rules.excludes(&name) {
            return Ok(None);
        }
        match self.header.content {
            Content::Live {} => Ok(self.gone(name, known).map(|deletion| Entry::Line(Line::Deletion(deletion)))),
            Content::AsOf { moment } => self.as_of(name, known, moment.time().timestamp()).await,
        }
    }

    /// The deletion of a document that is not live, if the earlier backup may contain it.
    fn gone(&self, name: DocumentName, known: Known) -> Option<Deletion> {
        let newest = known.newest.flatten();
        let since = self.since().unwrap_or(i64::MIN);
        let ended_at = newest.as_ref().and_then(ended_at);
        if known.live.is_some() || ended_at.is_some_and(|ended_at| ended_at < since) {
            return None;
        }
        // The earlier backup does not contain a document that did not meet the filter.
        let was_selected = newest.as_ref().is_none_or(|newest| {
            newest.source_ts >= since
                || newest.document.as_ref().is_some_and(|document| matches_all(self.filters, document))
        });
        was_selected.then(|| deletion(name, ended_at))
    }

    async fn as_of(&self, name: DocumentName, known: Known, second: i64) -> Result<Option<Entry>, Error> {
        let state = self.backups.history.state_from(&name, known, second, second, self.horizon).await?;
        Ok(match state {
            AsOf::Version { version, .. } => {
                let is_selected = version.document.as_ref().is_some_and(|document| matches_all(self.filters, document));
                match self.since() {
                    Some(since) if version.source_ts < since => None,
                    Some(_) if !is_selected => Some(Entry::Line(Line::Deletion(deletion(name, None)))),
                    None if !is_selected => None,
                    _ => Some(document(&version)?),
                }
            }
            AsOf::Absent { .. } if self.since().is_some() => Some(Entry::Line(Line::Deletion(deletion(name, None)))),
            AsOf::Absent { .. } => None,
            AsOf::Unknown { .. } => Some(Entry::Unknown),
        })
    }
}

fn document(version: &Version) -> Result<Entry, Error> {
    let document = backup_document(version)?;
    Ok(if version.exact { Entry::Line(Line::Document(document)) } else { Entry::Inexact(document) })
}

fn size(line: &Line) -> usize {
    match line {
        Line::Document(document) => document.line_bytes(),
        Line::Deletion(_) => 0,
    }
}

pub(super) fn deletion(name: DocumentName, deleted_ts: Option<i64>) -> Deletion {
    Deletion { id: name.id, partition_key: key_components(name.partition_key), deleted_ts }
}

/// When a document that does not exist was removed or expired, if its newest version shows it.
fn ended_at(newest: &Version) -> Option<i64> {
    if newest.operation.is_removal() { Some(newest.source_ts) } else { newest.expires_at }
}

/// The lines and counts of the entries of a page.
fn collected(found: Found<Entry>) -> Collected {
    let mut counts = BackupCounts::default();
    let line = |entry: Entry| match entry {
        Entry::Line(line) => Some(line),
        Entry::Inexact(document) => {
            counts.inexact += 1;
            Some(Line::Document(document))
        }
        Entry::Unknown => {
            counts.unknown += 1;
            None
        }
    };
    let lines = found.items.into_iter().filter_map(line).collect();
    Collected { lines, counts, next: found.next, processed: found.processed }
}
