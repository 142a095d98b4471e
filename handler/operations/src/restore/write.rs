//! Writes a document as its plan says.
//!
//! Every write carries the etag of the plan, or creates the document. A document that has changed since is not written, unless
//! the restore is forced. The version that is overwritten is first saved to the history, as it is read at that moment, because
//! capture may lag or be off. A write whose reply was lost shows as a changed etag: the stamp of the document says whether it was
//! this restore that wrote it. A document to which another writer gave the planned content is unchanged.

use std::time::Duration;

use changefeed_cosmos::{Container, Deletion, DocumentName, Error, ErrorKind, Key, Written, printable, retry};
use changefeed_history::{EXCLUDED, Version, VersionId};
use serde_json::Value;
use tokio::time::Instant;

use super::backup_files::Bodies;
use super::composition::Composition;
use super::planned_item::{Action, PlannedItem};
use super::read_together::ReadTogether;
use super::restores::Restores;
use super::stamp::{Body, Comparison};
use super::unique_keys::{Refusal, refusals};

/// Attempts of a forced write while other writers change the document, and of a write that is refused although nothing seems to have
/// changed.
pub(super) const ATTEMPTS: usize = 5;
/// The message of a document that another writer has changed since this restore wrote it.
pub(super) const CHANGED_SINCE: &str = "written; another writer has changed it since";
/// How long a write that was refused, and an undo, wait before they read a document again, whose read was old.
pub(super) const READ_AGAIN: Duration = Duration::from_millis(100);

/// Writes the documents of a restore.
#[derive(Clone, Copy)]
pub(super) struct DocumentWriter<'a> {
    pub restores: &'a Restores,
    pub container: &'a Container,
    /// Whether the container is the monitored one, whose documents have a history.
    pub is_monitored: bool,
    pub force: bool,
    /// How documents are composed.
    pub composition: &'a Composition,
    pub restore_id: &'a str,
    /// When the restore began, in seconds since 1970: the value of the field for the time of the restore.
    pub second: i64,
    pub deadline: Instant,
    /// Whether another worker may execute the same plan: one whose claim of the job has expired, and that still runs.
    pub is_shared: bool,
    /// Whether an interrupted worker may have begun to execute the plan.
    pub was_begun: bool,
    /// Whether the document was refused before, and all pages of the job have been executed since.
    pub is_after_pages: bool,
    /// The documents of a backup.
    pub bodies: &'a Bodies,
    /// Whether documents can be on several lines of the files that are restored.
    pub may_repeat_documents: bool,
    /// What was read before, for several items together.
    pub together: Option<&'a ReadTogether>,
}

/// What is known of a write before it is sent.
pub(super) struct Prepared {
    pub body: Body,
    /// Whether this worker has sent the write before, and does not know its outcome.
    pub was_sent: bool,
}

/// The outcome of a write.
pub(super) enum Outcome {
    /// Nothing was to be written.
    Nothing,
    /// Written, with the new etag and the request units.
    Written(Option<String>, f64),
    /// The document already was as planned: another writer did the same.
    AlreadyDone,
    /// Not written, for this reason.
    Conflict(String),
    /// Not written, because a unique key refuses it.
    RefusedByUniqueKey(Refusal),
}

/// An item with its outcome, and the request units.
pub(super) fn concluded(mut item: PlannedItem, outcome: Result<Outcome, Error>) -> (PlannedItem, f64) {
    let (action, message) = match outcome {
        Ok(Outcome::Nothing) => return (item, 0.0),
        Ok(Outcome::Written(etag, charge)) => {
            item.restored_etag = etag;
            return (item, charge);
        }
        Ok(Outcome::AlreadyDone) => (Action::Unchanged, "another writer has already made the same change".to_owned()),
        Ok(Outcome::Conflict(message)) => (Action::Conflict, message),
        Ok(Outcome::RefusedByUniqueKey(refusal)) => {
            let message = refusal.message();
            item.refusal = Some(refusal);
            (Action::Conflict, message)
        }
        Err(error) => (Action::Failed, error.to_string()),
    };
    (PlannedItem { action, message: Some(message), ..item }, 0.0)
}

/// [`concluded`] without the request units.
///
/// # Errors
/// A transient failure.
pub(super) fn concluded_unless_transient(
    item: PlannedItem,
    outcome: Result<Outcome, Error>,
) -> Result<PlannedItem, Error> {
    match outcome {
        Err(error) if error.is_transient() => Err(error),
        outcome => Ok(concluded(item, outcome).0),
    }
}

