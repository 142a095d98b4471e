//! Collects a page of documents and deletions.

use std::num::NonZeroU32;

use changefeed_backup_format::{BackupDocument, BackupHeader, Content, Deletion, Line};
use futures::FutureExt;
use serde_json::{Map, Value, json};

use super::backups::Backups;
use super::cursor::Phase;
use super::fit::Fit;
use super::record::BackupCounts;
use crate::backup::convert::{backup_document, key_components};
use crate::scan::{Candidate, Met, Scan, Seen};
use changefeed_cosmos::DocumentName;
use changefeed_cosmos::{Error, Key, KeyRange};
use changefeed_history::AsOf;
use changefeed_history::Version;
use changefeed_history::{Filter, matches_all};
use changefeed_jobs::Found;
use changefeed_jobs::Part;

/// What a page is collected by.
pub(super) struct Collector<'a> {
    pub backups: &'a Backups,
    pub header: &'a BackupHeader,
    /// The filters of the header.
    pub filters: &'a [Filter],
    pub horizon: i64,
    pub recorded_until: Option<i64>,
    pub page_items: usize,
    pub concurrency: usize,
    pub seen: &'a Seen,
    pub fit: &'a Fit,
}

/// A page of a backup.
pub(super) struct Collected {
    pub lines: Vec<Line>,
    /// Of those that are in no line, or in one with a doubt.
    pub counts: BackupCounts,
    pub next: Option<String>,
    pub processed: u64,
}

/// What becomes of a document.
enum Entry {
    Line(Line),
    /// A document that may have been rewritten.
    Inexact(BackupDocument),
    Unknown,
}

impl Collector<'_> {
    /// Whether documents that are not live are looked for.
    pub(super) fn has_past(&self) -> bool {
        matches!(self.header.content, Content::AsOf { .. }) || self.header.incremental_from.is_some()
    }

    pub(super) async fn page(&self, phase: Phase, range: &KeyRange, part: &Part) -> Result<Collected, Error> {
        let continuation = part.continuation.as_deref();
        if phase == Phase::Live && matches!(self.header.content, Content::Live {}) {
            return self.live(range, continuation).await;
        }
        let scan = self.scan();
        let scan = &scan;
        let each = |candidate: Candidate| {
            let entry = async move {
                match scan.meet(candidate).await? {
                    Some(met) => self.entry(met).await,
                    None => Ok(None),
                }
            };
            entry.boxed()
        };
        let found = match phase {
            Phase::Live => scan.live(range, continuation, each).await?,
            Phase::Past => scan.past(range, continuation, each).await?,
        };
        self.believe().await?;
        let collected = collected(found);
        self.fit.note(collected.lines.iter().map(size));
        Ok(collected)
    }

    fn scan(&self) -> Scan<'_> {
        Scan {
            history: &self.backups.history,
            // What met the conditions before and does not any more is a deletion.
            filters: if self.since().is_some() { &[] } else { self.filters },
            key: None,
            last_change: self.last_change(),
            horizon: self.horizon,
            recorded_until: self.recorded_until,
            page_items: self.fit.items(self.page_items),
            concurrency: self.concurrency,
            seen: self.seen,
        }
    }

    /// The first second of changes that an incremental backup has.
    fn since(&self) -> Option<i64> {
        self.header.incremental_from.as_ref().map(|earlier| earlier.since.time().timestamp())
    }

    fn last_change(&self) -> i64 {
        match self.header.content {
            Content::Live {} => i64::MAX,
            Content::AsOf { moment } => moment.time().timestamp(),
        }
    }

    /// Fails when versions that were counted on may have been removed meanwhile; that is announced before.
    async fn believe(&self) -> Result<(), Error> {
        let announced = self.backups.history.horizon().await?;
        if announced == self.horizon || announced <= self.last_change() {
            return Ok(());
        }
        Err(Error::invalid(
            "backing up",
            "versions of the moment are being removed by the retention; choose a later moment",
        ))
    }

    /// A page of live documents, as they are.
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

    fn live_line(&self, document: Value, key_paths: &[String]) -> Result<Option<Line>, Error> {
        if matches_all(self.filter(), &document) {
            let document =
                BackupDocument::from_live(document).map_err(|message| Error::invalid("backing up", message))?;
            return Ok(Some(Line::Document(document)));
        }
        if self.since().is_none() {
            return Ok(None);
        }
        let partition_key = key_components(Key::of(&document, key_paths)?);
        let id = document["id"].as_str().unwrap_or_default().to_owned();
        Ok(Some(Line::Deletion(Deletion { id, partition_key, deleted_ts: None })))
    }

    fn filter(&self) -> &[Filter] {
        self.filters
    }

    async fn entry(&self, met: Met) -> Result<Option<Entry>, Error> {
        match self.header.content {
            Content::Live {} => Ok(self.gone(met).map(|deletion| Entry::Line(Line::Deletion(deletion)))),
            Content::AsOf { moment } => self.as_of(met, moment.time().timestamp()).await,
        }
    }

    /// A document that is not live, if the earlier backup may hold it.
    fn gone(&self, met: Met) -> Option<Deletion> {
        let newest = met.newest.flatten();
        let since = self.since().unwrap_or(i64::MIN);
        let end = newest.as_ref().and_then(end);
        if met.live.is_some() || end.is_some_and(|end| end < since) {
            return None;
        }
        // What did not meet the conditions before is not in the earlier backup.
        let was_meant = newest.as_ref().is_none_or(|newest| {
            newest.source_ts >= since
                || newest.document.as_ref().is_some_and(|document| matches_all(self.filter(), document))
        });
        was_meant.then(|| deletion(met.name, end))
    }

    async fn as_of(&self, met: Met, second: i64) -> Result<Option<Entry>, Error> {
        let Met { name, live, newest } = met;
        let state = self.backups.history.state_from(&name, newest, live, second, second, self.horizon).await?;
        Ok(match state {
            AsOf::Version { version, .. } => {
                let is_meant = version.document.as_ref().is_some_and(|document| matches_all(self.filter(), document));
                match self.since() {
                    Some(since) if version.source_ts < since => None,
                    Some(_) if !is_meant => Some(Entry::Line(Line::Deletion(deletion(name, None)))),
                    None if !is_meant => None,
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

fn deletion(name: DocumentName, deleted_ts: Option<i64>) -> Deletion {
    Deletion { id: name.id, partition_key: key_components(name.partition_key), deleted_ts }
}

/// When a document that is gone went, as far as its newest version tells.
fn end(newest: &Version) -> Option<i64> {
    if newest.operation.is_removal() { Some(newest.source_ts) } else { newest.expires_at }
}

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
