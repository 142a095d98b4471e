//! Which versions were written by restores, as their records say.
//!
//! A restored document has the id of the restore in its stamp, and later edits carry it along. So the stamp only says which record to
//! read: a version was written by the restore if the record has its etag.

use std::collections::{BTreeMap, HashMap, HashSet};

use changefeed_cosmos::{Error, ErrorKind};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::planned_item::PlannedItem;
use super::restore_page::{PAGE_KIND, StoredItem};
use super::restores::Restores;

/// Records that are read at a time.
const CONCURRENT_READS: usize = 8;

/// The restore that wrote a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestoreMark {
    /// The id of the restore.
    pub restore: String,
    /// Who requested it.
    pub requested_by: Option<String>,
}

/// The versions that carry the stamp of a restore: their etags, by the id of the restore.
#[derive(Clone, Debug, Default)]
pub(crate) struct StampedEtags(BTreeMap<String, HashSet<String>>);

impl StampedEtags {
    /// Adds a version.
    pub(crate) fn add(&mut self, restore: &str, etag: &str) {
        match self.0.get_mut(restore) {
            Some(etags) => _ = etags.insert(etag.to_owned()),
            None => _ = self.0.insert(restore.to_owned(), HashSet::from([etag.to_owned()])),
        }
    }
}

impl Restores {
    /// The properties that restores set in the documents that they write.
    pub(crate) fn stamp(&self) -> Vec<String> {
        self.stamp_fields().map(str::to_owned).collect()
    }

    /// The property of a restored document that has the id of the restore.
    pub(crate) fn restore_id_field(&self) -> Option<&str> {
        self.options.restore_id_field.as_deref()
    }

    /// The restores that wrote versions, by the etags of these. Each record is read once.
    ///
    /// # Errors
    /// When the jobs container cannot be read, or a record is damaged.
    pub(crate) async fn marks(&self, stamped: &StampedEtags) -> Result<HashMap<String, RestoreMark>, Error> {
        let reads = stamped.0.iter().map(|(restore, etags)| self.marks_of(restore, etags));
        let marks: Vec<HashMap<String, RestoreMark>> =
            futures::stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(marks.into_iter().flatten().collect())
    }

    async fn marks_of(&self, restore: &str, etags: &HashSet<String>) -> Result<HashMap<String, RestoreMark>, Error> {
        let record = match self.record(restore).await {
            Ok(record) => record,
            // The record was deleted, or the property has another meaning in this document.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => return Ok(HashMap::new()),
            Err(error) => return Err(error),
        };
        let mark = RestoreMark { restore: record.id.clone(), requested_by: record.requested_by.clone() };
        let written: Vec<String> = if record.into.is_some() {
            Vec::new()
        } else if record.job.is_none() {
            record.items.into_iter().filter_map(|item| item.restored_etag).collect()
        } else {
            self.etags_of_pages(restore).await?
        };
        Ok(written.into_iter().filter(|etag| etags.contains(etag)).map(|etag| (etag, mark.clone())).collect())
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
