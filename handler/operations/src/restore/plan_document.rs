//! Plans a restore of one document: compares its state at the target with the live document.

use std::sync::atomic::{AtomicUsize, Ordering};

use changefeed_cosmos::{Container, DocumentName, Error, own_ttl};
use changefeed_history::{AsOf, Known, TimeExpression, Version, changes, matches_all};
use serde_json::Value;

use super::composition::RestoredFields;
use super::planned_item::{Action, PlannedItem};
use super::restore_request::{FilterOn, RestoreRequest, Selection, Target};
use super::restores::Restores;
use super::target_document::TargetDocument;

/// The most names that are looked up under other partition keys: each costs two queries over all partitions.
const MAX_LOOKED_UP: usize = 10;
/// The most differences of a document that a plan shows.
const MAX_SHOWN_CHANGES: usize = 50;

/// Plans the documents of a restore.
pub(super) struct DocumentPlanner<'a> {
    pub restores: &'a Restores,
    pub request: &'a RestoreRequest,
    pub fields: Option<&'a RestoredFields>,
    /// The container that is written to.
    pub written: &'a Container,
    /// The second since 1970 from which on the history is complete.
    pub horizon: i64,
    /// Names that matched nothing and were looked up under other partition keys.
    pub looked_up: AtomicUsize,
}

impl DocumentPlanner<'_> {
    /// Plans a document; `None` when the selection does not include it.
    ///
    /// # Errors
    /// When the target is a version that does not exist, and when the containers cannot be read.
    pub(super) async fn plan(&self, name: DocumentName) -> Result<Option<PlannedItem>, Error> {
        let live = self.restores.history.live(&name).await?;
        self.plan_from(name, Known { live, ..Known::default() }).await
    }

    /// [`Self::plan`] with what was read of the document, in the monitored container and in the history.
    pub(super) async fn plan_from(&self, name: DocumentName, known: Known) -> Result<Option<PlannedItem>, Error> {
        let monitored_live = known.live.clone();
        let state = self.state(&name, known).await?;
        if !self.is_selected(&state, monitored_live.as_ref()) {
            return Ok(None);
        }
        let (into, exists_now) = (self.request.into.is_some(), monitored_live.is_some());
        let live =
            if into { self.restores.history.live_in(self.written, &name, "live").await? } else { monitored_live };
        Ok(Some(match state {
            AsOf::Version { version, may_be_deleted } => {
                let exact = version.exact;
                let item = if let Some(fields) = self.fields {
                    let id = version.id.clone();
                    let item = self.restores.planned_fields(fields, name, &self.restores.target_of(*version), live);
                    PlannedItem { version: Some(id.into()), ..item }
                } else {
                    self.restores.planned(name, Some(*version), live, into && !self.request.force)
                };
                let item = with_doubt(item, exact, may_be_deleted, self.request.force);
                self.restores.unless_excluded(item, !into, self.request.force).await?
            }
            AsOf::Absent { because } if self.request.delete_created_after => {
                let item = self.restores.planned(name, None, live, false).before_message(absent_message(&because));
                self.restores.unless_excluded(item, !into, self.request.force).await?
            }
            AsOf::Absent { because } => {
                PlannedItem::without_write(name, Action::Unchanged).with_message(absent_message(&because))
            }
            AsOf::Unknown { since } => {
                let excluded = self.restores.excluded_message(&name).await?.filter(|_| since.is_none());
                if excluded.is_some() && !matches!(self.request.selection, Selection::Documents(_)) {
                    return Ok(None);
                }
                let message = match since {
                    Some(since) => {
                        format!("the history of the document reaches back to {}", TimeExpression::from_second(since))
                    }
                    None => match excluded {
                        Some(message) => message,
                        None if exists_now => "the document has no versions".to_owned(),
                        None => self.no_such_document(&name).await?,
                    },
                };
                PlannedItem::without_write(name, Action::Unknown).with_message(message)
            }
        }))
    }

    /// The state of a document at the target.
    async fn state(&self, name: &DocumentName, known: Known) -> Result<AsOf, Error> {
        let history = &self.restores.history;
        match &self.request.target {
            Target::Version(id) => {
                let version = history.version(name, id).await?;
                Ok(if version.operation.is_removal() {
                    AsOf::Absent { because: version.id }
                } else {
                    AsOf::Version { version: Box::new(version), may_be_deleted: false }
                })
            }
            Target::Backup(_) | Target::BeforeWindow(_) => {
                Err(Error::internal("planning a restore", "the target is not a state of the history"))
            }
            Target::AsOf(_) | Target::Before(_) => {
                let (last_change, second) = self.request.target.seconds().unwrap_or_default();
                history.state_from(name, known, last_change, second, self.horizon).await
            }
        }
    }

    /// Says that a name matches nothing. Only the first such names of a plan are looked up under other partition keys.
    async fn no_such_document(&self, name: &DocumentName) -> Result<String, Error> {
        if self.looked_up.fetch_add(1, Ordering::Relaxed) < MAX_LOOKED_UP {
            return self.restores.no_such_document(name).await;
        }
        Ok("no document or version has this id and partition key".to_owned())
    }

    /// Whether the selection's filter includes a document with this state at the target.
    fn is_selected(&self, state: &AsOf, live: Option<&Version>) -> bool {
        let Selection::Filter { filters, on } = &self.request.selection else { return true };
        let live = live.and_then(|live| live.document.as_ref());
        let filtered = match (on, state) {
            (FilterOn::Live, _) => live,
            (FilterOn::Target, AsOf::Version { version, .. }) => version.document.as_ref(),
            // The state at the target is not known: the document is reported as unknown if it meets the filter now.
            (FilterOn::Target, AsOf::Unknown { .. }) => live,
            (FilterOn::Target, AsOf::Absent { .. }) if self.request.delete_created_after => live,
            (FilterOn::Target, AsOf::Absent { .. }) => None,
        };
        filtered.is_some_and(|document| matches_all(filters, document))
    }
}

