//! Does what a plan says, and only that.
//!
//! Every write carries the etag that the plan saw, or creates. A document that is another one by then is left alone,
//! unless the restore is forced. What is overwritten is made sure to be in the history first, read at that moment: capture
//! may lag or be off. A write whose reply was lost shows as a changed etag; the document then says what was to be written,
//! and that is no conflict.

use std::time::Instant;

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Key, Written, digest, retry};
use changefeed_history::{Operation, Version, VersionId};
use changefeed_jobs::{JobState, new_id};
use chrono::Utc;
use futures::StreamExt;
use serde_json::Value;

use super::from_backup::Bodies;
use super::plan::{Action, Plan, PlannedItem};
use super::record::{RestoreRecord, RestoreReport};
use super::restores::Restores;

/// Versions that are expected after the one that was removed.
const EXPECTED_SINCE: usize = 10;
/// Attempts of a forced write against others who write too.
const FORCED_ATTEMPTS: usize = 5;

impl Restores {
    /// Executes a plan. What becomes of each document is in the report; the restore is on record before the first write.
    ///
    /// # Errors
    /// When the record cannot be saved.
    pub async fn execute(&self, plan: Plan) -> Result<RestoreReport, Error> {
        let container = self.target_container(plan.into.as_deref()).await?;
        let now = Utc::now();
        let mut record = RestoreRecord::start(new_id(now), &plan, now);
        self.save(&record).await?;

        let execution = Execution {
            restores: self,
            container: &container,
            monitored: plan.into.is_none(),
            force: plan.force,
            restore_id: &record.id,
            second: now.timestamp(),
            deadline: Instant::now() + self.options.timeout,
            shared: false,
            bodies: &Bodies::new(),
        };
        let results: Vec<(PlannedItem, f64)> = futures::stream::iter(plan.items)
            .map(|item| execution.apply(item))
            .buffered(self.options.concurrency)
            .collect()
            .await;
        let request_charge = results.iter().map(|(_, charge)| charge).sum();
        record.finish(results.into_iter().map(|(item, _)| item).collect(), request_charge, Utc::now());
        self.save(&record).await?;
        let undid = record.state == JobState::Done && record.counts.writes() > 0;
        if let Some(undone) = record.undo_of.as_ref().filter(|_| undid) {
            self.mark_undone(undone, &record.id).await?;
        }
        Ok(record.report())
    }
}

pub(super) struct Execution<'a> {
    pub restores: &'a Restores,
    pub container: &'a Container,
    /// Whether it writes to the monitored container, whose documents have a history.
    pub monitored: bool,
    pub force: bool,
    pub restore_id: &'a str,
    /// When it began, in seconds since 1970: the stamp.
    pub second: i64,
    pub deadline: Instant,
    /// Whether others may execute the same plan: a job's runner that was taken for dead and is not, and the one after it.
    pub shared: bool,
    /// What lines of backups hold.
    pub bodies: &'a Bodies,
}

/// What became of a write.
enum Outcome {
    Written(Option<String>, f64),
    /// It was as it should be before anything was written.
    AsWanted,
    Conflict(String),
}

/// An item with what became of it, and what that cost.
fn concluded(mut item: PlannedItem, outcome: Result<Outcome, Error>) -> (PlannedItem, f64) {
    let (action, message) = match outcome {
        Ok(Outcome::Written(etag, charge)) => {
            item.restored_etag = etag;
            return (item, charge);
        }
        Ok(Outcome::AsWanted) => (Action::Unchanged, "somebody else did the same".to_owned()),
        Ok(Outcome::Conflict(message)) => (Action::Conflict, message),
        Err(error) => (Action::Failed, error.to_string()),
    };
    (PlannedItem { action, message: Some(message), ..item }, 0.0)
}

