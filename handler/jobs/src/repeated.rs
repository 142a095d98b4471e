//! One job for a request that its sender may repeat.
//!
//! An item remembers which id the first of the requests has taken. It is created before the job, so that of several requests at the same
//! time, and after a kill between the two, all have the same id, and only one of them can create the job.

use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, IdempotencyKey, Key, REMEMBERED_SECONDS, retry};
use serde_json::json;
use tokio::time::Instant;

use crate::job::new_id;
use crate::jobs::Jobs;

/// How long transient failures are retried.
const PATIENCE: Duration = Duration::from_secs(20);
/// The kind of the items that remember requests.
const REQUEST_KIND: &str = "request";

impl Jobs {
    /// The id for the job of a request: a new one, or, for a request that is repeated, that of the first.
    ///
    /// # Errors
    /// When the jobs container cannot be read or written.
    pub async fn id_for(&self, key: Option<&IdempotencyKey>) -> Result<String, Error> {
        let new = new_id(self.now());
        let Some(key) = key else { return Ok(new) };
        let (jobs, id) = (self.open().await?, key.record_id());
        let partition = Key::text(&id);
        let remembered = json!({"id": id, "kind": REQUEST_KIND, "jobId": new, "ttl": REMEMBERED_SECONDS});
        let deadline = Instant::now() + PATIENCE;
        loop {
            match retry(deadline, || jobs.create(&partition, &id, &remembered)).await {
                Ok(_) => return Ok(new),
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
                Err(error) => match retry(deadline, || jobs.read(&partition, &id)).await? {
                    Some(first) => {
                        let first = first["jobId"].as_str().map(str::to_owned);
                        return first.ok_or_else(|| Error::corrupt(format!("reading request {id}"), "it has no jobId"));
                    }
                    // It has expired in between.
                    None if Instant::now() < deadline => {}
                    None => return Err(error),
                },
            }
        }
    }
}
