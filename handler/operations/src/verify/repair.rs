//! Records what is missing in the history. Each of these writes comes to the same when it is repeated, by whomever.

use changefeed_cosmos::{DocumentName, Error, ErrorKind, timestamp};
use changefeed_history::{Operation, Outline, SCHEMA, Version, VersionId, pk_of};
use chrono::Utc;

use super::confirm::{Confirm, Confirmed};
use super::finding::Finding;

impl Confirm<'_> {
    /// A finding, after its repair where that is asked for. `None` of the repair means that there is none.
    pub(super) async fn repaired(
        &self,
        finding: Finding,
        repair: impl Future<Output = Result<Option<VersionId>, Error>>,
    ) -> Result<Confirmed, Error> {
        if !self.repair {
            return Ok(finding.into());
        }
        match repair.await {
            Ok(Some(recorded)) => Ok(finding.repaired_by(recorded).into()),
            Ok(None) => Ok(finding.into()),
            Err(error) if is_permanent(&error) => Ok(finding.with_message(error.to_string()).into()),
            Err(error) => Err(error),
        }
    }

    /// Captures the live version.
    pub(super) async fn keep_live(&self, name: &DocumentName, live: &Version) -> Result<Option<VersionId>, Error> {
        self.verifications.history.ensure_stored_exactly(name, live, self.deadline).await.map(Some)
    }

    /// Records that a document was seen to be gone.
    pub(super) async fn keep_gone(&self, last: &Outline) -> Result<Option<VersionId>, Error> {
        let removal = Version {
            id: last.id.gone(),
            pk: pk_of(&last.partition_key),
            source_id: last.source_id.clone(),
            partition_key: last.partition_key.clone(),
            operation: Operation::Delete,
            source_ts: self.suspected_at.max(last.source_ts),
            // Somewhere after the version that it removed.
            lsn: last.lsn.map(|lsn| lsn + 1),
            etag: None,
            expires_at: None,
            captured_at: timestamp(Utc::now()),
            captured_by: self.job_id.to_owned(),
            exact: true,
            inferred: true,
            schema: SCHEMA,
            document: None,
            previous: None,
        };
        self.verifications.history.store_version(&removal, self.deadline).await?;
        Ok(Some(removal.id))
    }

    /// Stores the parts of a version again that are not there, as long as it is the live one.
    pub(super) async fn keep_parts(&self, name: &DocumentName, id: &VersionId) -> Result<Option<VersionId>, Error> {
        let live = self.read_live(name).await?.filter(|live| live.id == id.plain());
        let Some(live) = live else { return Ok(None) };
        let version = Version { id: id.clone(), ..live };
        self.verifications.history.store_version(&version, self.deadline).await?;
        let is_whole = self.verifications.history.read_back(name, id).await?.is_some_and(|read| read.is_ok());
        Ok(is_whole.then(|| id.clone()))
    }
}

/// Whether the document itself is at fault, so that every attempt would fail.
pub(super) fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Invalid | ErrorKind::Corrupt)
}
