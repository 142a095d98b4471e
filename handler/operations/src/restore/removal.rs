//! The deletes of a restore, which it records in the history itself: the change feed may not report them.

use std::time::Duration;

use changefeed_cosmos::{Deletion, DocumentName, Error, digest};
use changefeed_history::{Operation, Version, VersionId};
use tokio::time::Instant;

use super::write::{DocumentWriter, Outcome};

/// The number of versions that are usually stored after the one that was deleted.
pub(super) const EXPECTED_SINCE: usize = 10;
/// How long a restore that has deleted a document may take to record it.
const RECORDING: Duration = Duration::from_secs(2);
/// How often it is looked for.
const RECORDING_INTERVAL: Duration = Duration::from_millis(250);

impl DocumentWriter<'_> {
    /// The outcome of a delete. A document that did not exist any more was deleted by another writer, or by another worker of this job,
    /// which records it. Where the reply was lost, it was this delete, unless another restore has recorded that it has deleted the document.
    pub(super) async fn deleted(
        &self,
        name: &DocumentName,
        removed: Option<&Version>,
        deletion: Deletion,
    ) -> Result<Outcome, Error> {
        match (deletion, removed) {
            (Deletion::Done(_), _) => self.store_removal(removed).await?,
            (Deletion::Unclear, Some(version))
                if self.is_monitored
                    && let Some(removal) = self.removal(name, version).await?
                    && !removal.is_removal_by(self.restore_id) =>
            {
                return Ok(Outcome::AlreadyDone);
            }
            (Deletion::Unclear, _) => self.store_removal_late(removed).await?,
            (Deletion::Absent, Some(version)) if self.is_shared && self.has_removed(name, version).await? => {}
            (Deletion::Absent, _) => return Ok(Outcome::AlreadyDone),
        }
        Ok(Outcome::Written(None, deletion.request_charge()))
    }

    /// The recorded removal of a version by a restore, preferably by this one. A restore that has just deleted the document may be
    /// about to record that.
    pub(super) async fn removal(&self, name: &DocumentName, removed: &Version) -> Result<Option<VersionId>, Error> {
        let end = Instant::now() + RECORDING;
        loop {
            let recorded = self.recorded_removal(name, removed).await?;
            if recorded.is_some() || Instant::now() >= end {
                return Ok(recorded);
            }
            tokio::time::sleep(RECORDING_INTERVAL).await;
        }
    }

    pub(super) async fn recorded_removal(
        &self,
        name: &DocumentName,
        removed: &Version,
    ) -> Result<Option<VersionId>, Error> {
        let mut versions = self.restores.history.versions_until(name, i64::MAX, EXPECTED_SINCE).await?;
        let mut found: Option<VersionId> = None;
        while let Some(version) = versions.next().await? {
            if version.id.is_removal_by(self.restore_id) {
                return Ok(Some(version.id));
            }
            if version.source_ts < removed.source_ts {
                break;
            }
            // In the second of the version, a removal of an earlier version may be recorded too.
            let is_later = match removed.lsn {
                Some(_) => version.order() > removed.order(),
                None => version.source_ts > removed.source_ts,
            };
            if is_later && version.id.is_removal_by_a_restore() {
                found = Some(version.id);
            }
        }
        Ok(found)
    }

    /// [`Self::store_removal`] some time after the delete. If the document was created again since, or the feed has reported the delete,
    /// the delete was not later than that.
    pub(super) async fn store_removal_late(&self, removed: Option<&Version>) -> Result<(), Error> {
        let Some(removed) = removed.filter(|_| self.is_monitored) else { return Ok(()) };
        let name = removed.document_name();
        let live = self.live(&name).await?;
        let mut until = live.map_or(i64::MAX, |live| live.source_ts);
        let mut versions = self.restores.history.versions_until(&name, i64::MAX, EXPECTED_SINCE).await?;
        while let Some(version) = versions.next().await? {
            if version.order() <= removed.order() {
                break;
            }
            until = until.min(version.source_ts);
        }
        self.store_removal_until(removed, until).await
    }

    /// Stores a delete of this restore as a version: the change feed may not report it.
    pub(super) async fn store_removal(&self, removed: Option<&Version>) -> Result<(), Error> {
        match removed.filter(|_| self.is_monitored) {
            Some(removed) => self.store_removal_until(removed, i64::MAX).await,
            None => Ok(()),
        }
    }

    /// `until`: a second since 1970 at which the document was certainly deleted.
    async fn store_removal_until(&self, removed: &Version, until: i64) -> Result<(), Error> {
        if self.restores.history.rules().await?.excludes(&removed.document_name()) {
            return Ok(());
        }
        let now = self.restores.history.clock().now().await?.time();
        let second = now.timestamp().min(until).max(removed.source_ts);
        let removal = Version {
            // If the changes container is partitioned by pk alone, the removals of a restore share a partition, so the id needs the
            // document.
            id: VersionId::of_removal_by(self.restore_id, second, &digest(&removed.source_id)),
            operation: Operation::Delete,
            source_ts: second,
            // The real number is not known; it is after that of the version that was removed.
            lsn: removed.lsn.map(|lsn| lsn + 1),
            etag: None,
            actor: None,
            expires_at: None,
            omitted: Vec::new(),
            document: None,
            previous: None,
            ..removed.clone()
        };
        self.restores.history.store_version(&removal, self.deadline).await.map(drop)
    }
}
