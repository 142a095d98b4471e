//! Stores what is missing in the history. Each of these writes can be repeated, by any worker, with the same result.

use changefeed_cosmos::{DocumentName, Error, timestamp};
use changefeed_history::{History, Operation, Outline, SCHEMA, Version, VersionId, pk_of};
use chrono::Utc;
use tokio::time::Instant;

/// Repairs the findings of a page.
pub(super) struct Repair<'a> {
    pub history: &'a History,
    pub job_id: &'a str,
    /// When the suspicions were stored, in seconds since 1970 by the service's clock.
    pub suspected_at: i64,
    pub deadline: Instant,
}

impl Repair<'_> {
    /// The live document as a version that this job captures.
    pub(super) async fn read_live(&self, name: &DocumentName) -> Result<Option<Version>, Error> {
        self.history.live_in(&self.history.monitored().open().await?, name, self.job_id).await
    }

    /// Captures the live version.
    pub(super) async fn store_live(&self, name: &DocumentName, live: &Version) -> Result<Option<VersionId>, Error> {
        self.history.ensure_stored_exactly(name, live, false, self.deadline).await.map(Some)
    }

    /// Stores an inferred delete of a document that does not exist.
    pub(super) async fn store_removal(&self, last: &Outline) -> Result<Option<VersionId>, Error> {
        let source_ts = self.suspected_at.max(last.source_ts);
        let removal = Version {
            id: last.id.gone(),
            pk: pk_of(&last.partition_key),
            source_id: last.source_id.clone(),
            partition_key: last.partition_key.clone(),
            operation: Operation::Delete,
            source_ts,
            // The real number is not known; it is after that of the version that was removed.
            lsn: match last.lsn {
                None if source_ts > last.source_ts => None,
                lsn => Some(lsn.unwrap_or_default() + 1),
            },
            etag: None,
            actor: None,
            expires_at: None,
            captured_at: timestamp(Utc::now()),
            captured_by: self.job_id.to_owned(),
            exact: true,
            inferred: true,
            omitted: Vec::new(),
            schema: SCHEMA,
            document: None,
            previous: None,
        };
        self.history.store_version(&removal, self.deadline).await?;
        Ok(Some(removal.id))
    }

    /// Stores the missing parts of a version again. Only the live version can be repaired: others return `None`.
    pub(super) async fn store_parts(&self, name: &DocumentName, id: &VersionId) -> Result<Option<VersionId>, Error> {
        let live = self.read_live(name).await?.filter(|live| live.id == id.plain());
        let Some(live) = live else { return Ok(None) };
        let version = Version { id: id.clone(), ..live };
        self.history.store_version(&version, self.deadline).await?;
        let is_whole = self.history.read_back(name, id).await?.is_some_and(|read| read.is_ok());
        Ok(is_whole.then(|| id.clone()))
    }
}
