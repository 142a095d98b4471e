//! Writes a document as its plan says.
//!
//! Every write carries the etag of the plan, or creates the document. A document that has changed since is not written, unless
//! the restore is forced. The version that is overwritten is first saved to the history, as it is read at that moment, because
//! capture may lag or be off. A write whose reply was lost shows as a changed etag. If the document then has the planned body,
//! it is not a conflict.

use std::time::Instant;

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Key, Written, digest, printable, retry};
use changefeed_history::{Operation, Version, VersionId};
use chrono::Utc;
use serde_json::Value;

use super::backup_files::Bodies;
use super::planned_item::{Action, PlannedItem};
use super::restores::Restores;

/// The number of versions that are usually stored after the one that was deleted.
const EXPECTED_SINCE: usize = 10;
/// Attempts of a forced write while other writers change the document.
const FORCED_ATTEMPTS: usize = 5;

/// Writes the documents of a restore.
pub(super) struct DocumentWriter<'a> {
    pub restores: &'a Restores,
    pub container: &'a Container,
    /// Whether the container is the monitored one, whose documents have a history.
    pub is_monitored: bool,
    pub force: bool,
    pub restore_id: &'a str,
    /// When the restore began, in seconds since 1970: the value of the field for the time of the restore.
    pub second: i64,
    pub deadline: Instant,
    /// Whether another worker may execute the same plan: one whose claim of the job has expired, and that still runs.
    pub is_shared: bool,
    /// The documents of a backup.
    pub bodies: &'a Bodies,
}

/// The outcome of a write.
enum Outcome {
    /// Written, with the new etag and the request units.
    Written(Option<String>, f64),
    /// The document already was as planned: another writer did the same.
    AlreadyDone,
    /// Not written, for this reason.
    Conflict(String),
}

/// An item with its outcome, and the request units.
fn concluded(mut item: PlannedItem, outcome: Result<Outcome, Error>) -> (PlannedItem, f64) {
    let (action, message) = match outcome {
        Ok(Outcome::Written(etag, charge)) => {
            item.restored_etag = etag;
            return (item, charge);
        }
        Ok(Outcome::AlreadyDone) => (Action::Unchanged, "another writer has already made the same change".to_owned()),
        Ok(Outcome::Conflict(message)) => (Action::Conflict, message),
        Err(error) => (Action::Failed, error.to_string()),
    };
    (PlannedItem { action, message: Some(message), ..item }, 0.0)
}

