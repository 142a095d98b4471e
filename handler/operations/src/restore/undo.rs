//! Undoing a restore is another restore: every document that it wrote goes back to the version that it replaced, or away
//! if there was none. A document that has changed since is a conflict.

use std::time::Instant;

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Key, retry, without_system_properties};
use changefeed_history::{Version, VersionId};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde_json::json;

use super::plan::{Action, Plan, PlannedItem, sorted, untouched};
use super::record::RestoreRecord;
use super::restores::Restores;

/// What was to be done with a document, also where it failed.
fn intended(item: &PlannedItem) -> Action {
    let goes_back = item.version.is_some() || item.backup_line.is_some();
    match (item.action, goes_back, &item.replaced_version) {
        (Action::Failed, true, None) => Action::Create,
        (Action::Failed, true, Some(_)) => Action::Replace,
        (Action::Failed, false, _) => Action::Delete,
        (action, ..) => action,
    }
}

fn unknown(name: DocumentName, message: &str) -> PlannedItem {
    PlannedItem { message: Some(message.to_owned()), ..untouched(name, Action::Unknown) }
}

/// Whether something was written for an item, or may have been, by a write whose reply was lost. Never for a line of a backup
/// that names no document.
pub(super) fn is_attempted(item: &PlannedItem) -> bool {
    if item.id.is_empty() || item.partition_key.components().is_empty() {
        return false;
    }
    let goes_back = item.version.is_some() || item.backup_line.is_some();
    let failed = item.action == Action::Failed && (goes_back || item.replaced_version.is_some());
    item.action.is_write() || failed
}

/// A restore that is undone by a job.
pub(super) struct UndoOf {
    pub record: RestoreRecord,
}

impl UndoOf {
    /// How many documents there are to look at, about.
    pub fn documents(&self) -> u64 {
        self.record.counts.total()
    }
}

/// A request to undo a restore.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UndoRequest {
    /// Only plan.
    pub dry_run: bool,
    /// Overwrite documents that have changed since the restore.
    pub force: bool,
    /// Why, for the record.
    pub reason: Option<String>,
    /// Who, for the record.
    pub requested_by: Option<String>,
    /// The most request units to use in a second, where the undo is a job.
    pub ru_per_second: Option<f64>,
}

impl Restores {
    /// Plans the undoing of a restore. Nothing is written. `None` when the restore was a job: then this is one too.
    ///
    /// # Errors
    /// When there is no such restore, or it is not over, and when the containers cannot be read.
    pub async fn plan_undo(&self, id: &str, request: &UndoRequest) -> Result<Option<Plan>, Error> {
        let record = self.record(id).await?;
        if record.job.is_some() {
            return Ok(None);
        }
        if request.ru_per_second.is_some() {
            let message = "ruPerSecond goes with a restore that was a job";
            return Err(Error::invalid(format!("undoing restore {id}"), message));
        }
        let container = self.target_container(record.into.as_deref()).await?;
        let attempted = record.items.iter().filter(|item| is_attempted(item));
        let plan = |item: &PlannedItem| {
            let (item, container, record) = (item.clone(), &container, &record);
            async move { self.plan_undo_item(item, container, record, request.force).await }
        };
        let items: Vec<PlannedItem> = futures::stream::iter(attempted.map(plan).collect::<Vec<_>>())
            .buffer_unordered(self.options.concurrency)
            .try_collect()
            .await?;
        Ok(Some(Plan {
            request: json!({"undo": id}),
            undo_of: Some(record.id),
            items: sorted(items),
            force: request.force,
            into: record.into,
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
        }))
    }

    /// The restore that a job undoes.
    pub(super) async fn undo_of(&self, id: &str) -> Result<UndoOf, Error> {
        Ok(UndoOf { record: self.record(id).await? })
    }

    /// Notes on a restore's record that it was undone.
    pub(super) async fn mark_undone(&self, id: &str, by: &str) -> Result<(), Error> {
        let jobs = self.jobs.open().await?;
        let key = Key::text(id);
        let deadline = Instant::now() + self.options.timeout;
        loop {
            let Some(record) = retry(deadline, || jobs.read(&key, id)).await? else { return Ok(()) };
            let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
            let mut record = without_system_properties(record);
            if record["undoneBy"] == by {
                return Ok(());
            }
            record["undoneBy"] = json!(by);
            match retry(deadline, || jobs.replace(&key, id, &record, &etag)).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                written => return written.map(drop),
            }
        }
    }

    pub(super) async fn plan_undo_item(
        &self,
        done: PlannedItem,
        container: &Container,
        record: &RestoreRecord,
        force: bool,
    ) -> Result<PlannedItem, Error> {
        let name = DocumentName { id: done.id.clone(), partition_key: done.partition_key.clone() };
        let done = PlannedItem { action: intended(&done), ..done };
        let live = self.history.live_in(container, &name, "live").await?;
        let replaced = done.replaced_version.as_deref().map(VersionId::from);
        if live.as_ref().zip(replaced.as_ref()).is_some_and(|(live, replaced)| live.id == replaced.plain()) {
            return Ok(untouched(name, Action::Unchanged));
        }
        let before = match &done.replaced_version {
            Some(version) if done.action != Action::Create && record.into.is_none() => {
                match self.history.version(&name, version).await {
                    Ok(version) => Some(version),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        let message = "what it replaced is not in the history: the restore was interrupted before it kept it, or it has expired";
                        return Ok(unknown(name, message));
                    }
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let changed = match self.is_as_restored(&done, &name, live.as_ref()).await {
            Ok(as_restored) => !as_restored,
            Err(error) if error.kind() == ErrorKind::NotFound && !force => {
                return Ok(unknown(
                    name,
                    "the version that it went back to has expired, so nothing tells whether it has changed",
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        let item = self.planned(name, before, live, false);
        if !item.action.is_write() {
            return Ok(item);
        }
        if record.into.is_some() && done.action == Action::Replace {
            let message =
                format!("what it replaced in container {} is not kept", record.into.as_deref().unwrap_or_default());
            return Ok(PlannedItem { action: Action::Unknown, message: Some(message), ..item });
        }
        if changed && !force {
            return Ok(PlannedItem {
                action: Action::Conflict,
                message: Some("it has changed since the restore".to_owned()),
                ..item
            });
        }
        Ok(item)
    }

    /// Whether a document is still what the restore made of it. A restore that was interrupted has no etags on record;
    /// then the document itself tells.
    async fn is_as_restored(
        &self,
        done: &PlannedItem,
        name: &DocumentName,
        live: Option<&Version>,
    ) -> Result<bool, Error> {
        let (Some(live), true) = (live, done.action != Action::Delete) else {
            return Ok(live.is_none() == (done.action == Action::Delete));
        };
        if let Some(etag) = &done.restored_etag {
            return Ok(live.etag.as_ref() == Some(etag));
        }
        let Some(version) = &done.version else { return Ok(false) };
        let restored = self.history.version(name, version).await?.document.unwrap_or_default();
        Ok(self.without_stamp(live.document.clone().unwrap_or_default()) == self.without_stamp(restored))
    }
}
