//! Brings another event for jobs that no worker has continued.
//!
//! The change feed delivers a job once for each time that it was saved. An app that does not have the job's source, or an older version of the
//! program that does not know what the record is, leaves the job as it is, and no further event comes. So workers look for such jobs.

use changefeed_cosmos::{Error, ErrorKind, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::job::Read;
use crate::jobs::Jobs;

/// For how long a job was not saved: a worker saves it several times a minute.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(5);

impl Jobs {
    /// Saves each job that has work left and that no worker has saved for five minutes. Returns their ids.
    ///
    /// # Errors
    /// When the container cannot be read or written.
    pub async fn wake_forgotten(&self, now: DateTime<Utc>) -> Result<Vec<String>, Error> {
        let query = "SELECT VALUE c.id FROM c WHERE c.state IN ('queued', 'running') AND c.job.updatedAt < @before";
        let parameters = Map::from_iter([("@before".to_owned(), json!(timestamp(now - FORGOTTEN)))]);
        let found: Vec<Value> = self.open().await?.select(query, &parameters, None).await?.try_collect().await?;
        let mut woken = Vec::new();
        for id in found.iter().filter_map(Value::as_str) {
            let Some(Read { mut job, etag }) = self.read(id).await? else { continue };
            if job.state.is_end() || job.job.is_claimed(now) || job.job.is_waiting() || job.job.only_on.is_some() {
                continue;
            }
            job.job.updated_at = timestamp(now);
            match self.replace(&job, &etag).await {
                Ok(_) => woken.push(id.to_owned()),
                // A worker has saved it, which brings an event.
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                Err(error) => return Err(error),
            }
        }
        Ok(woken)
    }
}
