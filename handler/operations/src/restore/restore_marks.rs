//! Which versions were written by restores, as their records say.
//!
//! The stamp of a restored document does not say it: later edits carry it along, and a document can be restored without one. A version was
//! written by a restore if the restore's record has its etag. So the records of the restores that were at work at the time are read.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use changefeed_cosmos::{Error, ErrorKind, timestamp};
use changefeed_history::VersionId;
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::planned_item::PlannedItem;
use super::restore_page::{PAGE_KIND, StoredItem};
use super::restores::Restores;

/// Records that are read at a time.
const CONCURRENT_READS: usize = 8;
/// Seconds by which the clock of the one who restored may differ from the service's.
const CLOCK_DIFFERENCE: i64 = 300;

/// The restore that wrote a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestoreMark {
    /// The id of the restore.
    pub restore: String,
    /// Who requested it.
    pub requested_by: Option<String>,
}

/// The versions that restores wrote.
#[derive(Debug, Default)]
pub(crate) struct RestoreMarks {
    restores: Vec<RestoreMark>,
    /// The index of the restore that wrote a version with this etag, which has no quotes.
    by_etag: HashMap<String, usize>,
}

impl RestoreMarks {
    /// Whether no restore was at work.
    pub(crate) fn is_empty(&self) -> bool {
        self.restores.is_empty()
    }

    /// The restore that wrote a version; `None` if none did.
    pub(crate) fn of(&self, version: &VersionId) -> Option<&RestoreMark> {
        match version.etag() {
            Some(etag) => self.by_etag.get(etag).and_then(|index| self.restores.get(*index)),
            None => self.restores.iter().find(|mark| version.is_removal_by(&mark.restore)),
        }
    }
}

/// The times of a restore in its record, RFC 3339.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    id: String,
    started_at: String,
    #[serde(default)]
    finished_at: Option<String>,
}

impl Times {
    /// Whether the restore may have written at one of these times, in seconds since 1970.
    fn overlap(&self, times: &[RangeInclusive<i64>]) -> bool {
        let second = |text: &str| DateTime::parse_from_rfc3339(text).map(|time| time.timestamp()).ok();
        let start = second(&self.started_at).map_or(i64::MIN, |start| start - CLOCK_DIFFERENCE);
        let end = self.finished_at.as_deref().and_then(second).map_or(i64::MAX, |end| end + CLOCK_DIFFERENCE);
        times.iter().any(|time| start <= *time.end() && *time.start() <= end)
    }
}

impl Restores {
    /// The properties that restores set in the documents that they write.
    pub(crate) fn stamp(&self) -> Vec<String> {
        self.stamp_fields().map(str::to_owned).collect()
    }

    /// What restores wrote to the monitored container at these times, in seconds since 1970. Each record is read once.
    ///
    /// # Errors
    /// When the jobs container cannot be read, or a record is damaged.
    pub(crate) async fn marks(&self, times: &[RangeInclusive<i64>]) -> Result<RestoreMarks, Error> {
        let (Some(first), Some(last)) =
            (times.iter().map(|time| *time.start()).min(), times.iter().map(|time| *time.end()).max())
        else {
            return Ok(RestoreMarks::default());
        };
        let text = |second: i64, otherwise: &str| {
            DateTime::from_timestamp(second, 0).map_or_else(|| otherwise.to_owned(), timestamp)
        };
        let parameters = Map::from_iter([
            ("@first".to_owned(), json!(text(first.saturating_sub(CLOCK_DIFFERENCE), "0"))),
            ("@last".to_owned(), json!(text(last.saturating_add(CLOCK_DIFFERENCE), "9999"))),
        ]);
        let query = "SELECT VALUE {id: c.id, startedAt: c.startedAt, finishedAt: c.finishedAt} FROM c WHERE c.kind = 'restore' \
                     AND c.state != 'planned' AND c.startedAt <= @last AND (NOT IS_DEFINED(c.finishedAt) OR c.finishedAt >= @first)";
        let jobs = self.jobs.open().await?;
        let mut found = jobs.select::<Value>(query, &parameters, None).await?;
        let mut ids = Vec::new();
        while let Some(row) = found.try_next().await? {
            let times_of = Times::deserialize(&row).map_err(|error| Error::corrupt("listing restores", error))?;
            if times_of.overlap(times) {
                ids.push(times_of.id);
            }
        }
        ids.sort_unstable();
        let reads = ids.iter().map(|restore| self.written_by(restore));
        let written: Vec<Option<(RestoreMark, Vec<String>)>> =
            futures::stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        let mut marks = RestoreMarks::default();
        for (mark, etags) in written.into_iter().flatten() {
            let index = marks.restores.len();
            marks.restores.push(mark);
            marks.by_etag.extend(etags.into_iter().map(|etag| (etag.trim_matches('"').to_owned(), index)));
        }
        Ok(marks)
    }

    /// The etags that a restore wrote to the monitored container; `None` if its record was deleted or it wrote to another container.
    async fn written_by(&self, restore: &str) -> Result<Option<(RestoreMark, Vec<String>)>, Error> {
        let record = match self.record(restore).await {
            Ok(record) => record,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if record.into.is_some() {
            return Ok(None);
        }
        let etags = match record.job {
            None => record.items.into_iter().filter_map(|item| item.restored_etag).collect(),
            Some(_) => self.etags_of_pages(restore).await?,
        };
        Ok(Some((RestoreMark { restore: record.id, requested_by: record.requested_by }, etags)))
    }

    /// The etags that a job wrote. Its pages can be many, so only etags are read.
    async fn etags_of_pages(&self, restore: &str) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            id: String,
            #[serde(default)]
            etags: Option<Vec<String>>,
        }
        let parameters = Map::from_iter([("@id".to_owned(), json!(restore)), ("@kind".to_owned(), json!(PAGE_KIND))]);
        // A page that is too large for one item has no property `items`.
        let query = "SELECT VALUE {id: c.id, etags: IS_DEFINED(c.items) ? ARRAY(SELECT VALUE i.restoredEtag FROM i IN c.items) : null} \
                     FROM c WHERE c.jobId = @id AND c.kind = @kind";
        let jobs = self.jobs.open().await?;
        let mut pages = jobs.select::<Value>(query, &parameters, None).await?;
        let mut found = Vec::new();
        while let Some(page) = pages.try_next().await? {
            let page = Page::deserialize(&page)
                .map_err(|error| Error::corrupt(format!("reading the items of restore {restore}"), error))?;
            match page.etags {
                Some(etags) => found.extend(etags),
                None => {
                    let stored = self.jobs.items_page::<StoredItem>(&page.id).await?;
                    let items = stored.into_iter().flat_map(|stored| stored.page.items).map(PlannedItem::from);
                    found.extend(items.filter_map(|item| item.restored_etag));
                }
            }
        }
        Ok(found)
    }
}
