//! The record of how far the retention has come, in the jobs container. `docs/format.md` specifies it.
//!
//! It is replaced under its etag only: of two sweeps at the same time one notices and yields, and the horizon never moves
//! back.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cosmos::{Container, Error, ErrorKind, Key};
use crate::policy::retry;
use crate::store::{Role, Store};
use crate::version::{SCHEMA, without_system_properties};

const ID: &str = "retention";
/// Before every version.
pub(super) const NEVER: i64 = -1;

/// How far the retention has come. Times are seconds since 1970; -1 before the first sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
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
pub(super) struct Releasing {
    /// The id of the restore; those of smaller ids are done.
    pub restore: String,
    /// Where its next items are; nothing at the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continuation: Option<String>,
}

/// A version whose record goes first and its parts after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Removing {
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
pub(super) struct Saved {
    pub progress: Progress,
    /// How many versions of the running sweep are counted in it.
    pub counted: u64,
    etag: Option<String>,
}

impl Saved {
    pub(super) async fn load(jobs: &Container) -> Result<Self, Error> {
        let Some(record) = jobs.read(&Key::text(ID), ID).await? else {
            return Ok(Self { progress: Progress::default(), counted: 0, etag: None });
        };
        let etag = record["_etag"].as_str().map(str::to_owned);
        Ok(Self { progress: progress_of(record)?, counted: 0, etag })
    }

    /// Writes the record. `false` when somebody else has written it since: another sweep is at work.
    pub(super) async fn save(&mut self, jobs: &Container, deadline: Instant) -> Result<bool, Error> {
        let key = Key::text(ID);
        let record = serde_json::to_value(&self.progress).map_err(|error| refused(&error))?;
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
                // One's own write, whose reply was lost, says the same.
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
    serde_json::from_value(without_system_properties(record)).map_err(|error| refused(&error))
}

fn refused(error: &serde_json::Error) -> Error {
    Error::invalid("reading how far the retention has come", error.to_string())
}

impl Store {
    /// The second since 1970 from which on the history is as complete as it was captured; before every version if nothing
    /// was ever removed. It holds for what was read *before* it was asked for: it is on record before anything goes.
    pub(crate) async fn horizon(&self) -> Result<i64, Error> {
        Ok(self.retention_progress().await?.horizon)
    }

    pub(super) async fn retention_progress(&self) -> Result<Progress, Error> {
        match self.container(Role::Jobs).await {
            Ok(jobs) => Ok(Saved::load(jobs).await?.progress),
            // Where there never was a jobs container, there never was a sweep.
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
