//! Versions that the undo of a recent restore may need although they were superseded long ago.
//!
//! What a restore replaced was live when it ran, so the window covers it as long as it covers the restore. The version that
//! it went back to may be as old as the window. A finished restore knows its documents by the etags that it wrote; of one
//! that was interrupted, only that version tells whether a document is still as it left it.
//!
//! A job that goes on has the window of its beginning, however long it takes.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::cosmos::{Error, ErrorKind};
use crate::read::DocumentName;
use crate::restore::{Action, PlannedItem};
use crate::store::{Role, Store};
use crate::version::timestamp;

/// A job that nobody has worked on for so long may never go on.
const ABANDONED: TimeDelta = TimeDelta::days(1);

/// Versions that must not go yet.
#[derive(Debug, Default)]
pub(super) struct Pinned(HashSet<(String, String, String)>);

impl Pinned {
    pub(super) fn holds(&self, document: &DocumentName, version: &str) -> bool {
        // There is hardly ever any.
        !self.0.is_empty()
            && self.0.contains(&(document.partition_key.to_string(), document.id.clone(), version.to_owned()))
    }

    fn add(&mut self, item: PlannedItem) {
        let may_have_been_written = item.action.is_write() || item.action == Action::Failed;
        if let (Some(version), None, true) = (item.version, item.restored_etag, may_have_been_written) {
            self.0.insert((item.partition_key.to_string(), item.id, version));
        }
    }
}

/// The items of a restore, page by page: it may be a job with any number of them.
pub(super) struct Items<'a> {
    store: &'a Store,
    restore: String,
    /// Where the next page is; `None` after the last.
    next: Option<Option<String>>,
}

impl Items<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<PlannedItem>>, Error> {
        let Some(continuation) = self.next.take() else { return Ok(None) };
        let page = match self.store.restore_items(&self.restore, continuation.as_deref()).await {
            // What leads nowhere by now, a later sweep would be led to again.
            Err(error) if error.kind() == ErrorKind::Invalid && continuation.is_some() => {
                log::warn!("the items of restore {} are gone through from the first again: {error}", self.restore);
                self.store.restore_items(&self.restore, None).await?
            }
            page => page?,
        };
        self.next = page.continuation.map(Some);
        Ok(Some(page.items))
    }

    /// Where the next page is; nothing before the first and after the last.
    pub(super) fn continuation(&self) -> Option<String> {
        self.next.clone().flatten()
    }
}

impl Store {
    /// What the restores pin that began after this second.
    pub(super) async fn pinned_after(&self, second: i64) -> Result<Pinned, Error> {
        let mut pinned = Pinned::default();
        let unfinished = "c.startedAt > @from AND NOT (c.state IN ('done', 'conflicts', 'planned')) \
             AND (NOT IS_DEFINED(c.request.dryRun) OR c.request.dryRun != true)";
        for id in self.restore_ids(unfinished, second, i64::MAX).await? {
            let mut items = self.items_of(id, None);
            while let Some(page) = items.next().await? {
                page.into_iter().for_each(|item| pinned.add(item));
            }
        }
        Ok(pinned)
    }

    /// The restores that began after the one second and not after the other, in the order of their ids.
    pub(super) async fn restores_between(&self, after: i64, until: i64) -> Result<Vec<String>, Error> {
        self.restore_ids("c.startedAt > @from AND c.startedAt <= @to", after, until).await
    }

    /// When the oldest job began that goes on. One that nobody has worked on for a day holds nothing up.
    pub(super) async fn oldest_going_on(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        let jobs = self.container(Role::Jobs).await?;
        let query =
            "SELECT VALUE c.startedAt FROM c WHERE c.state IN ('queued', 'running') AND c.job.updatedAt > @after";
        let parameters = Map::from_iter([("@after".to_owned(), json!(timestamp(now - ABANDONED)))]);
        let begun: Vec<Value> = jobs.select(query, &parameters, None).await?.try_collect().await?;
        let begun = begun.iter().filter_map(|begun| DateTime::parse_from_rfc3339(begun.as_str()?).ok());
        Ok(begun.min().map(|begun| begun.to_utc()))
    }

    /// The items of a restore from a place on.
    pub(super) fn items_of(&self, restore: String, continuation: Option<String>) -> Items<'_> {
        Items { store: self, restore, next: Some(continuation) }
    }

    async fn restore_ids(&self, condition: &str, from: i64, to: i64) -> Result<Vec<String>, Error> {
        let jobs = self.container(Role::Jobs).await?;
        // The last instant of the second: records have milliseconds.
        let text = |second: i64| {
            let millis = second.saturating_mul(1000).saturating_add(999);
            DateTime::from_timestamp_millis(millis).map_or_else(|| "9999".to_owned(), timestamp)
        };
        let parameters = Map::from_iter([("@from".to_owned(), json!(text(from))), ("@to".to_owned(), json!(text(to)))]);
        // A dry run restores nothing, and the service removes it soon.
        let query =
            format!("SELECT VALUE c.id FROM c WHERE c.kind = 'restore' AND c.state != 'planned' AND {condition}");
        let ids: Vec<Value> = jobs.select(&query, &parameters, None).await?.try_collect().await?;
        let mut ids: Vec<String> = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}
