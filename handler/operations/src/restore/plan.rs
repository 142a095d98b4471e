//! What a restore would do.

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Key};
use changefeed_history::{AsOf, FieldChange, Role, Version, changes, matches_all};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::{FilterOn, RestoreRequest, Selection, Target};
use super::restores::Restores;

/// Differences of a document that a plan shows.
const MAX_SHOWN_CHANGES: usize = 50;
/// How often a plan is made anew because a sweep of the retention has passed its target meanwhile.
const PLANS_UNDER_SWEEP: usize = 3;

/// What is done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It comes back.
    Create,
    /// It is overwritten.
    Replace,
    /// It goes away.
    Delete,
    /// It is as it should be, or is left alone because it did not exist at the target.
    Unchanged,
    /// The history does not reach back to the target; it is left alone.
    Unknown,
    /// It is not what the plan saw; it is left alone.
    Conflict,
    /// It could not be written.
    Failed,
}

impl Action {
    /// Whether something is written.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Delete)
    }
}

/// What is done with one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedItem {
    /// The document's id.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// What is done.
    pub action: Action,
    /// The version that it goes back to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The line of a backup that it goes back to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backup_line: Option<BackupLine>,
    /// The version that is live when it is overwritten or deleted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced_version: Option<String>,
    /// What changes, from the live document to the restored one; the first fifty fields.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<FieldChange>,
    /// Why, where the action alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// The document's etag after the restore.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restored_etag: Option<String>,
    /// The etag that the plan saw; none when there was no document.
    #[serde(skip)]
    pub(crate) live_etag: Option<String>,
}

impl PlannedItem {
    /// The document.
    pub fn name(&self) -> DocumentName {
        DocumentName { id: self.id.clone(), partition_key: self.partition_key.clone() }
    }
}

/// A line of a backup, or a document of a file that another tool wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupLine {
    /// Which backup, from 0, if there are several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backup: Option<usize>,
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub number: u64,
}

/// How many documents each action is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// [`Action::Create`].
    pub create: u64,
    /// [`Action::Replace`].
    pub replace: u64,
    /// [`Action::Delete`].
    pub delete: u64,
    /// [`Action::Unchanged`].
    pub unchanged: u64,
    /// [`Action::Unknown`].
    pub unknown: u64,
    /// [`Action::Conflict`].
    pub conflict: u64,
    /// [`Action::Failed`].
    pub failed: u64,
}

impl Counts {
    /// Counts the actions of items.
    pub fn of(items: &[PlannedItem]) -> Self {
        items.iter().fold(Self::default(), |mut counts, item| {
            *match item.action {
                Action::Create => &mut counts.create,
                Action::Replace => &mut counts.replace,
                Action::Delete => &mut counts.delete,
                Action::Unchanged => &mut counts.unchanged,
                Action::Unknown => &mut counts.unknown,
                Action::Conflict => &mut counts.conflict,
                Action::Failed => &mut counts.failed,
            } += 1;
            counts
        })
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: Self) {
        self.create += other.create;
        self.replace += other.replace;
        self.delete += other.delete;
        self.unchanged += other.unchanged;
        self.unknown += other.unknown;
        self.conflict += other.conflict;
        self.failed += other.failed;
    }

    /// All documents.
    pub fn total(&self) -> u64 {
        self.writes() + self.unchanged + self.unknown + self.conflict + self.failed
    }

    /// Documents that are written.
    pub fn writes(&self) -> u64 {
        self.create + self.replace + self.delete
    }
}

/// A restore that can be executed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What was asked for.
    pub request: Value,
    /// The restore that this one undoes.
    pub undo_of: Option<String>,
    /// What is done, document by document, in the order of their keys and ids.
    pub items: Vec<PlannedItem>,
    pub(crate) force: bool,
    pub(crate) into: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) requested_by: Option<String>,
}

