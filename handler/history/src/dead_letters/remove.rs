//! Removes a dead letter, with its parts.
//!
//! The record is deleted first, so that a dead letter that can be read is complete.
//!
//! The race to mind: the same document is delivered again meanwhile. Capture may find the parts still stored and create the
//! record again, which would then lose its parts. So the record is read once more at the end.

use changefeed_cosmos::{Error, IdempotencyKey, Key};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::DeadLetters;
use super::list::missing;

/// The answer to a discard.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Discarded {
    Discarded,
}

impl DeadLetters {
    /// Discards a dead letter: its payload is lost permanently. With a key, a request that is repeated succeeds again.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such dead letter.
    pub async fn discard(&self, id: &str, key: Option<&IdempotencyKey>) -> Result<(), Error> {
        let known = match self.record(id).await? {
            Some(_) => self.remember(key, id, Discarded::Discarded).await.map(|_| true)?,
            None => self.remembered::<Discarded>(key, id).await?.is_some(),
        };
        // An interrupted removal may have left parts behind.
        self.remove(id).await?;
        if known { Ok(()) } else { Err(missing("discarding", id)) }
    }

    pub(super) async fn remove(&self, id: &str) -> Result<(), Error> {
        let container = self.container.open().await?;
        let deadline = Instant::now() + self.timeout;
        let delete = async |id: &str| container.delete_until(deadline, &Key::text(id), id, None).await;
        loop {
            delete(id).await?;
            let parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
            let query = "SELECT VALUE c.id FROM c WHERE c.partOf = @id";
            let parts: Vec<Value> = container.select::<Value>(query, &parameters, None).await?.try_collect().await?;
            for part in parts.iter().filter_map(Value::as_str) {
                delete(part).await?;
            }
            if parts.is_empty() || self.record(id).await?.is_none() {
                return Ok(());
            }
        }
    }
}
