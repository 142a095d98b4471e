//! The second from which the new mode captures every change: an item of the jobs container. `docs/reference/format.md` specifies it.
//!
//! The leases do not say it: their checkpoints move on. It is created once for each switch, so that a later look does not find a later second.

use changefeed_cosmos::{Error, ErrorKind, Key, LazyContainer, to_item};
use changefeed_history::SCHEMA;
use changefeed_processor::ChangeFeedMode;
use serde::{Deserialize, Serialize};

/// A switch that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchRecord {
    id: String,
    /// Distinguishes it from the jobs in the same container.
    kind: String,
    to: String,
    /// Every change after this second, since 1970 by the clock of the service, is captured in the new mode.
    pub captured_after: i64,
    schema: u32,
}

fn id(jobs: &LazyContainer, to: ChangeFeedMode) -> String {
    jobs.own_id(&format!("switch-to-{to}"))
}

impl SwitchRecord {
    /// The record of a switch to a mode; `None` if it has not begun.
    pub async fn load(jobs: &LazyContainer, to: ChangeFeedMode) -> Result<Option<Self>, Error> {
        let id = id(jobs, to);
        let Some(item) = jobs.open().await?.read(&Key::text(&id), &id).await? else { return Ok(None) };
        serde_json::from_value(item)
            .map(Some)
            .map_err(|error| Error::internal("reading the record of the switch", error))
    }

    /// Stores that the new mode captures every change after this second. An existing record is not changed.
    pub async fn begin(jobs: &LazyContainer, to: ChangeFeedMode, captured_after: i64) -> Result<Self, Error> {
        let id = id(jobs, to);
        let record =
            Self { id: id.clone(), kind: "switch-mode".to_owned(), to: to.to_string(), captured_after, schema: SCHEMA };
        match jobs.open().await?.create(&Key::text(&id), &id, &to_item(&record)?).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Self::load(jobs, to).await?.unwrap_or(record)),
            created => created.map(|_| record),
        }
    }

    /// Removes the record of a switch that has ended, or was given up.
    pub async fn end(jobs: &LazyContainer, to: ChangeFeedMode) -> Result<(), Error> {
        let id = id(jobs, to);
        match jobs.open().await?.delete(&Key::text(&id), &id, None).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}
