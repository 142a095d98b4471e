//! Removes the dead letters of documents that are erased.

use changefeed_cosmos::Error;
use serde_json::Value;

use super::DeadLetters;
use super::repeated::is_answer;
use crate::erasure::DocumentSet;

impl DeadLetters {
    /// Whether a record of the container is a dead letter that may hold one of these documents.
    ///
    /// # Errors
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when it is damaged, and when the containers cannot be read.
    pub async fn may_hold(&self, record: Value, documents: &DocumentSet) -> Result<bool, Error> {
        if record.get("partOf").is_some() || is_answer(&record) {
            return Ok(false);
        }
        let monitored = self.capture.monitored().open().await?;
        let payload = self.letter_of(record).await?.payload.unwrap_or_default();
        Ok(documents.is_in(&payload, monitored.key_paths()))
    }

    /// Removes a dead letter with its parts.
    ///
    /// # Errors
    /// When the container cannot be read or written.
    pub async fn erase(&self, id: &str) -> Result<(), Error> {
        self.remove(id).await
    }
}
