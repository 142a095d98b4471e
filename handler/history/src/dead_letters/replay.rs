//! Captures the document of a dead letter again.

use changefeed_cosmos::{Error, ErrorKind, IdempotencyKey, Key, retry, timestamp, without_system_properties};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::DeadLetters;
use super::list::missing;
use crate::capture::NotStored;
use crate::dead_letter::DeadLetter;
use crate::observed::Unusable;

/// The property that identifies an attempt, so that a write whose reply was lost is recognised.
const ATTEMPT: &str = "attempt";
/// Why a dead letter cannot be captured again.
const WITHOUT_PAYLOAD: &str = "its payload is not stored, because it could not be read and may have fields that are never stored: write the \
                               document again, or discard the dead letter";

/// The outcome of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplayOutcome {
    /// The document is stored as a version, and is removed from the dead letters.
    Stored,
    /// The version was stored before; the document is removed from the dead letters.
    AlreadyStored,
    /// The document still cannot be stored, and stays a dead letter.
    StillDead,
    /// The document is erased; it is removed from the dead letters.
    Erased,
    /// The capture filter excludes the document; it is removed from the dead letters.
    Excluded,
}

/// The result of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The dead letter.
    pub id: String,
    /// The outcome.
    pub outcome: ReplayOutcome,
    /// The id of the version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// Why it still cannot be stored, for programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The same for display.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// Replays that have failed, this one included.
    pub attempts: u32,
    /// Request units spent on the version.
    pub request_charge: f64,
}

impl Replay {
    fn still_dead(id: &str, reason: String, message: String, attempts: u32) -> Self {
        Self {
            id: id.to_owned(),
            outcome: ReplayOutcome::StillDead,
            version: None,
            reason: Some(reason),
            message: Some(message),
            attempts,
            request_charge: 0.0,
        }
    }
}

impl DeadLetters {
    /// Captures the document of a dead letter again, as it was delivered. A replay can be repeated; with a key, a request that is
    /// repeated has the outcome of the first and is no further attempt.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such dead letter, [`ErrorKind::Corrupt`] when its record is damaged. Any error
    /// leaves the dead letter as it was.
    pub async fn replay(&self, id: &str, key: Option<&IdempotencyKey>) -> Result<Replay, Error> {
        let Some(record) = self.record(id).await? else {
            let first = self.remembered(key, id).await?.ok_or_else(|| missing("replaying", id))?;
            // The removal may have been interrupted.
            self.remove(id).await?;
            return Ok(first);
        };
        let letter = self.letter_of(record.clone()).await?;
        let attempt = key.map_or_else(|| format!("{:016x}", changefeed_cosmos::random_u64()), ToString::to_string);
        if record[ATTEMPT] == attempt.as_str() {
            return Ok(Replay::still_dead(id, letter.reason, letter.message, letter.attempts));
        }
        if letter.without_payload {
            let message = format!("{}; {WITHOUT_PAYLOAD}", letter.message);
            return Ok(Replay::still_dead(id, letter.reason, message, letter.attempts));
        }
        let payload = letter.payload.as_deref();
        let payload = payload
            .ok_or_else(|| Error::corrupt(format!("replaying dead letter {id}"), "its record has no payload"))?;
        match self.capture.capture_again(&letter.batch(), payload, &letter.omitted).await? {
            Ok(stored) => {
                let outcome =
                    if stored.charge.is_some() { ReplayOutcome::Stored } else { ReplayOutcome::AlreadyStored };
                let replay = Replay {
                    id: letter.id,
                    outcome,
                    version: Some(stored.version.into()),
                    reason: None,
                    message: None,
                    attempts: letter.attempts,
                    request_charge: stored.charge.unwrap_or_default(),
                };
                let replay = self.remember(key, id, replay).await?;
                self.remove(id).await?;
                Ok(replay)
            }
            Err(not_stored @ (NotStored::Erased | NotStored::Excluded)) => {
                let is_erased = matches!(not_stored, NotStored::Erased);
                let replay = Replay {
                    outcome: if is_erased { ReplayOutcome::Erased } else { ReplayOutcome::Excluded },
                    ..Replay::still_dead(id, String::new(), String::new(), letter.attempts)
                };
                let replay = Replay { reason: None, message: None, ..replay };
                self.remove(id).await?;
                Ok(replay)
            }
            Err(NotStored::Unusable(unusable)) => {
                let attempts = self.note_attempt(letter, record, &unusable, &attempt).await?;
                Ok(Replay::still_dead(id, unusable.code.to_owned(), unusable.message, attempts))
            }
        }
    }

    /// Writes the new reason into the record. The payload is not written again. Returns the number of failed replays.
    async fn note_attempt(
        &self,
        letter: DeadLetter,
        mut record: Value,
        unusable: &Unusable,
        attempt: &str,
    ) -> Result<u32, Error> {
        let container = self.container.open().await?;
        let (id, key) = (letter.id.as_str(), Key::text(&letter.id));
        let deadline = Instant::now() + self.timeout;
        let attempts = |record: &Value| record["attempts"].as_u64().and_then(|count| u32::try_from(count).ok());
        loop {
            let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
            let failed = attempts(&record).unwrap_or_default().saturating_add(1);
            let mut noted = without_system_properties(record);
            noted["reason"] = json!(unusable.code);
            noted["message"] = json!(unusable.message);
            noted["attempts"] = json!(failed);
            noted["attemptedAt"] = json!(timestamp(Utc::now()));
            noted[ATTEMPT] = json!(attempt);
            match retry(deadline, || container.replace(&key, id, &noted, &etag)).await {
                Ok(_) => return Ok(failed),
                // Another replay was faster, or the reply to this one was lost.
                Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) => {
                    record = self.record(id).await?.ok_or_else(|| missing("replaying", id))?;
                    if record[ATTEMPT] == attempt {
                        return Ok(attempts(&record).unwrap_or_default());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