impl Execution<'_> {
    /// Does what is planned for a document.
    ///
    /// # Errors
    /// When it failed in a way that may pass.
    pub(super) async fn apply_or_fail(&self, mut item: PlannedItem) -> Result<PlannedItem, Error> {
        if !item.action.is_write() {
            return Ok(item);
        }
        match self.write(&mut item).await {
            Err(error) if error.is_transient() => Err(error),
            outcome => Ok(concluded(item, outcome).0),
        }
    }

    async fn apply(&self, mut item: PlannedItem) -> (PlannedItem, f64) {
        if !item.action.is_write() {
            return (item, 0.0);
        }
        let outcome = self.write(&mut item).await;
        concluded(item, outcome)
    }

    async fn write(&self, item: &mut PlannedItem) -> Result<Outcome, Error> {
        let name = DocumentName { id: item.id.clone(), partition_key: item.partition_key.clone() };
        let body = match (item.action, &item.version, &item.backup_line) {
            (Action::Delete, ..) => None,
            (_, Some(version), _) => {
                Some(self.stamped(self.restores.history.version(&name, version).await?.document.unwrap_or_default()))
            }
            (_, None, Some(line)) => match self.bodies.get(&line.number) {
                Some(body) => Some(self.stamped(body.clone())),
                None => return Err(Error::invalid("restoring", "the backup is not the one that was planned with")),
            },
            (_, None, None) => return Err(Error::invalid("restoring", "the plan names no version")),
        };
        let key = match &body {
            Some(body) => Key::of(body, self.container.key_paths())?,
            None => name.partition_key.clone(),
        };
        let mut expected = item.live_etag.clone();
        for attempt in 1.. {
            let live = self.live(&name).await?;
            let seen = live.as_ref().and_then(|live| live.etag.clone());
            if attempt == 1 && !self.shared && live.is_none() && body.is_none() {
                return Ok(Outcome::AsWanted);
            }
            if (attempt > 1 || self.shared) && self.is_done(&live, &body, &expected) {
                let is_own = attempt > 1 || self.catch_up(item, &name, &body).await?;
                return Ok(if is_own { Outcome::Written(seen, 0.0) } else { Outcome::AsWanted });
            }
            if seen != expected && !self.force {
                return Ok(Outcome::Conflict(changed(&live)));
            }
            expected = seen;
            if let Some(live) = &live {
                item.replaced_version = Some(self.kept(&name, live).await?.into());
            }
            item.action = match (&live, &body) {
                (_, None) => Action::Delete,
                (None, Some(_)) => Action::Create,
                (Some(_), Some(_)) => Action::Replace,
            };
            match self.write_once(&key, &name, body.as_ref(), expected.as_deref()).await {
                Ok((etag, charge)) => {
                    self.keep_removal(&live, &body).await?;
                    return Ok(Outcome::Written(etag, charge));
                }
                Err(error) if is_changed(&error) => {
                    let replaced = live;
                    let live = self.live(&name).await?;
                    if self.is_done(&live, &body, &expected) {
                        self.keep_removal(&replaced, &body).await?;
                        return Ok(Outcome::Written(live.and_then(|live| live.etag), 0.0));
                    }
                    if !self.force || attempt == FORCED_ATTEMPTS {
                        return Ok(Outcome::Conflict(changed(&live)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::invalid("restoring", "no attempt was made"))
    }

    async fn live(&self, name: &DocumentName) -> Result<Option<Version>, Error> {
        retry(self.deadline, || self.restores.history.live_in(self.container, name, self.restore_id)).await
    }

    /// Makes sure that the version that is about to be overwritten is in the history, and exactly so. Its id there.
    async fn kept(&self, name: &DocumentName, live: &Version) -> Result<VersionId, Error> {
        if !self.monitored {
            return Ok(live.id.clone());
        }
        self.restores.history.ensure_stored_exactly(name, live, self.deadline).await
    }

    /// Completes what an interrupted runner did with a document that it has written. False when it was somebody else: what
    /// is overwritten is kept first.
    async fn catch_up(&self, item: &mut PlannedItem, name: &DocumentName, body: &Option<Value>) -> Result<bool, Error> {
        let (Some(replaced), true) = (&item.replaced_version, self.monitored) else { return Ok(true) };
        // Beside an inexact record there is an exact one.
        let removed = match self.version_if_kept(name, replaced).await? {
            Some(kept) if !kept.exact => self.version_if_kept(name, &kept.id.exact()).await?,
            kept => kept,
        };
        let Some(removed) = removed else { return Ok(false) };
        item.replaced_version = Some(removed.id.to_string());
        if body.is_some() {
            return Ok(true);
        }
        let mut versions = self.restores.history.versions_until(name, i64::MAX, EXPECTED_SINCE).await?;
        while let Some(version) = versions.next().await? {
            if version.id.is_removal_by(self.restore_id) {
                return Ok(true);
            }
            if version.source_ts < removed.source_ts {
                break;
            }
        }
        self.keep_removal(&Some(removed), body).await.map(|()| true)
    }

    async fn version_if_kept(&self, name: &DocumentName, id: &str) -> Result<Option<Version>, Error> {
        match self.restores.history.version(name, id).await {
            Ok(version) => Ok(Some(version)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records a delete of this restore: the feed may not tell of it.
    async fn keep_removal(&self, removed: &Option<Version>, body: &Option<Value>) -> Result<(), Error> {
        let (Some(removed), None, true) = (removed, body, self.monitored) else { return Ok(()) };
        let second = Utc::now().timestamp().max(removed.source_ts);
        let removal = Version {
            // Where the changes container is partitioned by pk alone, removals of one restore lie together.
            id: VersionId::of_removal_by(self.restore_id, second, &digest(&removed.source_id)),
            operation: Operation::Delete,
            source_ts: second,
            // Somewhere after the version that it removed.
            lsn: removed.lsn.map(|lsn| lsn + 1),
            etag: None,
            expires_at: None,
            document: None,
            previous: None,
            ..removed.clone()
        };
        self.restores.history.store_version(&removal, self.deadline).await.map(drop)
    }

    async fn write_once(
        &self,
        key: &Key,
        name: &DocumentName,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Result<(Option<String>, f64), Error> {
        let written = |written: Written| (written.etag, written.request_charge);
        match (body, etag) {
            (Some(body), Some(etag)) => {
                retry(self.deadline, || self.container.replace(key, &name.id, body, etag)).await.map(written)
            }
            (Some(body), None) => {
                retry(self.deadline, || self.container.create(key, &name.id, body)).await.map(written)
            }
            (None, etag) => {
                let charge = retry(self.deadline, || self.container.delete(key, &name.id, etag)).await?;
                Ok((None, charge.unwrap_or_default()))
            }
        }
    }

    /// A body with the stamp of the restore.
    fn stamped(&self, mut body: Value) -> Value {
        if let (Value::Object(properties), Some(field)) = (&mut body, &self.restores.options.restored_at_field) {
            properties.insert(field.clone(), self.second.into());
        }
        body
    }

    /// Whether the document already is what this restore writes, by a write of its own whose reply was lost.
    fn is_done(&self, live: &Option<Version>, body: &Option<Value>, expected: &Option<String>) -> bool {
        match (live, body) {
            (Some(live), Some(body)) => live.etag != *expected && live.document.as_ref() == Some(body),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Whether a write failed because the document is not what was expected.
fn is_changed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::Conflict | ErrorKind::NotFound)
}

fn changed(live: &Option<Version>) -> String {
    match live {
        Some(live) => format!("it has changed since the plan; its live version is {}", live.id),
        None => "it was deleted since the plan".to_owned(),
    }
}