impl DocumentWriter<'_> {
    /// Writes a document. The item that is returned has the outcome, a permanent failure too.
    ///
    /// # Errors
    /// A transient failure; and when it cannot be read which documents are erased.
    pub(super) async fn try_write(&self, item: PlannedItem) -> Result<PlannedItem, Error> {
        self.restores.erased(self.deadline).await?;
        let (item, outcome) = self.write(item, None).await;
        concluded_unless_transient(item, outcome)
    }

    /// Writes a document, of which `prepared` is known.
    pub(super) async fn write(
        &self,
        mut item: PlannedItem,
        prepared: Option<Prepared>,
    ) -> (PlannedItem, Result<Outcome, Error>) {
        let outcome = match self.restores.erased(self.deadline).await {
            Ok(erased) if erased.contains(&item.name()) => return (PlannedItem::erased(), Ok(Outcome::Nothing)),
            _ if !item.action.is_write() => Ok(Outcome::Nothing),
            Ok(_) => self.execute(&mut item, prepared).await,
            Err(error) => Err(error),
        };
        (item, outcome)
    }

    async fn execute(&self, item: &mut PlannedItem, prepared: Option<Prepared>) -> Result<Outcome, Error> {
        let name = item.name();
        let (mut body, mut was_sent) = match prepared {
            Some(prepared) => (Some(prepared.body), prepared.was_sent),
            None => match self.body_unless_conflict(item, &name).await? {
                Ok(body) => (body, false),
                Err(conflict) => return Ok(conflict),
            },
        };
        let key = match &body {
            Some(body) => Key::of(body.document(), self.container.key_paths())?,
            None => name.partition_key.clone(),
        };
        let mut expected = item.live_etag.clone();
        // With force, what is composed of the live document is composed again when that has changed.
        let composed = (self.force && self.composition.composes(item)).then(|| item.clone());
        let mut composed_of = expected.clone();
        for attempt in 1.. {
            let together = self.together.filter(|_| attempt == 1);
            let live = match together.and_then(|read| read.planned_live_of(item, &name, self.is_monitored)) {
                Some(live) => live,
                None => self.live(&name).await?,
            };
            if let Some(outcome) = self.conclude(item, &mut body, live.as_ref(), expected.as_deref(), was_sent).await? {
                return Ok(outcome);
            }
            expected = live.as_ref().and_then(|live| live.etag.clone());
            if let Some(planned) = composed.as_ref().filter(|_| composed_of != expected) {
                body = match self.body_unless_conflict(planned, &name).await? {
                    Ok(body) => body,
                    Err(conflict) => return Ok(conflict),
                };
                composed_of = expected.clone();
                if let Some(outcome) = self.conclude(item, &mut body, live.as_ref(), expected.as_deref(), false).await?
                {
                    return Ok(outcome);
                }
            }
            let written = match body.as_ref().map(Body::document) {
                Some(document) => self.write_once(&key, &name, document, expected.as_deref()).await,
                None => match self.delete_once(&key, &name.id, expected.as_deref()).await {
                    Ok(deletion) => return self.deleted(live.as_ref(), deletion).await,
                    Err(error) => Err(error),
                },
            };
            match written {
                Ok(written) => return Ok(Outcome::Written(written.etag, written.request_charge)),
                Err(error) if is_changed(&error) => {
                    let replaced = live;
                    let live = self.live(&name).await?;
                    match self.compare(live.as_ref(), body.as_ref()) {
                        // The delete was refused, and another writer has deleted the document since.
                        Comparison::Unclear if body.is_none() => {
                            return self.deleted(replaced.as_ref(), Deletion::Absent).await;
                        }
                        // The reply to the write was lost.
                        Comparison::Own | Comparison::Unclear => {
                            return Ok(Outcome::Written(live.and_then(|live| live.etag), 0.0));
                        }
                        Comparison::Same => return Ok(Outcome::AlreadyDone),
                        Comparison::Different => {}
                    }
                    if self.is_changed_since(item, live.as_ref(), expected.as_deref()) {
                        return Ok(written_and_changed(item));
                    }
                    let may_be_unique_key = error.kind() == ErrorKind::Conflict && live.is_some() == replaced.is_some();
                    if let Some(body) = body.as_ref().filter(|_| may_be_unique_key)
                        && let Some(refusal) = self.refusals(&key, &name.id, body.document()).await?.into_iter().next()
                    {
                        return Ok(Outcome::RefusedByUniqueKey(refusal));
                    }
                    // A replica that a write has not reached may answer a read: another write, or this one, whose reply was lost.
                    let is_old = live.as_ref().and_then(|live| live.etag.as_ref()) == expected.as_ref();
                    // A delete that was executed is refused by its etag only if another writer has created the document since.
                    was_sent |= is_old && body.is_some();
                    if !(self.force || is_old) || attempt == ATTEMPTS {
                        let has_unique_keys = !self.container.definition().unique_keys.is_empty();
                        return match error.kind() {
                            ErrorKind::PreconditionFailed if is_old => {
                                Err(is_old_read(&name, "refuses the etag that it returns for the document"))
                            }
                            ErrorKind::Conflict if is_old && live.is_none() && !has_unique_keys => {
                                Err(is_old_read(&name, "says that the document exists, and does not return it"))
                            }
                            _ => Ok(Outcome::Conflict(changed(live.as_ref()))),
                        };
                    }
                    if is_old {
                        tokio::time::sleep(READ_AGAIN).await;
                    }
                }
                Err(error) if body.as_mut().is_some_and(|body| body.leave_out_stamp(&error)) => {
                    let message = self.restores.left_out_stamp_message();
                    item.message =
                        Some(item.message.take().map_or(message.clone(), |first| format!("{first}; {message}")));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::internal(format!("writing document {}", printable(&item.id)), "no attempt was made"))
    }

    /// Prepares the write of a document that has the etag `expected`: saves the live version. The outcome, if nothing is to be written.
    /// `was_sent`: see [`Prepared`].
    pub(super) async fn conclude(
        &self,
        item: &mut PlannedItem,
        body: &mut Option<Body>,
        live: Option<&Version>,
        expected: Option<&str>,
        was_sent: bool,
    ) -> Result<Option<Outcome>, Error> {
        let name = item.name();
        if let Some(body) = body {
            body.keep_fields_of(live);
        }
        let live_etag = live.and_then(|live| live.etag.as_deref());
        match self.is_written(item, &name, live, body, was_sent).await? {
            Some(true) => {
                self.complete_record(item, &name, live).await?;
                return Ok(Some(Outcome::Written(live_etag.map(str::to_owned), 0.0)));
            }
            Some(false) => return Ok(Some(Outcome::AlreadyDone)),
            None => {}
        }
        // A document can be on several lines of files: the later line overwrites what this restore wrote.
        let is_own_line = self.may_repeat_documents && item.backup_line.is_some() && self.is_stamped(live);
        if is_own_line && self.is_after_pages {
            return Ok(Some(Outcome::Conflict("another line of the backup has been restored since".to_owned())));
        }
        if self.is_changed_since(item, live, expected) {
            self.complete_record(item, &name, live).await?;
            return Ok(Some(written_and_changed(item)));
        }
        if live_etag != expected && !self.force && !is_own_line {
            return Ok(Some(Outcome::Conflict(changed(live))));
        }
        if let Some(live) = live {
            match self.save_version(&name, live).await {
                Ok(saved) => item.replaced_version = Some(saved.into()),
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    return Ok(Some(Outcome::Conflict(error.message().to_owned())));
                }
                Err(error) => return Err(error),
            }
        } else {
            // With force, another writer may have deleted what was to be replaced.
            item.replaced_version = None;
        }
        item.action = match (live, body) {
            (_, None) => Action::Delete,
            (None, Some(_)) => Action::Create,
            (Some(_), Some(_)) if item.action == Action::Merge => Action::Merge,
            (Some(_), Some(_)) => Action::Replace,
        };
        Ok(None)
    }

    /// [`Self::body`], or the conflict that there is instead.
    pub(super) async fn body_unless_conflict(
        &self,
        item: &PlannedItem,
        name: &DocumentName,
    ) -> Result<Result<Option<Body>, Outcome>, Error> {
        match self.body(item, name).await {
            Ok(body) => Ok(Ok(body)),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Err(Outcome::Conflict(error.message().to_owned()))),
            Err(error) => Err(error),
        }
    }

    /// The body to write; `None` for a delete. The caller sets the fields that the live document decides.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it is no longer what was planned.
    pub(super) async fn body(&self, item: &PlannedItem, name: &DocumentName) -> Result<Option<Body>, Error> {
        let content = match (item.action, &item.version, &item.backup_line) {
            (Action::Delete, ..) => return Ok(None),
            (_, None, None) if self.composition.composes(item) => {
                let content = self.composed(item, name, None).await?;
                return Ok(Some(self.restores.stamped(content, self.second, self.restore_id)));
            }
            (_, Some(version), _) => match self.together.and_then(|read| read.version(name, version)) {
                Some(version) => self.restores.target_of(version.clone()),
                None => self.restores.target_of(self.restores.history.version(name, version).await?),
            },
            (_, None, Some(line)) => {
                let changed = || {
                    let message =
                        "the backup has changed since the plan: it has another document on this line, or none";
                    Error::corrupt(format!("reading line {} of {}", line.number, line.file), message)
                };
                let content = self.bodies.get(line).cloned().ok_or_else(changed)?;
                match &item.body_digest {
                    Some(planned) if *planned != self.restores.line_digest(&content) => return Err(changed()),
                    _ => self.restores.target_of_line(content),
                }
            }
            (_, None, None) => {
                let action =
                    format!("reading the plan of restore {} for document {}", self.restore_id, printable(&item.id));
                return Err(Error::corrupt(action, "it has neither a version nor a line of a backup"));
            }
        };
        let content =
            if self.composition.composes(item) { self.composed(item, name, Some(content)).await? } else { content };
        Ok(Some(self.restores.stamped(content, self.second, self.restore_id)))
    }

    /// [`Self::body`] with the fields that the live document decides.
    ///
    /// # Errors
    /// As [`Self::body`].
    pub(super) async fn complete_body(&self, item: &PlannedItem, name: &DocumentName) -> Result<Option<Body>, Error> {
        let mut body = self.body(item, name).await?;
        if let Some(body) = body.as_mut().filter(|body| body.keeps_fields()) {
            body.keep_fields_of(self.live(name).await?.as_ref());
        }
        Ok(body)
    }

    pub(super) fn compare(&self, live: Option<&Version>, body: Option<&Body>) -> Comparison {
        self.restores.compare(live.and_then(|live| live.document.as_ref()), body, self.restore_id)
    }

    pub(super) async fn live(&self, name: &DocumentName) -> Result<Option<Version>, Error> {
        retry(self.deadline, || self.restores.history.live_in(self.container, name, self.restore_id)).await
    }

    /// Ensures that the version that will be overwritten is stored exactly in the history. Returns its id there.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the capture filter excludes the document, unless the restore is forced: then nothing is stored.
    pub(super) async fn save_version(&self, name: &DocumentName, live: &Version) -> Result<VersionId, Error> {
        if !self.is_monitored || self.together.is_some_and(|read| read.is_stored_exactly(name, live)) {
            return Ok(live.id.clone());
        }
        if self.restores.history.rules().await?.excludes(name) {
            let action = format!("saving the live version of document {}", printable(&name.id));
            return if self.force {
                Ok(live.id.clone())
            } else {
                Err(Error::new(ErrorKind::Conflict, action, EXCLUDED))
            };
        }
        let is_missing = self.together.is_some_and(|read| read.is_missing(name, live));
        self.restores.history.ensure_stored_exactly(name, live, is_missing, self.deadline).await
    }

    async fn write_once(
        &self,
        key: &Key,
        name: &DocumentName,
        document: &Value,
        etag: Option<&str>,
    ) -> Result<Written, Error> {
        match etag {
            Some(etag) => retry(self.deadline, || self.container.replace(key, &name.id, document, etag)).await,
            None => retry(self.deadline, || self.container.create(key, &name.id, document)).await,
        }
    }

    async fn delete_once(&self, key: &Key, id: &str, etag: Option<&str>) -> Result<Deletion, Error> {
        // The record of the delete has the time after it. The clock is measured before: that takes time, in which another writer could
        // create the document again, and the record would be later than that.
        if self.is_monitored {
            self.restores.history.clock().now().await?;
        }
        self.container.delete_until(self.deadline, key, id, etag).await
    }

    /// See [`refusals`].
    pub(super) async fn refusals(&self, key: &Key, id: &str, document: &Value) -> Result<Vec<Refusal>, Error> {
        let hidden = self.restores.never_stored();
        retry(self.deadline, || refusals(self.container, key, id, document, hidden)).await
    }
}

/// The outcome of a document that this restore has written, and that another writer has changed since. Without an etag, an undo compares
/// the content, and finds the change.
fn written_and_changed(item: &mut PlannedItem) -> Outcome {
    item.message = Some(CHANGED_SINCE.to_owned());
    Outcome::Written(None, 0.0)
}

/// Whether a write failed because the document has changed.
fn is_changed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::Conflict | ErrorKind::NotFound)
}

pub(super) fn is_old_read(name: &DocumentName, what: &str) -> Error {
    let message = format!("the service {what}; retry later");
    Error::new(ErrorKind::Unavailable, format!("writing document {}", printable(&name.id)), message)
}

pub(super) fn changed(live: Option<&Version>) -> String {
    match live {
        Some(live) => format!("it has changed since the plan; its live version is {}", live.id),
        None => "it was deleted since the plan".to_owned(),
    }
}
