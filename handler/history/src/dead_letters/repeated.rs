//! Remembers the answer to a request that removes a dead letter, for a request that its sender repeats.
//!
//! The answer is stored before the dead letter is removed: a request that is repeated finds the one, the other or both.

use changefeed_cosmos::{Error, ErrorKind, IdempotencyKey, Key, REMEMBERED_SECONDS, retry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::DeadLetters;

/// The property with the answer; no dead letter has it.
const ANSWER: &str = "answer";

/// Whether an item of the container is the answer to a request, and not a dead letter.
pub(super) fn is_answer(item: &Value) -> bool {
    item.get(ANSWER).is_some()
}

impl DeadLetters {
    /// Remembers the answer to a request about a dead letter. Returns the answer to give: that of the first of the requests.
    pub(super) async fn remember<A>(&self, key: Option<&IdempotencyKey>, letter: &str, answer: A) -> Result<A, Error>
    where
        A: Serialize + DeserializeOwned,
    {
        let Some(key) = key else { return Ok(answer) };
        let (container, id) = (self.container.open().await?, key.record_id());
        let partition = Key::text(&id);
        let item = json!({"id": id, "deadLetter": letter, ANSWER: answer, "ttl": REMEMBERED_SECONDS});
        let deadline = Instant::now() + self.timeout;
        match retry(deadline, || container.create(&partition, &id, &item)).await {
            Ok(_) => Ok(answer),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Ok(self.remembered(Some(key), letter).await?.unwrap_or(answer))
            }
            Err(error) => Err(error),
        }
    }

    /// The answer that the first of the requests has; `None` if this is the first.
    pub(super) async fn remembered<A>(&self, key: Option<&IdempotencyKey>, letter: &str) -> Result<Option<A>, Error>
    where
        A: DeserializeOwned,
    {
        let Some(key) = key else { return Ok(None) };
        let (container, id) = (self.container.open().await?, key.record_id());
        let partition = Key::text(&id);
        let deadline = Instant::now() + self.timeout;
        let item = retry(deadline, || container.read(&partition, &id)).await?;
        let Some(mut item) = item.filter(|item| item["deadLetter"] == letter) else { return Ok(None) };
        let answer = serde_json::from_value(item[ANSWER].take());
        answer.map(Some).map_err(|error| Error::corrupt(format!("reading the answer {id}"), error))
    }
}
