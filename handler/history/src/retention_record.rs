//! The progress of the retention, in the jobs container. `docs/reference/format.md` specifies it.
//!
//! It is replaced under its etag only: of two sweeps at the same time one notices and yields, and the horizon never moves
//! back.

use std::time::Instant;

use changefeed_cosmos::{Container, Error, ErrorKind, Key, LazyContainer, Meter, retry, without_system_properties};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::version::SCHEMA;

const ID: &str = "retention";
/// Before every version.
pub(crate) const NEVER: i64 = -1;

/// The progress of the retention. Times are seconds since 1970; -1 before the first sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    pub id: String,
    /// Jobs of other kinds lie beside it.
    pub kind: String,
    /// From this second on the history is as complete as it was captured.
    pub horizon: i64,
    /// Versions of source times up to this one have been looked at.
    pub swept_to: i64,
    /// Among them also those that were captured up to this time.
    pub late_to: i64,
    /// Restores that began up to this time pin no version any more.
    pub released_to: i64,
    /// The restore among them that is being let go, the largest in more than one sweep.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub releasing: Option<Releasing>,
    /// Versions with parts that are being removed.
    #[serde(default)]
    pub removing: Vec<Removing>,
    /// Versions that were removed so far.
    #[serde(default)]
    pub removed: u64,
    /// When the last sweep was that came to its end or ran out of time, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub swept_at: Option<String>,
    pub schema: u32,
}

/// How far the items of a restore have been gone through that pins nothing any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Releasing {
    /// The id of the restore; those of smaller ids are done.
    pub restore: String,
    /// Where its next items are; nothing at the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continuation: Option<String>,
}

/// A version whose record goes first and its parts after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Removing {
    /// The id of the version.
    pub id: String,
    /// Where its record lies in the changes container.
    pub key: Key,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            id: ID.to_owned(),
            kind: ID.to_owned(),
            horizon: NEVER,
            swept_to: NEVER,
            late_to: NEVER,
            released_to: NEVER,
            releasing: None,
            removing: Vec::new(),
            removed: 0,
            swept_at: None,
            schema: SCHEMA,
        }
    }
}

/// The record as it was read or written last.
pub(crate) struct Saved {
    pub progress: Progress,
    /// How many versions of the running sweep are counted in it.
    pub counted: u64,
    etag: Option<String>,
}

impl Saved {
    pub(crate) async fn load(jobs: &Container) -> Result<Self, Error> {
        let Some(record) = jobs.read(&Key::text(ID), ID).await? else {
            return Ok(Self { progress: Progress::default(), counted: 0, etag: None });
        };
        let etag = record["_etag"].as_str().map(str::to_owned);
        Ok(Self { progress: progress_of(record)?, counted: 0, etag })
    }

    /// Writes the record. `false` when another sweep has written it since.
    pub(crate) async fn save(&mut self, jobs: &Container, deadline: Instant) -> Result<bool, Error> {
        let key = Key::text(ID);
        let record = serde_json::to_value(&self.progress)
            .map_err(|error| Error::internal("saving the retention record", error))?;
        let written = match &self.etag {
            Some(etag) => retry(deadline, || jobs.replace(&key, ID, &record, etag)).await,
            None => retry(deadline, || jobs.create(&key, ID, &record)).await,
        };
        match written {
            Ok(written) => {
                self.etag = written.etag;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => {
                // A write of this sweep whose reply was lost has the same content.
                let found = Self::load(jobs).await?;
                let own = found.progress == self.progress;
                self.etag = found.etag;
                Ok(own)
            }
            Err(error) => Err(error),
        }
    }
}

fn progress_of(record: Value) -> Result<Progress, Error> {
    serde_json::from_value(without_system_properties(record))
        .map_err(|error| Error::corrupt("reading the retention record", error))
}

/// Asks the retention record how far back the history is complete.
#[derive(Clone, Debug)]
pub(crate) struct Horizon {
    jobs: LazyContainer,
}

impl Horizon {
    pub(crate) fn new(jobs: LazyContainer) -> Self {
        Self { jobs }
    }

    pub(crate) fn metered(&self, meter: &Meter) -> Self {
        Self { jobs: self.jobs.metered(meter) }
    }

    pub(crate) fn jobs(&self) -> &LazyContainer {
        &self.jobs
    }

    /// The second since 1970 from which on the history is as complete as it was captured; before every version if none was
    /// ever removed. It is valid for what was read *before* this call: it is recorded before a version is removed.
    pub(crate) async fn second(&self) -> Result<i64, Error> {
        Ok(self.progress().await?.horizon)
    }

    pub(crate) async fn progress(&self) -> Result<Progress, Error> {
        match self.jobs.open().await {
            Ok(jobs) => Ok(Saved::load(&jobs).await?.progress),
            // Without a jobs container there was never a sweep.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Progress::default()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn progress_is_read_back_as_it_was_written(horizon in any::<i64>(), swept_to in any::<i64>(), id in any::<String>()) {
            let releasing = Some(Releasing { restore: id.clone(), continuation: Some(id.clone()) });
            let removing = vec![Removing { id, key: Key::text("a") }];
            let progress = Progress { horizon, swept_to, releasing, removing, swept_at: Some("t".into()), ..Progress::default() };
            let json = serde_json::to_string(&progress).expect("json");
            prop_assert_eq!(progress_of(serde_json::from_str(&json).expect("value")).expect("progress"), progress);
        }
    }
}
