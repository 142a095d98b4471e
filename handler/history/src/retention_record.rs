//! The progress of the retention, in the jobs container. `docs/reference/format.md` specifies it.
//!
//! It is replaced only under its etag: of two concurrent sweeps, one detects the other and stops, and the horizon never moves
//! back.

use changefeed_cosmos::{Container, Error, ErrorKind, Key, LazyContainer, Meter, retry, without_system_properties};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::version::SCHEMA;

const ID: &str = "retention";
/// The value of a time that is not set; it is before every version.
pub(crate) const NEVER: i64 = -1;

/// The progress of the retention. Times are seconds since 1970; -1 before the first sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    pub id: String,
    /// Distinguishes it from the jobs in the same container.
    pub kind: String,
    /// For times from this second on, no captured version was deleted.
    pub horizon: i64,
    /// Versions with source times up to this one were swept.
    pub swept_to: i64,
    /// Among them, also the ones that were captured up to this time were swept.
    pub late_to: i64,
    /// Restores that began up to this time no longer pin versions, and their documents were swept.
    pub released_to: i64,
    /// The restore whose documents are being swept because it no longer pins versions. A large one takes several sweeps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub releasing: Option<Releasing>,
    /// Versions with parts that are being removed.
    #[serde(default)]
    pub removing: Vec<Removing>,
    /// The number of versions deleted so far.
    #[serde(default)]
    pub removed: u64,
    /// When the last sweep ended or ran out of time, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub swept_at: Option<String>,
    pub schema: u32,
}

/// The progress within the documents of a restore that no longer pins versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Releasing {
    /// The id of the restore. Restores with smaller ids are done.
    pub restore: String,
    /// The continuation of the next page of its items; `None` for the first page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continuation: Option<String>,
}

/// A version with parts that is being deleted: first its record, then its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Removing {
    /// The id of the version.
    pub id: String,
    /// The partition key value of its record in the changes container.
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
    /// The versions deleted by the running sweep that `progress.removed` includes.
    pub counted: u64,
    etag: Option<String>,
}

impl Saved {
    pub(crate) async fn load(jobs: &Container) -> Result<Self, Error> {
        let id = jobs.own_id(ID);
        let Some(record) = jobs.read(&Key::text(&id), &id).await? else {
            return Ok(Self { progress: Progress::default(), counted: 0, etag: None });
        };
        let etag = record["_etag"].as_str().map(str::to_owned);
        Ok(Self { progress: progress_of(record)?, counted: 0, etag })
    }

    /// Writes the record. Returns `false` if another sweep has written it since it was read.
    pub(crate) async fn save(&mut self, jobs: &Container, deadline: Instant) -> Result<bool, Error> {
        let id = jobs.own_id(ID);
        let key = Key::text(&id);
        let record = serde_json::to_value(&self.progress)
            .map_err(|error| Error::internal("saving the retention record", error))?;
        let written = match &self.etag {
            Some(etag) => retry(deadline, || jobs.replace(&key, &id, &record, etag)).await,
            None => retry(deadline, || jobs.create(&key, &id, &record)).await,
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

/// Reads from the retention record how far back the history is complete.
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

    /// The horizon in seconds since 1970: for times from then on, no captured version was deleted. [`NEVER`] if none was ever
    /// deleted. It is valid for versions read *before* this call, because it is recorded before a version is deleted.
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

impl Horizon {
    /// Records that versions from before a second since 1970 may be missing. The horizon never moves back.
    ///
    /// # Errors
    /// When the record cannot be written before the deadline.
    pub(crate) async fn raise(&self, second: i64, deadline: Instant) -> Result<(), Error> {
        let jobs = self.jobs.open().await?;
        loop {
            let mut saved = retry(deadline, || Saved::load(&jobs)).await?;
            if saved.progress.horizon >= second {
                return Ok(());
            }
            saved.progress.horizon = second;
            saved.save(&jobs, deadline).await?;
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
