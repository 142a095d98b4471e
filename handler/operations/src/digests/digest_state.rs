//! The record in the jobs container that says that digests are written, since when, and which file is the last one at each location.

use std::collections::BTreeMap;
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, ChainLink};
use changefeed_cosmos::{Error, ErrorKind, Key, retry, to_item, without_system_properties};
use changefeed_history::{DIGESTS_RECORD, SCHEMA};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::all::Digests;

/// How long transient failures are retried.
const PATIENCE: Duration = Duration::from_secs(20);

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    id: String,
    kind: String,
    /// The second since 1970, by the service's clock, from which on removals are recorded.
    since: i64,
    /// The last file at each location.
    last: BTreeMap<String, ChainLink>,
    schema: u32,
}

impl Digests {
    /// The last file at a location, as the jobs container remembers it.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub(crate) async fn last_file(&self, location: &BackupLocation) -> Result<Option<ChainLink>, Error> {
        Ok(self.state().await?.and_then(|(mut state, _)| state.last.remove(&location.to_string())))
    }

    /// Remembers the last file at a location.
    pub(super) async fn set_last_file(&self, location: &BackupLocation, last: &ChainLink) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        let jobs = self.jobs.open().await?;
        let id = jobs.own_id(DIGESTS_RECORD);
        let key = Key::text(&id);
        loop {
            let missing = || Error::not_found("remembering the last file of digests", "the record digests was deleted");
            let (mut state, etag) = self.state().await?.ok_or_else(missing)?;
            let known = state.last.entry(location.to_string()).or_insert_with(|| last.clone());
            // The names of files sort by time. Another job may have gone further.
            if *known != *last && known.name < last.name {
                known.clone_from(last);
            }
            let item = to_item(&state)?;
            match retry(deadline, || jobs.replace(&key, &id, &item, &etag)).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                replaced => return replaced.map(drop),
            }
        }
    }

    /// From now on, removals are recorded. Returns the second from which on they are.
    pub(super) async fn begin_recording(&self) -> Result<i64, Error> {
        let deadline = Instant::now() + PATIENCE;
        if let Some((state, _)) = self.state().await? {
            return Ok(state.since);
        }
        let jobs = self.jobs.open().await?;
        let id = jobs.own_id(DIGESTS_RECORD);
        let key = Key::text(&id);
        let state = State {
            id: DIGESTS_RECORD.to_owned(),
            kind: DIGESTS_RECORD.to_owned(),
            since: self.history.clock().second().await?,
            last: BTreeMap::new(),
            schema: SCHEMA,
        };
        let item = to_item(&state)?;
        match retry(deadline, || jobs.create(&key, &id, &item)).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            // Another job may have created it just now.
            _ => Ok(state.since),
        }
    }

    async fn state(&self) -> Result<Option<(State, String)>, Error> {
        let deadline = Instant::now() + PATIENCE;
        let jobs = self.jobs.open().await?;
        let id = jobs.own_id(DIGESTS_RECORD);
        let key = Key::text(&id);
        let Some(record) = retry(deadline, || jobs.read(&key, &id)).await? else { return Ok(None) };
        let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
        let state = serde_json::from_value(without_system_properties(record))
            .map_err(|error| Error::corrupt("reading the record digests", error))?;
        Ok(Some((state, etag)))
    }
}