impl Restores {
    /// Plans a restore. Nothing is written. `None` when it is too large for one request: then it is a job.
    ///
    /// # Errors
    /// When the request is out of bounds, or names a version or a
    /// container that is none, and when the containers cannot be read.
    pub async fn plan(&self, request: &RestoreRequest) -> Result<Option<Plan>, Error> {
        let (last_change, _) = request.target.seconds().unwrap_or((i64::MAX, i64::MAX));
        let mut horizon = self.history.horizon().await?;
        for _ in 0..PLANS_UNDER_SWEEP {
            let plan = self.plan_at(request, last_change, horizon).await?;
            // Versions may have gone while the plan was made; they were announced before.
            let announced = self.history.horizon().await?;
            if announced == horizon || announced <= last_change {
                return Ok(plan);
            }
            horizon = announced;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "planning a restore",
            "versions of the target time are being removed by the retention; try again later, or choose a later time",
        ))
    }

    /// A plan that believes the history from `horizon` on.
    async fn plan_at(&self, request: &RestoreRequest, last_change: i64, horizon: i64) -> Result<Option<Plan>, Error> {
        let written = self.target_container(request.into.as_deref()).await?;
        // Documents whose versions of that time are gone are told as unknown.
        let Some(candidates) = self.candidates(&request.selection, last_change.max(horizon)).await? else {
            return Ok(None);
        };
        let plan = |name: DocumentName| {
            let written = &written;
            async move { self.plan_item(request, name, written, horizon).await }
        };
        let mut planned = futures::stream::iter(candidates).map(plan).buffer_unordered(self.options.concurrency);
        let (mut items, mut writes) = (Vec::new(), 0);
        while let Some(item) = planned.try_next().await? {
            writes += usize::from(item.as_ref().is_some_and(|item| item.action.is_write()));
            items.extend(item);
            if writes > self.jobs.options().max_restored {
                return Ok(None);
            }
        }
        Ok(Some(Plan {
            request: request.recorded()?,
            undo_of: None,
            items: sorted(items),
            force: request.force,
            into: request.into.clone(),
            reason: request.reason.clone(),
            requested_by: request.requested_by.clone(),
        }))
    }

    /// The container that is written to: the monitored one, or another that is none of the history's own.
    pub(super) async fn target_container(&self, into: Option<&str>) -> Result<Container, Error> {
        let monitored = self.history.monitored();
        let Some(name) = into else { return monitored.open().await };
        if let Some(role) = Role::ALL.into_iter().find(|role| self.names.of(*role) == name) {
            return Err(Error::invalid(
                "planning a restore",
                format!("into is {name:?}, the {role:?} container; name another one"),
            ));
        }
        let container = monitored.sibling(name).open().await?;
        let monitored = monitored.open().await?;
        let expected = monitored.key_paths();
        if container.key_paths() != expected {
            let message = format!(
                "into is {name:?}, whose partition key is {}; it must be {}",
                container.key_paths().join(", "),
                expected.join(", ")
            );
            return Err(Error::invalid("planning a restore", message));
        }
        Ok(container)
    }

    pub(super) async fn plan_item(
        &self,
        request: &RestoreRequest,
        name: DocumentName,
        written: &Container,
        horizon: i64,
    ) -> Result<Option<PlannedItem>, Error> {
        let monitored_live = self.history.live(&name).await?;
        self.plan_from(request, name, monitored_live, None, written, horizon).await
    }

    /// [`Self::plan_item`] with the live document at hand, and perhaps the newest version that is not after the target.
    pub(super) async fn plan_from(
        &self,
        request: &RestoreRequest,
        name: DocumentName,
        monitored_live: Option<Version>,
        newest: Option<Option<Version>>,
        written: &Container,
        horizon: i64,
    ) -> Result<Option<PlannedItem>, Error> {
        let state = match &request.target {
            Target::Version(id) => {
                let version = self.history.version(&name, id).await?;
                if version.operation.is_removal() {
                    AsOf::Absent { because: version.id }
                } else {
                    AsOf::Version { version: Box::new(version), may_be_deleted: false }
                }
            }
            Target::Backup(_) => {
                return Err(Error::invalid(
                    "planning a restore",
                    "what is in a backup is not looked for in the history",
                ));
            }
            Target::AsOf(_) | Target::Before(_) => {
                let (last_change, second) = request.target.seconds().unwrap_or_default();
                self.history.state_from(&name, newest, monitored_live.clone(), last_change, second, horizon).await?
            }
        };
        if let Selection::Filter { filters, on } = &request.selection {
            let judged = match (on, &state) {
                (FilterOn::Live, _) => monitored_live.as_ref().and_then(|live| live.document.as_ref()),
                (FilterOn::Target, AsOf::Version { version, .. }) => version.document.as_ref(),
                // What is not known may be meant: it is shown as unknown if it meets the filter now.
                (FilterOn::Target, AsOf::Unknown { .. }) => {
                    monitored_live.as_ref().and_then(|live| live.document.as_ref())
                }
                (FilterOn::Target, AsOf::Absent { .. }) if request.delete_created_after => {
                    monitored_live.as_ref().and_then(|live| live.document.as_ref())
                }
                (FilterOn::Target, AsOf::Absent { .. }) => None,
            };
            if !judged.is_some_and(|document| matches_all(filters, document)) {
                return Ok(None);
            }
        }
        let live =
            if request.into.is_some() { self.history.live_in(written, &name, "live").await? } else { monitored_live };
        let into = request.into.is_some();
        Ok(Some(match state {
            AsOf::Version { version, may_be_deleted } => {
                let exact = version.exact;
                let item = self.planned(name, Some(*version), live, into && !request.force);
                warned(item, exact, may_be_deleted, request.force)
            }
            AsOf::Absent { because } if request.delete_created_after => {
                let item = self.planned(name, None, live, false);
                PlannedItem { message: Some(format!("it did not exist then: {because}")), ..item }
            }
            AsOf::Absent { because } => PlannedItem {
                message: Some(format!("it did not exist then: {because}")),
                ..untouched(name, Action::Unchanged)
            },
            AsOf::Unknown { since } => {
                let reach = since.map_or("the document has no versions".to_owned(), |since| {
                    format!("the history of the document reaches back to {}", time(since))
                });
                PlannedItem { message: Some(reach), ..untouched(name, Action::Unknown) }
            }
        }))
    }

    /// What takes a document from `live` to `target`; to nothing without one.
    pub(super) fn planned(
        &self,
        name: DocumentName,
        target: Option<Version>,
        live: Option<Version>,
        keep_what_is_there: bool,
    ) -> PlannedItem {
        let version = target.as_ref().map(|target| target.id.to_string());
        let body = target.and_then(|target| target.document);
        PlannedItem { version, ..self.planned_body(name, body, live, keep_what_is_there) }
    }

    /// What takes a document from `live` to this body; to nothing without one.
    pub(super) fn planned_body(
        &self,
        name: DocumentName,
        after: Option<Value>,
        live: Option<Version>,
        keep_what_is_there: bool,
    ) -> PlannedItem {
        let before = live.as_ref().and_then(|live| live.document.clone());
        let same = match (&before, &after) {
            (Some(before), Some(after)) => self.without_stamp(before.clone()) == self.without_stamp(after.clone()),
            (None, None) => true,
            _ => false,
        };
        let action = match (&before, &after) {
            _ if same => Action::Unchanged,
            (Some(_), Some(_)) if keep_what_is_there => Action::Conflict,
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Replace,
            (Some(_), None) => Action::Delete,
        };
        let mut shown = changes(&before.unwrap_or_default(), &after.unwrap_or_default());
        shown.truncate(MAX_SHOWN_CHANGES);
        PlannedItem {
            replaced_version: live.as_ref().map(|live| live.id.to_string()),
            changes: if action.is_write() || action == Action::Conflict { shown } else { Vec::new() },
            message: (action == Action::Conflict).then(|| "there is another document of this id".to_owned()),
            live_etag: live.and_then(|live| live.etag),
            ..untouched(name, action)
        }
    }

    /// A document without the stamp of restores, to tell whether two say the same.
    pub(super) fn without_stamp(&self, mut document: Value) -> Value {
        if let (Value::Object(properties), Some(field)) = (&mut document, &self.options.restored_at_field) {
            properties.shift_remove(field);
        }
        document
    }
}

