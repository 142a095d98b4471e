//! Records what is missing in the history. Each of these writes comes to the same when it is repeated, by whomever.

use chrono::Utc;

use super::confirm::{Confirm, Confirmed};
use super::finding::Finding;
use crate::capture::keep;
use crate::cosmos::Error;
use crate::policy::{Decision, decide};
use crate::read::{DocumentName, Outline};
use crate::store::Role;
use crate::version::{GONE_SUFFIX, Operation, SCHEMA, Version, pk_of, plain_id, timestamp};

impl Confirm<'_> {
    /// A finding, after its repair where that is asked for. `None` of the repair means that there is none.
    pub(super) async fn repaired(
        &self,
        finding: Finding,
        repair: impl Future<Output = Result<Option<String>, Error>>,
    ) -> Result<Confirmed, Error> {
        if !self.repair {
            return Ok(finding.into());
        }
        match repair.await {
            Ok(Some(recorded)) => Ok(finding.repaired_by(recorded).into()),
            Ok(None) => Ok(finding.into()),
            Err(error) if decide(error.kind()) == Decision::DeadLetter => Ok(finding.saying(error.to_string()).into()),
            Err(error) => Err(error),
        }
    }

    /// Captures the live version.
    pub(super) async fn keep_live(&self, name: &DocumentName, live: &Version) -> Result<Option<String>, Error> {
        self.store.keep_exactly(name, live, self.deadline).await.map(Some)
    }

    /// Records that a document was seen to be gone.
    pub(super) async fn keep_gone(&self, last: &Outline) -> Result<Option<String>, Error> {
        let removal = Version {
            id: format!("{}{GONE_SUFFIX}", plain_id(&last.id)),
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
        keep(self.store.container(Role::Changes).await?, &removal, self.deadline).await?;
        Ok(Some(removal.id))
    }

    /// Stores the parts of a version again that are not there, as long as it is the live one.
    pub(super) async fn keep_parts(&self, name: &DocumentName, id: &str) -> Result<Option<String>, Error> {
        let live = self.read_live(name).await?.filter(|live| live.id == plain_id(id));
        let Some(live) = live else { return Ok(None) };
        let version = Version { id: id.to_owned(), ..live };
        keep(self.store.container(Role::Changes).await?, &version, self.deadline).await?;
        let is_whole = self.store.read_back(name, id).await?.is_some_and(|read| read.is_ok());
        Ok(is_whole.then(|| id.to_owned()))
    }
}
