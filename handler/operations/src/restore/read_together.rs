//! Reads what several items of a restore need with few requests, before the items are planned or written one by one.
//!
//! Nothing depends on it: what was not read together is read by itself. A document that was read together may have changed when it is
//! written. A write that it leads to carries its etag, so it fails then, and the document is read by itself.

use std::collections::{HashMap, HashSet};

use changefeed_cosmos::{Container, DocumentName};
use changefeed_history::{Known, Version, VersionId};

use super::planned_item::{Action, PlannedItem};
use super::restores::Restores;

/// Documents and versions that were read together.
#[derive(Debug, Default)]
pub(super) struct ReadTogether {
    live: HashMap<String, Option<Version>>,
    versions: HashMap<(String, String), Version>,
    /// Whether versions of the live documents were read.
    has_captured: bool,
    /// The documents of which no delete was inferred since the target.
    settled: HashSet<String>,
}

impl ReadTogether {
    /// What is needed to plan a restore of these documents to their states after the last change that counts, in seconds since 1970;
    /// `None` if the target is no time.
    pub(super) async fn to_plan(
        restores: &Restores,
        container: &Container,
        names: &[DocumentName],
        last_change: Option<i64>,
    ) -> Self {
        let mut read = Self::default();
        read.add_live(restores, container, names).await;
        let Some(last_change) = last_change else { return read };
        match restores.history.are_settled(names, last_change, i64::MAX).await {
            Ok(settled) => {
                let settled = names.iter().zip(settled).filter(|(_, is_settled)| *is_settled);
                read.settled = settled.map(|(name, _)| name.to_index_key()).collect();
            }
            Err(error) => log::debug!("inferred deletes are read one by one: {error}"),
        }
        read
    }

    /// What is needed to write these items: their live documents, the versions of them that are captured, and the versions that are
    /// restored.
    pub(super) async fn to_write(
        restores: &Restores,
        container: &Container,
        is_monitored: bool,
        items: &[PlannedItem],
    ) -> Self {
        let mut read = Self::default();
        let writes = || items.iter().filter(|item| item.action.is_write());
        // A delete records the sequence number of what it removes, which a document that was read together lacks.
        let not_deleted = writes().filter(|item| item.action != Action::Delete);
        read.add_live(restores, container, &not_deleted.map(PlannedItem::name).collect::<Vec<_>>()).await;
        let restored = writes().filter_map(|item| Some((item.name(), VersionId::from(item.version.as_deref()?))));
        let captured = writes().filter(|_| is_monitored).filter_map(|item| {
            let name = item.name();
            let live = read.live.get(&name.to_index_key())?.as_ref()?;
            Some((name, live.id.clone()))
        });
        let versions: Vec<(DocumentName, VersionId)> = restored.chain(captured).collect();
        read.has_captured = read.add_versions(restores, &versions).await;
        read
    }

    /// What is needed to plan the undo of these items.
    pub(super) async fn to_undo(restores: &Restores, container: &Container, items: &[PlannedItem]) -> Self {
        let mut read = Self::default();
        read.add_live(restores, container, &items.iter().map(PlannedItem::name).collect::<Vec<_>>()).await;
        let replaced =
            items.iter().filter_map(|item| Some((item.name(), VersionId::from(item.replaced_version.as_deref()?))));
        read.add_versions(restores, &replaced.collect::<Vec<_>>()).await;
        read
    }

    async fn add_live(&mut self, restores: &Restores, container: &Container, names: &[DocumentName]) {
        match restores.history.live_many(container, names, "live").await {
            Ok(live) => self.live.extend(names.iter().map(DocumentName::to_index_key).zip(live)),
            Err(error) => log::debug!("documents are read one by one: {error}"),
        }
    }

    async fn add_versions(&mut self, restores: &Restores, versions: &[(DocumentName, VersionId)]) -> bool {
        match restores.history.versions_many(versions).await {
            Ok(found) => {
                let keys = versions.iter().map(|(name, id)| (name.to_index_key(), id.to_string()));
                self.versions.extend(keys.zip(found).filter_map(|(key, version)| Some((key, version?))));
                true
            }
            Err(error) => {
                log::debug!("versions are read one by one: {error}");
                false
            }
        }
    }

    /// The live document, if it was read; `Some(None)` if there is none. It has no sequence number.
    pub(super) fn live_of(&self, name: &DocumentName) -> Option<Option<Version>> {
        self.live.get(&name.to_index_key()).cloned()
    }

    /// What is known of a document that is planned; `None` if its live document was not read.
    pub(super) fn known(&self, name: &DocumentName) -> Option<Known> {
        let is_settled = self.settled.contains(&name.to_index_key());
        Some(Known { live: self.live_of(name)?, is_settled, ..Known::default() })
    }

    /// The live document, if it was read, still has the etag of the plan, and need not be read again to be saved: its version is in
    /// the history, exactly, or it has no history. `Some(None)` if there is none, as in the plan.
    pub(super) fn planned_live_of(
        &self,
        item: &PlannedItem,
        name: &DocumentName,
        is_monitored: bool,
    ) -> Option<Option<Version>> {
        let live = self.live_of(name)?;
        let is_saved = !is_monitored || live.as_ref().is_none_or(|live| self.is_stored_exactly(name, live));
        let etag = live.as_ref().and_then(|live| live.etag.as_ref());
        (etag == item.live_etag.as_ref() && is_saved).then_some(live)
    }

    /// A version, if it was read.
    pub(super) fn version(&self, name: &DocumentName, id: &str) -> Option<&Version> {
        self.versions.get(&(name.to_index_key(), id.to_owned()))
    }

    /// Whether the version of a live document was read from the history and is exact.
    pub(super) fn is_stored_exactly(&self, name: &DocumentName, live: &Version) -> bool {
        self.version(name, &live.id)
            .is_some_and(|stored| stored.exact && stored.document.as_ref().is_some_and(serde_json::Value::is_object))
    }

    /// Whether the version of a live document was looked for and not found.
    pub(super) fn is_missing(&self, name: &DocumentName, live: &Version) -> bool {
        let was_read = matches!(self.live.get(&name.to_index_key()), Some(Some(read)) if read.id == live.id);
        self.has_captured && was_read && self.version(name, &live.id).is_none()
    }

    /// The names of the items that overwrite the version of their plan, which is not in the history.
    pub(super) fn unsaved(&self, items: &[PlannedItem]) -> Vec<DocumentName> {
        let writes = items.iter().filter(|item| item.action.is_write());
        let unsaved = writes.filter_map(|item| {
            let name = item.name();
            let live = self.live.get(&name.to_index_key())?.as_ref()?;
            (live.etag == item.live_etag && self.is_missing(&name, live)).then_some(name)
        });
        unsaved.collect()
    }

    /// Adds the version of a live document, which is in the history now.
    pub(super) fn add_saved(&mut self, name: &DocumentName, version: Version) {
        self.versions.insert((name.to_index_key(), version.id.to_string()), version.clone());
        self.live.insert(name.to_index_key(), Some(version));
    }
}