/// Tells what is doubtful about a target. A body that may have been rewritten is written only by force.
fn warned(item: PlannedItem, exact: bool, may_be_deleted: bool, force: bool) -> PlannedItem {
    if !item.action.is_write() {
        return item;
    }
    if !exact {
        let message =
            Some("date-time strings of this version may have been rewritten by the Functions host".to_owned());
        let action = if force { item.action } else { Action::Conflict };
        return PlannedItem { action, message, ..item };
    }
    let message = may_be_deleted.then(|| "it is gone now and may have been deleted before then".to_owned());
    PlannedItem { message: message.or(item.message.clone()), ..item }
}

pub(super) fn untouched(name: DocumentName, action: Action) -> PlannedItem {
    PlannedItem {
        id: name.id,
        partition_key: name.partition_key,
        action,
        version: None,
        backup_line: None,
        replaced_version: None,
        changes: Vec::new(),
        message: None,
        restored_etag: None,
        live_etag: None,
    }
}

/// Whether a document of a backup is meant; of one that is gone there is only its name.
pub(super) fn meets_selection(selection: &Selection, name: &DocumentName, document: Option<&Value>) -> bool {
    match selection {
        Selection::All => true,
        Selection::Documents(documents) => documents.contains(name),
        Selection::Partition(key) => *key == name.partition_key,
        Selection::Filter { filters, .. } => document.is_some_and(|document| matches_all(filters, document)),
    }
}

pub(super) fn sorted(mut items: Vec<PlannedItem>) -> Vec<PlannedItem> {
    items.sort_by_cached_key(|item| (item.partition_key.to_string(), item.id.clone()));
    items
}

fn time(second: i64) -> String {
    chrono::DateTime::from_timestamp(second, 0).unwrap_or_default().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
