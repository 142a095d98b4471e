//! What this restore has written before: a worker that was killed, or a request whose reply was lost.

use std::time::Duration;

use changefeed_cosmos::{DocumentName, Error, ErrorKind};
use changefeed_history::Version;
use changefeed_jobs::second_of_id;

use super::planned_item::{Action, PlannedItem};
use super::stamp::{Body, Comparison};
use super::write::DocumentWriter;

/// The number of versions that are usually stored after the one that a restore overwrote or deleted.
const EXPECTED_SINCE: usize = 10;

impl DocumentWriter<'_> {
    /// Whether this restore was the last to write the document.
    pub(super) fn is_stamped(&self, live: Option<&Version>) -> bool {
        let document = live.and_then(|live| live.document.as_ref());
        document.is_some_and(|document| self.restores.is_stamped_by(document, self.restore_id))
    }

    /// The item with its outcome, if this restore has written the document. Nothing is written.
    ///
    /// # Errors
    /// When the document cannot be read.
    pub(super) async fn find_written(&self, mut item: PlannedItem) -> Result<Option<PlannedItem>, Error> {
        let name = item.name();
        let mut body = self.body(&item, &name).await?;
        let live = self.live(&name).await?;
        if let Some(body) = &mut body {
            body.keep_fields_of(live.as_ref());
        }
        if self.is_written(&item, &name, live.as_ref(), &body, false).await? != Some(true) {
            return Ok(None);
        }
        self.complete_record(&mut item, &name, live.as_ref()).await?;
        Ok(Some(PlannedItem { restored_etag: live.and_then(|live| live.etag), ..item }))
    }

    /// Whether the document is as planned: by this restore, or by another writer. `None` when it is not. `was_sent`: see
    /// [`Prepared`](super::write::Prepared).
    pub(super) async fn is_written(
        &self,
        item: &PlannedItem,
        name: &DocumentName,
        live: Option<&Version>,
        body: &Option<Body>,
        was_sent: bool,
    ) -> Result<Option<bool>, Error> {
        Ok(match self.compare(live, body.as_ref()) {
            Comparison::Own => Some(true),
            Comparison::Unclear if was_sent => Some(true),
            Comparison::Same => Some(false),
            Comparison::Unclear if self.is_shared => Some(self.is_own(item, name, body).await?),
            Comparison::Unclear => Some(false),
            Comparison::Different => None,
        })
    }

    /// Whether it was this restore that deleted a document, or wrote one without a stamp. A restore saves the overwritten version
    /// first, and records a delete after it.
    async fn is_own(&self, item: &PlannedItem, name: &DocumentName, body: &Option<Body>) -> Result<bool, Error> {
        let (Some(replaced), true) = (&item.replaced_version, self.is_monitored) else { return Ok(self.was_begun) };
        let planned = self.exact_version(name, replaced).await?;
        // A version that this restore has stored: one that it overwrote, or its delete.
        let mut is_stored =
            |version: &Version| version.captured_by == self.restore_id || version.id.is_removal_by(self.restore_id);
        if body.is_some() {
            let is_any = planned.is_some() || self.force && self.find_version(name, &mut is_stored).await?.is_some();
            return Ok(is_any);
        }
        let removed = if self.force {
            // It may have deleted a later version than that of the plan. It has saved that version before.
            let (mut is_known, mut is_recorded) = (planned.is_some(), false);
            let mut is_removed = |version: &Version| {
                is_recorded |= version.id.is_removal_by(self.restore_id);
                is_known |= is_stored(version);
                is_recorded || is_known && version.exact && !version.operation.is_removal()
            };
            let removed = self.find_version(name, &mut is_removed).await?;
            if is_recorded {
                return Ok(true);
            }
            removed
        } else {
            planned
        };
        match removed {
            Some(removed) if self.was_begun => self.is_own_delete(&removed, Duration::ZERO).await,
            // Unless a worker whose claim has expired executes the same plan, another writer has deleted it.
            Some(removed) => self.has_removed(&removed).await,
            None => Ok(false),
        }
    }

    /// The newest version of a document that meets a condition, which is called for each version from the newest on.
    pub(super) async fn find_version(
        &self,
        name: &DocumentName,
        is_meant: &mut (dyn FnMut(&Version) -> bool + Send),
    ) -> Result<Option<Version>, Error> {
        let mut versions = self.restores.history.versions_until(name, i64::MAX, EXPECTED_SINCE).await?;
        while let Some(version) = versions.next().await? {
            if is_meant(&version) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Completes the record of a write by an interrupted worker: what it overwrote. A forced write may have overwritten another version
    /// than that of the plan, or none. An inexact record of a version has an exact twin.
    pub(super) async fn complete_record(
        &self,
        item: &mut PlannedItem,
        name: &DocumentName,
        live: Option<&Version>,
    ) -> Result<(), Error> {
        if !self.is_monitored {
            return Ok(());
        }
        if self.force
            && !self.restores.history.rules().await?.excludes(name)
            && let Some(overwritten) = self.overwritten_since_plan(item, name, live).await?
        {
            item.replaced_version = (!overwritten.operation.is_removal()).then(|| overwritten.id.into());
            item.action = match (item.action, &item.replaced_version) {
                (Action::Delete | Action::Merge, _) => item.action,
                (_, None) => Action::Create,
                (_, Some(_)) => Action::Replace,
            };
        }
        if let Some(replaced) = &item.replaced_version
            && let Some(version) = self.exact_version(name, replaced).await?
        {
            item.replaced_version = Some(version.id.to_string());
        }
        Ok(())
    }

    /// The version that was there when this restore wrote the live document, or deleted it, if it is newer than the plan: the last one
    /// before that write. The history has it, because what is overwritten is saved first.
    async fn overwritten_since_plan(
        &self,
        item: &PlannedItem,
        name: &DocumentName,
        live: Option<&Version>,
    ) -> Result<Option<Version>, Error> {
        let planned = match &item.replaced_version {
            Some(id) => self.exact_version(name, id).await?,
            None => None,
        };
        let mut is_before = false;
        let mut is_overwritten = |version: &Version| {
            // What capture has stored of the own write may have another sequence number, or not be exact.
            let is_own = live.is_some_and(|live| version.id.plain() == live.id.plain());
            let is_found = is_before || !is_own && live.is_some_and(|live| version.order() < live.order());
            is_before = live.is_none() && version.id.is_removal_by(self.restore_id);
            is_found
        };
        let overwritten = self.find_version(name, &mut is_overwritten).await?;
        Ok(overwritten.filter(|version| match &planned {
            Some(planned) => version.order() > planned.order(),
            // In LatestVersion mode, it may have been deleted again before this restore wrote.
            None => version.captured_by == self.restore_id || version.source_ts >= second_of_id(self.restore_id),
        }))
    }

    /// Whether this restore has written the document, and another writer has changed it since and kept the stamp. A forced write
    /// overwrites that; and a document that is on several lines of files may have been written for another line.
    pub(super) fn is_changed_since(&self, item: &PlannedItem, live: Option<&Version>, expected: Option<&str>) -> bool {
        let etag = live.and_then(|live| live.etag.as_deref());
        let is_own = !self.force && item.action != Action::Delete && !self.may_repeat_documents;
        is_own && etag != expected && self.is_stamped(live)
    }

    /// A stored version, or its exact twin if it is not exact.
    pub(super) async fn exact_version(&self, name: &DocumentName, id: &str) -> Result<Option<Version>, Error> {
        match self.stored_version(name, id).await? {
            Some(stored) if !stored.exact => self.stored_version(name, &stored.id.exact()).await,
            stored => Ok(stored),
        }
    }

    async fn stored_version(&self, name: &DocumentName, id: &str) -> Result<Option<Version>, Error> {
        match self.restores.history.version(name, id).await {
            Ok(version) => Ok(Some(version)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