impl DocumentWriter<'_> {
    /// Writes a document. The item that is returned has the outcome, a permanent failure too.
    ///
    /// # Errors
    /// A transient failure.
    pub(super) async fn try_write(&self, mut item: PlannedItem) -> Result<PlannedItem, Error> {
        if !item.action.is_write() {
            return Ok(item);
        }
        match self.execute(&mut item).await {
            Err(error) if error.is_transient() => Err(error),
            outcome => Ok(concluded(item, outcome).0),
        }
    }

    /// Writes a document. Returns the item with the outcome, and the request units.
    pub(super) async fn write(&self, mut item: PlannedItem) -> (PlannedItem, f64) {
        if !item.action.is_write() {
            return (item, 0.0);
        }
        let outcome = self.execute(&mut item).await;
        concluded(item, outcome)
    }

    async fn execute(&self, item: &mut PlannedItem) -> Result<Outcome, Error> {
        let name = item.name();
        let body = self.body(item, &name).await?;
        let key = match &body {
            Some(body) => Key::of(body, self.container.key_paths())?,
            None => name.partition_key.clone(),
        };
        let mut expected = item.live_etag.clone();
        for attempt in 1.. {
            let live = self.live(&name).await?;
            let live_etag = live.as_ref().and_then(|live| live.etag.clone());
            if attempt == 1 && !self.is_shared && live.is_none() && body.is_none() {
                return Ok(Outcome::AlreadyDone);
            }
            if (attempt > 1 || self.is_shared) && self.is_done(&live, &body, &expected) {
                let is_own = attempt > 1 || self.catch_up(item, &name, &body).await?;
                return Ok(if is_own { Outcome::Written(live_etag, 0.0) } else { Outcome::AlreadyDone });
            }
            if live_etag != expected && !self.force {
                return Ok(Outcome::Conflict(changed(&live)));
            }
            expected = live_etag;
            if let Some(live) = &live {
                item.replaced_version = Some(self.save_version(&name, live).await?.into());
            }
            item.action = match (&live, &body) {
                (_, None) => Action::Delete,
                (None, Some(_)) => Action::Create,
                (Some(_), Some(_)) => Action::Replace,
            };
            match self.write_once(&key, &name, body.as_ref(), expected.as_deref()).await {
                Ok((etag, charge)) => {
                    self.store_removal(&live, &body).await?;
                    return Ok(Outcome::Written(etag, charge));
                }
                Err(error) if is_changed(&error) => {
                    let replaced = live;
                    let live = self.live(&name).await?;
                    if self.is_done(&live, &body, &expected) {
                        self.store_removal(&replaced, &body).await?;
                        return Ok(Outcome::Written(live.and_then(|live| live.etag), 0.0));
                    }
                    if !self.force || attempt == FORCED_ATTEMPTS {
                        return Ok(Outcome::Conflict(changed(&live)));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::internal(format!("writing document {}", printable(&item.id)), "no attempt was made"))
    }

    /// The body to write; `None` for a delete.
    async fn body(&self, item: &PlannedItem, name: &DocumentName) -> Result<Option<Value>, Error> {
        let body = match (item.action, &item.version, &item.backup_line) {
            (Action::Delete, ..) => return Ok(None),
            (_, Some(version), _) => self.restores.history.version(name, version).await?.document.unwrap_or_default(),
            (_, None, Some(line)) => {
                let changed = || {
                    let message = "the backup has changed since the plan: it has no document on this line";
                    Error::corrupt(format!("reading line {} of {}", line.number, line.file), message)
                };
                self.bodies.get(&line.number).cloned().ok_or_else(changed)?
            }
            (_, None, None) => {
                let action =
                    format!("reading the plan of restore {} for document {}", self.restore_id, printable(&item.id));
                return Err(Error::corrupt(action, "it has neither a version nor a line of a backup"));
            }
        };
        Ok(Some(self.restores.with_restored_at(body, self.second)))
    }

    async fn live(&self, name: &DocumentName) -> Result<Option<Version>, Error> {
        retry(self.deadline, || self.restores.history.live_in(self.container, name, self.restore_id)).await
    }

    /// Ensures that the version that will be overwritten is stored exactly in the history. Returns its id there.
    async fn save_version(&self, name: &DocumentName, live: &Version) -> Result<VersionId, Error> {
        if !self.is_monitored {
            return Ok(live.id.clone());
        }
        self.restores.history.ensure_stored_exactly(name, live, self.deadline).await
    }

    /// Completes the record of a write by an interrupted worker. False when it was not a write of this restore: a restore saves
    /// the overwritten version first.
    async fn catch_up(&self, item: &mut PlannedItem, name: &DocumentName, body: &Option<Value>) -> Result<bool, Error> {
        let (Some(replaced), true) = (&item.replaced_version, self.is_monitored) else { return Ok(true) };
        // An inexact record has an exact twin.
        let removed = match self.stored_version(name, replaced).await? {
            Some(stored) if !stored.exact => self.stored_version(name, &stored.id.exact()).await?,
            stored => stored,
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
        self.store_removal(&Some(removed), body).await.map(|()| true)
    }

    async fn stored_version(&self, name: &DocumentName, id: &str) -> Result<Option<Version>, Error> {
        match self.restores.history.version(name, id).await {
            Ok(version) => Ok(Some(version)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a delete of this restore as a version: the change feed may not report it.
    async fn store_removal(&self, removed: &Option<Version>, body: &Option<Value>) -> Result<(), Error> {
        let (Some(removed), None, true) = (removed, body, self.is_monitored) else { return Ok(()) };
        let second = Utc::now().timestamp().max(removed.source_ts);
        let removal = Version {
            // If the changes container is partitioned by pk alone, the removals of a restore share a partition, so the id needs the
            // document.
            id: VersionId::of_removal_by(self.restore_id, second, &digest(&removed.source_id)),
            operation: Operation::Delete,
            source_ts: second,
            // The real number is not known; it is after that of the version that was removed.
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

    /// Whether the document already has the planned body: by a write of this restore whose reply was lost, or by another writer.
    fn is_done(&self, live: &Option<Version>, body: &Option<Value>, expected: &Option<String>) -> bool {
        match (live, body) {
            (Some(live), Some(body)) => live.etag != *expected && live.document.as_ref() == Some(body),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Whether a write failed because the document has changed.
fn is_changed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::Conflict | ErrorKind::NotFound)
}

fn changed(live: &Option<Version>) -> String {
    match live {
        Some(live) => format!("it has changed since the plan; its live version is {}", live.id),
        None => "it was deleted since the plan".to_owned(),
    }
}
