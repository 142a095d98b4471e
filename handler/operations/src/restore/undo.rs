//! Plans the undo of a restore. An undo is another restore: every document that the restore wrote is restored to the version that
//! it replaced, or deleted if there was none. A document that has changed since is a conflict.

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, IdempotencyKey, MAX_TOGETHER};
use changefeed_history::{Version, VersionId};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::composition::Composition;
use super::plan::Plan;
use super::planned_item::{Action, PlannedItem, sorted};
use super::read_together::ReadTogether;
use super::restore_record::RestoreRecord;
use super::restores::Restores;
use super::write::{ATTEMPTS, READ_AGAIN, is_old_read};

/// The action of the plan, for an item too that failed, or that a worker wrote after it was refused and before it recorded that.
fn planned_action(item: &PlannedItem) -> Action {
    match (item.action, item.has_body(), &item.replaced_version) {
        (Action::Failed | Action::Conflict, true, None) => Action::Create,
        (Action::Failed | Action::Conflict, true, Some(_)) => Action::Replace,
        (Action::Failed, false, _) => Action::Delete,
        (action, ..) => action,
    }
}

fn unknown(name: DocumentName, message: &str) -> PlannedItem {
    PlannedItem::without_write(name, Action::Unknown).with_message(message)
}

/// Whether the document was written, or may have been written by a write whose reply was lost. A line of a backup without an id or
/// a partition key was never written.
pub(super) fn may_be_written(item: &PlannedItem) -> bool {
    if item.id.is_empty() || item.partition_key.components().is_empty() {
        return false;
    }
    let failed = item.action == Action::Failed && (item.has_body() || item.replaced_version.is_some());
    item.action.is_write() || failed
}

/// A request to undo a restore.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UndoRequest {
    /// Only plan; write nothing.
    pub dry_run: bool,
    /// Overwrite documents that have changed since the restore.
    pub force: bool,
    /// The reason, for the record.
    pub reason: Option<String>,
    /// Who requests it, for the record.
    pub requested_by: Option<String>,
    /// The budget: request units a second. It needs a restore that was a job.
    pub ru_per_second: Option<f64>,
    /// Identifies the request, if its sender may repeat it.
    #[serde(skip)]
    pub key: Option<IdempotencyKey>,
}

impl UndoRequest {
    /// The request as it is stored in the record of the undo.
    pub(super) fn recorded(&self, id: &str) -> Value {
        let mut request = json!({ "undo": id });
        for (name, flag) in [("dryRun", self.dry_run), ("force", self.force)] {
            if flag {
                request[name] = Value::Bool(true);
            }
        }
        request
    }
}

impl Restores {
    /// Plans the undo of a restore. Nothing is written. `None` when the restore was a job, so that the undo must be one too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such restore; [`ErrorKind::Conflict`] when it may still write;
    /// [`ErrorKind::Invalid`] when it was a dry run, and when the request has a budget and the restore was not a job; and when
    /// the containers cannot be read.
    pub async fn plan_undo(&self, id: &str, request: &UndoRequest) -> Result<Option<Plan>, Error> {
        let record = self.record(id).await?;
        self.check_undoable(&record)?;
        if record.job.is_some() {
            return Ok(None);
        }
        if request.ru_per_second.is_some() {
            let message = "ruPerSecond needs a restore that was a job; leave it out";
            return Err(Error::invalid(format!("undoing restore {id}"), message));
        }
        let container = self.target_container(record.into.as_deref()).await?;
        let written: Vec<PlannedItem> = record.items.iter().filter(|item| may_be_written(item)).cloned().collect();
        let mut items: Vec<PlannedItem> = Vec::with_capacity(written.len());
        let mut groups = futures::stream::iter(written).chunks(MAX_TOGETHER);
        while let Some(group) = groups.next().await {
            let together = ReadTogether::to_undo(self, &container, &group).await;
            let plan = |item| self.plan_undo_item(item, &container, &record, request.force, &together);
            let planned = futures::stream::iter(group).map(plan).buffer_unordered(self.options.concurrency);
            items.extend(planned.try_collect::<Vec<_>>().await?);
        }
        Ok(Some(Plan {
            request: json!({"undo": id}),
            undo_of: Some(record.id),
            key: request.key.clone(),
            items: sorted(self.without_erased(items).await?),
            force: request.force,
            composition: Composition::default(),
            into: record.into,
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
            capture_lag: None,
            warnings: Vec::new(),
        }))
    }

