//! The deletes of a restore, which it records in the history itself: the change feed may not report them.

use std::time::Duration;

use changefeed_cosmos::{Deletion, Error};
use changefeed_history::{Operation, Version, VersionId};
use tokio::time::Instant;

use super::write::{DocumentWriter, Outcome};

/// How long a restore that has deleted a document may take to record it.
const RECORDING: Duration = Duration::from_secs(2);
/// How often it is looked for.
const RECORDING_INTERVAL: Duration = Duration::from_millis(250);

/// What the history has of a document after a version.
struct Later {
    /// The recorded removal of the version by a restore, preferably by this one.
    removal: Option<VersionId>,
    /// The second of the first later version, since 1970; the largest number if there is none.
    until: i64,
}

impl DocumentWriter<'_> {
    /// The outcome of a delete. A document that did not exist any more was deleted by another writer, or by another worker of this job,
    /// which records it. Where the reply was lost, it was this delete, unless another restore has recorded that it has deleted the document.
    pub(super) async fn deleted(&self, removed: Option<&Version>, deletion: Deletion) -> Result<Outcome, Error> {
        let is_own = match (deletion, removed.filter(|_| self.is_monitored)) {
            (Deletion::Done(_), _) => self.store_removal(removed).await.map(|()| true)?,
            (Deletion::Unclear, Some(removed)) => self.is_own_delete(removed, RECORDING).await?,
            (Deletion::Absent, Some(removed)) => self.is_shared && self.has_removed(removed).await?,
            (deletion, None) => deletion.is_own(),
        };
        Ok(if is_own { Outcome::Written(None, deletion.request_charge()) } else { Outcome::AlreadyDone })
    }

    /// Whether the history has the delete of a version by this restore.
    pub(super) async fn has_removed(&self, removed: &Version) -> Result<bool, Error> {
        let removal = if self.is_monitored { self.later(removed, RECORDING).await?.removal } else { None };
        Ok(removal.is_some_and(|removal| removal.is_removal_by(self.restore_id)))
    }

    /// Whether it was this restore that deleted a version, unless another restore has recorded that. If none has, it is recorded now.
    pub(super) async fn is_own_delete(&self, removed: &Version, patience: Duration) -> Result<bool, Error> {
        let Later { removal, until } = self.later(removed, patience).await?;
        if let Some(removal) = removal {
            return Ok(removal.is_removal_by(self.restore_id));
        }
        // If the document was created again since, or the feed has reported the delete, the delete was not later than that.
        let live = self.live(&removed.document_name()).await?;
        let until = live.map_or(until, |live| until.min(live.source_ts));
        self.store_removal_until(removed, until).await.map(|()| true)
    }

    /// What is later than a version. A restore that has just deleted the document may be about to record that.
    async fn later(&self, removed: &Version, patience: Duration) -> Result<Later, Error> {
        let end = Instant::now() + patience;
        loop {
            let later = self.later_now(removed).await?;
            if later.removal.is_some() || Instant::now() >= end {
                return Ok(later);
            }
            tokio::time::sleep(RECORDING_INTERVAL).await;
        }
    }

    async fn later_now(&self, removed: &Version) -> Result<Later, Error> {
        let mut later = Later { removal: None, until: i64::MAX };
        let mut is_end = |version: &Version| {
            let is_own = version.id.is_removal_by(self.restore_id);
            let is_later = version.order() > removed.order();
            if is_later {
                later.until = version.source_ts;
            }
            // In the second of the version, a removal of an earlier version may be recorded too.
            let is_ordered = removed.lsn.is_some() || version.source_ts > removed.source_ts;
            if is_own || is_later && is_ordered && version.id.is_removal_by_a_restore() {
                later.removal = Some(version.id.clone());
            }
            is_own || version.source_ts < removed.source_ts
        };
        self.find_version(&removed.document_name(), &mut is_end).await?;
        Ok(later)
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
            // The removals of a restore can share a partition of the changes container, so the id needs the document.
            id: VersionId::of_removal_by(self.restore_id, second, &removed.name_digest()),
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