impl Restores {
    /// The item that takes a document from `live` to the target version; without one, the document is deleted. With
    /// `keep_existing`, a different live document is a conflict.
    pub(super) fn planned(
        &self,
        name: DocumentName,
        target: Option<Version>,
        live: Option<Version>,
        keep_existing: bool,
    ) -> PlannedItem {
        let version = target.as_ref().map(|target| target.id.to_string());
        let target = target.map(|target| self.target_of(target));
        PlannedItem { version, ..self.planned_body(name, target, live, keep_existing) }
    }

    /// The item that takes some fields of a document from the target, and keeps the others of the live document.
    pub(super) fn planned_fields(
        &self,
        fields: &RestoredFields,
        name: DocumentName,
        target: &TargetDocument,
        live: Option<Version>,
    ) -> PlannedItem {
        match fields.of(live.as_ref(), &target.over(live.as_ref())) {
            Err(message) => PlannedItem::without_write(name, Action::Conflict).with_message(message),
            Ok(content) => {
                let body_digest = Some(self.content_digest(&content));
                let kept = self.message_of_fields(Some(&fields.part_of(target, self.never_stored())), live.as_ref());
                let item = self.planned_body(name, Some(TargetDocument::complete(content)), live, false);
                let action = if item.action == Action::Replace { Action::Merge } else { item.action };
                let item = PlannedItem { action, body_digest, ..item };
                match kept.filter(|_| action.is_write() || fields.names_fields()) {
                    Some(message) => item.and_message(message),
                    None => item,
                }
            }
        }
    }

    /// [`Self::planned`] with the document of the target.
    pub(super) fn planned_body(
        &self,
        name: DocumentName,
        target: Option<TargetDocument>,
        live: Option<Version>,
        keep_existing: bool,
    ) -> PlannedItem {
        let before = live.as_ref().and_then(|live| live.document.clone());
        let fields = self.message_of_fields(target.as_ref(), live.as_ref());
        let after = target.map(|target| target.into_content_over(live.as_ref()));
        let is_same = match (&before, &after) {
            (Some(before), Some(after)) => self.is_same_content(before, after),
            (None, None) => true,
            _ => false,
        };
        let action = match (&before, &after) {
            _ if is_same => Action::Unchanged,
            (Some(_), Some(_)) if keep_existing => Action::Conflict,
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Replace,
            (Some(_), None) => Action::Delete,
        };
        let time_to_live = after.as_ref().and_then(own_ttl).filter(|ttl| *ttl > 0);
        let content = |document: Option<Value>| {
            document.map(|document| self.showable(self.without_stamp(document))).unwrap_or_default()
        };
        let mut shown = changes(&content(before), &content(after));
        shown.truncate(MAX_SHOWN_CHANGES);
        let fields = fields.filter(|_| action.is_write());
        let item = PlannedItem {
            replaced_version: live.as_ref().map(|live| live.id.to_string()),
            changes: if action.is_write() || action == Action::Conflict { shown } else { Vec::new() },
            message: match (action, time_to_live) {
                (Action::Conflict, _) => Some("there is another document of this id".to_owned()),
                (Action::Create | Action::Replace, Some(ttl)) => {
                    Some(format!("its time to live of {ttl} s starts again"))
                }
                _ => None,
            },
            live_etag: live.and_then(|live| live.etag),
            ..PlannedItem::without_write(name, action)
        };
        match fields {
            Some(message) => item.and_message(message),
            None => item,
        }
    }
}

/// An item with a message about what is doubtful in its target. An inexact version is only written with `force`.
fn with_doubt(item: PlannedItem, exact: bool, may_be_deleted: bool, force: bool) -> PlannedItem {
    if !item.action.is_write() {
        return item;
    }
    if !exact {
        let action = if force { item.action } else { Action::Conflict };
        let message = "date-time strings of this version may have been rewritten by the Functions host";
        return PlannedItem { action, ..item }.before_message(message);
    }
    if may_be_deleted {
        return item.before_message(
            "it may have been deleted before the target time: no delete is recorded, but it was missing later",
        );
    }
    item
}

fn absent_message(because: &str) -> String {
    format!("it did not exist at the target: {because}")
}
