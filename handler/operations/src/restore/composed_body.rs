//! Composes the document that an item of a plan is to write, as it was planned.
//!
//! A plan does not store composed documents. They follow from the live document that the plan saw, which is still live or was saved
//! to the history before it was overwritten, and from what the item names: a version, a line of a backup, or the versions of a window.

use std::borrow::Cow;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, printable};
use changefeed_history::Version;

use super::composition::RestoredFields;
use super::planned_item::PlannedItem;
use super::target_document::TargetDocument;
use super::window_versions::{UndoOutcome, WindowVersions};
use super::write::DocumentWriter;

/// What a document is composed of, besides the live one.
enum Source {
    Document(TargetDocument),
    Window(Box<WindowVersions>),
}

impl DocumentWriter<'_> {
    /// The content of a composed document. `stored` is the version or the line of a backup that the item names. With `force`, a live
    /// document that has changed since the plan keeps those changes too; what the restore does with it is still what was planned.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it can no longer be composed as it was planned.
    pub(super) async fn composed(
        &self,
        item: &PlannedItem,
        name: &DocumentName,
        stored: Option<TargetDocument>,
    ) -> Result<TargetDocument, Error> {
        let changed = || {
            let message =
                "its history has changed since the plan: a version of the window was captured later, or removed";
            Error::new(ErrorKind::Conflict, format!("planning document {} again", printable(&item.id)), message)
        };
        let mut source = match (stored, &self.composition.window) {
            (Some(stored), _) => Source::Document(stored),
            (None, Some(window)) => {
                let versions = WindowVersions::read(&self.restores.history, name, window.from()).await?;
                Source::Window(Box::new(versions.ok_or_else(changed)?))
            }
            (None, None) => return Err(changed()),
        };
        let live = self.live(name).await?;
        let is_seen = live.as_ref().and_then(|live| live.etag.as_ref()) == item.live_etag.as_ref();
        let now = self.content(&source, live.as_ref());
        let is_as_planned =
            |content: &TargetDocument| is_seen && self.is_planned(item, &source, content, live.as_ref());
        if let Some(content) = now.as_ref().filter(|content| is_as_planned(content)) {
            return Ok(content.clone());
        }
        // The document was written since, perhaps by this restore.
        let seen = match &item.replaced_version {
            Some(id) => self.exact_version(name, id).await?,
            None => None,
        };
        if let Source::Window(versions) = &mut source {
            versions.retain(|version| match &seen {
                Some(seen) => version.order() <= seen.order(),
                None => !self.is_stamped(Some(version)),
            });
        }
        let planned = self.content(&source, seen.as_ref());
        let planned = planned.filter(|content| self.is_planned(item, &source, content, seen.as_ref()));
        let is_done = |content: &TargetDocument| {
            let document = live.as_ref().and_then(|live| live.document.as_ref());
            document.is_some_and(|document| self.restores.is_same_content(document, &content.over(live.as_ref())))
        };
        match (planned, now.filter(|_| self.force)) {
            (Some(planned), None) => match self.composition.fields.as_ref().filter(|_| self.force && !is_seen) {
                // The other fields are those of the live document.
                Some(fields) => match fields.of(live.as_ref(), &planned.over(live.as_ref())) {
                    Ok(content) => Ok(planned.with_content(content)),
                    Err(reason) => Err(Error::new(ErrorKind::Conflict, "composing a document", reason)),
                },
                None => Ok(planned),
            },
            (Some(planned), _) if is_done(&planned) => Ok(planned),
            (Some(_), Some(now)) => Ok(now),
            // Without the document that the plan saw, what was planned cannot be composed and compared.
            (None, Some(now)) if seen.is_none() && !is_seen => Ok(now),
            (None, None) if !is_seen => {
                Err(Error::new(ErrorKind::Conflict, "composing a document", "it has changed since the plan"))
            }
            (None, _) => Err(changed()),
        }
    }

    fn content(&self, source: &Source, live: Option<&Version>) -> Option<TargetDocument> {
        let fields = self.composition.fields.as_ref();
        let whole = match (source, &self.composition.window) {
            (Source::Document(document), _) => Cow::Borrowed(document),
            (Source::Window(versions), Some(window)) => {
                match versions.undo(window, fields.map(RestoredFields::selection), live)?.outcome {
                    UndoOutcome::Write { content, .. } => {
                        Cow::Owned(self.restores.target(content, versions.omitted().to_vec()))
                    }
                    // Nothing is left to undo: this restore or another writer has done it.
                    UndoOutcome::Unchanged | UndoOutcome::Kept => {
                        let document = live?.document.clone()?;
                        return Some(self.restores.target(document, versions.omitted().to_vec()));
                    }
                    UndoOutcome::Delete | UndoOutcome::Unknown | UndoOutcome::Conflict { .. } => return None,
                }
            }
            (Source::Window(_), None) => return None,
        };
        match fields {
            Some(fields) => Some(whole.with_content(fields.of(live, &whole.over(live)).ok()?)),
            None => Some(whole.into_owned()),
        }
    }

    /// Whether the content is that of the plan. A stored document and the live one give always the same.
    fn is_planned(
        &self,
        item: &PlannedItem,
        source: &Source,
        content: &TargetDocument,
        live: Option<&Version>,
    ) -> bool {
        match source {
            Source::Document(_) => true,
            Source::Window(_) => item.body_digest.as_ref() == Some(&self.restores.content_digest(&content.over(live))),
        }
    }
}
