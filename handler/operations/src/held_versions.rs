//! The versions that unfinished jobs and recent restores still need.

use changefeed_cosmos::{DocumentName, Error, ErrorKind, timestamp};
use changefeed_history::{HeldVersions, PinnedVersions};
use changefeed_jobs::Jobs;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use serde_json::{Map, Value, json};

use crate::restore::{Action, PlannedItem, RestoreItems, Restores};

/// A job that no worker has run for this long is considered abandoned.
const ABANDONED: TimeDelta = TimeDelta::days(1);

/// Finds the versions that the retention must not remove, from the records of jobs.
#[derive(Debug)]
pub(crate) struct JobsHoldVersions {
    jobs: Jobs,
    restores: Restores,
}

impl JobsHoldVersions {
    pub(crate) fn new(jobs: Jobs, restores: Restores) -> Self {
        Self { jobs, restores }
    }

    async fn find_oldest_unfinished(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        let jobs = self.jobs.open().await?;
        let query =
            "SELECT VALUE c.startedAt FROM c WHERE c.state IN ('queued', 'running') AND c.job.updatedAt > @after";
        let parameters = Map::from_iter([("@after".to_owned(), json!(timestamp(now - ABANDONED)))]);
        let started: Vec<Value> = jobs.select(query, &parameters, None).await?.try_collect().await?;
        let started = started.iter().filter_map(|started| DateTime::parse_from_rfc3339(started.as_str()?).ok());
        Ok(started.min().map(|started| started.to_utc()))
    }

    async fn find_pinned_after(&self, second: i64) -> Result<PinnedVersions, Error> {
        let mut pinned = PinnedVersions::default();
        let unfinished = "c.startedAt > @from AND NOT (c.state IN ('done', 'conflicts', 'unknowns', 'planned')) \
             AND (NOT IS_DEFINED(c.request.dryRun) OR c.request.dryRun != true)";
        for id in self.restore_ids(unfinished, second, i64::MAX).await? {
            let mut continuation = None;
            loop {
                let page = self.items(&id, continuation.as_deref()).await?;
                page.items.into_iter().for_each(|item| pin(&mut pinned, item));
                continuation = page.continuation;
                if continuation.is_none() {
                    break;
                }
            }
        }
        Ok(pinned)
    }

    async fn items(&self, restore: &str, continuation: Option<&str>) -> Result<RestoreItems, Error> {
        match self.restores.items(restore, continuation).await {
            // A later sweep would find the same invalid continuation.
            Err(error) if error.kind() == ErrorKind::Invalid && continuation.is_some() => {
                log::warn!("reading the items of restore {restore} from the start: {error}");
                self.restores.items(restore, None).await
            }
            page => page,
        }
    }

    async fn restore_ids(&self, condition: &str, from: i64, to: i64) -> Result<Vec<String>, Error> {
        let jobs = self.jobs.open().await?;
        // The last instant of the second: records have milliseconds.
        let text = |second: i64| {
            let millis = second.saturating_mul(1000).saturating_add(999);
            DateTime::from_timestamp_millis(millis).map_or_else(|| "9999".to_owned(), timestamp)
        };
        let parameters = Map::from_iter([("@from".to_owned(), json!(text(from))), ("@to".to_owned(), json!(text(to)))]);
        // A dry run restores nothing, and its record expires.
        let query =
            format!("SELECT VALUE c.id FROM c WHERE c.kind = 'restore' AND c.state != 'planned' AND {condition}");
        let ids: Vec<Value> = jobs.select(&query, &parameters, None).await?.try_collect().await?;
        let mut ids: Vec<String> = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Pins the version of an item that the restore may still read: its write has no recorded outcome.
fn pin(pinned: &mut PinnedVersions, item: PlannedItem) {
    let may_have_been_written = item.action.is_write() || item.action == Action::Failed;
    if let (Some(version), None, true) = (&item.version, &item.restored_etag, may_have_been_written) {
        let version = version.clone();
        pinned.add(&item.name(), &version);
    }
}

impl HeldVersions for JobsHoldVersions {
    fn oldest_unfinished(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Error>> {
        self.find_oldest_unfinished(now).boxed()
    }

    fn pinned_after(&self, second: i64) -> BoxFuture<'_, Result<PinnedVersions, Error>> {
        self.find_pinned_after(second).boxed()
    }

    fn restores_between(&self, after: i64, until: i64) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        async move { self.restore_ids("c.startedAt > @from AND c.startedAt <= @to", after, until).await }.boxed()
    }

    fn documents_of<'a>(
        &'a self,
        restore: &'a str,
        continuation: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(Vec<DocumentName>, Option<String>), Error>> {
        async move {
            let page = self.items(restore, continuation).await?;
            // An item of an erased document has no name.
            let named = page.items.iter().filter(|item| !item.id.is_empty());
            Ok((named.map(PlannedItem::name).collect(), page.continuation))
        }
        .boxed()
    }
}