    /// Plans the undo of one item of a restore.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn plan_undo_item(
        &self,
        done: PlannedItem,
        container: &Container,
        record: &RestoreRecord,
        force: bool,
        together: &ReadTogether,
    ) -> Result<PlannedItem, Error> {
        let name = done.name();
        let done = PlannedItem { action: planned_action(&done), ..done };
        let mut live = match together.live_of(&name) {
            Some(live) => live,
            None => self.history.live_in(container, &name, "live").await?,
        };
        let replaced = done.replaced_version.as_deref().map(VersionId::from);
        let is_replaced = |live: Option<&Version>| {
            live.zip(replaced.as_ref()).is_some_and(|(live, replaced)| live.id == replaced.plain())
        };
        // A version that was certainly overwritten is from a replica that the restore has not reached.
        for _ in 1..ATTEMPTS {
            if force || done.restored_etag.is_none() || !is_replaced(live.as_ref()) {
                break;
            }
            tokio::time::sleep(READ_AGAIN).await;
            live = self.history.live_in(container, &name, "live").await?;
        }
        if is_replaced(live.as_ref()) {
            // With force it may be live again, because the service has lost the write in a failover.
            return if done.restored_etag.is_none() || force {
                Ok(PlannedItem::without_write(name, Action::Unchanged))
            } else {
                Err(is_old_read(&name, "returns a version of the document that the restore has overwritten"))
            };
        }
        let before = match &done.replaced_version {
            Some(version) if done.action != Action::Create && record.into.is_none() => {
                let read = match together.version(&name, version) {
                    Some(version) => Ok(version.clone()),
                    None => self.history.version(&name, version).await,
                };
                match read {
                    Ok(version) => Some(version),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        let message = "the version that it replaced is not in the history: it has expired, or the restore was interrupted \
                             before it was stored";
                        return Ok(unknown(name, message));
                    }
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let changed = match self.is_as_restored(&done, &name, live.as_ref(), record.into.is_none()).await {
            Ok(as_restored) => !as_restored,
            Err(error) if error.kind() == ErrorKind::NotFound && !force => {
                let message = "the restored version has expired, so whether the document has changed since is unknown";
                return Ok(unknown(name, message));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        let item = self.planned(name, before, live, false);
        let item = self.unless_excluded(item, record.into.is_none(), force).await?;
        if !item.action.is_write() {
            return Ok(item);
        }
        if record.into.is_some() && done.action == Action::Replace {
            let container = record.into.as_deref().unwrap_or_default();
            let message = format!("the document that it replaced in container {container} was not stored");
            return Ok(PlannedItem { action: Action::Unknown, ..item }.with_message(message));
        }
        if changed && !force {
            return Ok(
                PlannedItem { action: Action::Conflict, ..item }.with_message("it has changed since the restore")
            );
        }
        Ok(item)
    }

    /// Whether no version was written after this one, as far as was captured.
    async fn is_last_write(&self, name: &DocumentName, version: &VersionId) -> Result<bool, Error> {
        let mut newest = self.history.versions_until(name, i64::MAX, 2).await?;
        while let Some(newer) = newest.next().await? {
            if !newer.operation.is_removal() {
                return Ok(newer.id.plain() == version.plain());
            }
        }
        Ok(true)
    }

    /// Whether a restore has written the document, and no other writer since.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub(super) async fn is_last_writer(
        &self,
        restore_id: &str,
        name: &DocumentName,
        container: &Container,
    ) -> Result<bool, Error> {
        let live = self.history.live_in(container, name, "live").await?;
        Ok(live.and_then(|live| live.document).is_some_and(|live| self.is_stamped_by(&live, restore_id)))
    }

    /// Whether the restore was the last to change the document. The record of an interrupted restore has no etags; then the bodies
    /// are compared. A document that it deleted may have been created and deleted again since, as the history of the monitored container
    /// shows.
    async fn is_as_restored(
        &self,
        done: &PlannedItem,
        name: &DocumentName,
        live: Option<&Version>,
        is_monitored: bool,
    ) -> Result<bool, Error> {
        let (Some(live), true) = (live, done.action != Action::Delete) else {
            let was_deleted = done.action == Action::Delete;
            return match &done.replaced_version {
                Some(deleted) if was_deleted && live.is_none() && is_monitored => {
                    self.is_last_write(name, &VersionId::from(deleted.as_str())).await
                }
                _ => Ok(live.is_none() == was_deleted),
            };
        };
        if let Some(etag) = &done.restored_etag {
            return Ok(live.etag.as_ref() == Some(etag));
        }
        if let (Some(composed), None) = (&done.body_digest, &done.backup_line) {
            return Ok(live.document.as_ref().is_some_and(|live| self.content_digest(live) == *composed));
        }
        let Some(version) = &done.version else { return Ok(false) };
        let restored = self.target_of(self.history.version(name, version).await?).over(Some(live));
        Ok(live.document.as_ref().is_some_and(|live| self.is_same_content(live, &restored)))
    }
}
