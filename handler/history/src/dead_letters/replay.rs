//! Tries once more to keep a dead letter's document as a version.

use std::time::Instant;

use chrono::Utc;
use serde::Serialize;
use serde_json::{Value, json};

use super::list::missing;
use super::record::DeadLetter;
use crate::capture::observed::Unusable;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::policy::retry;
use crate::store::{Role, Store};
use crate::version::{timestamp, without_system_properties};

/// What names an attempt in the record, so that a write whose reply was lost is known for one's own.
const ATTEMPT: &str = "attempt";

/// What became of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplayOutcome {
    /// It is a version now, and no dead letter any more.
    Stored,
    /// There was such a version already; it is no dead letter any more.
    AlreadyStored,
    /// It still cannot be stored, and stays.
    StillDead,
}

/// The answer of a replay.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// The dead letter.
    pub id: String,
    /// What became of it.
    pub outcome: ReplayOutcome,
    /// The id of the version that it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it still cannot be stored, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Replays that have failed, this one included.
    pub attempts: u32,
    /// Request units spent on the version.
    pub request_charge: f64,
}

impl Store {
    /// Captures a dead letter's document again, as it was captured when it came. Repeating it is harmless.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such dead letter. Any other leaves it as it was.
    pub async fn replay_dead_letter(&self, id: &str) -> Result<Replay, Error> {
        let record = self.dead_letter_record(id).await?.ok_or_else(|| missing("replaying", id))?;
        let letter = self.letter_of(record.clone()).await?;
        let payload = letter.payload.as_deref().unwrap_or_default();
        match self.capture_again(&letter.batch(), payload).await? {
            Ok(kept) => {
                self.remove_dead_letter(id).await?;
                let outcome = if kept.charge.is_some() { ReplayOutcome::Stored } else { ReplayOutcome::AlreadyStored };
                Ok(Replay {
                    id: letter.id,
                    outcome,
                    version: Some(kept.version),
                    reason: None,
                    message: None,
                    attempts: letter.attempts,
                    request_charge: kept.charge.unwrap_or_default(),
                })
            }
            Err(unusable) => {
                let attempts = self.note_attempt(letter, record, &unusable).await?;
                Ok(Replay {
                    id: id.to_owned(),
                    outcome: ReplayOutcome::StillDead,
                    version: None,
                    reason: Some(unusable.code.to_owned()),
                    message: Some(unusable.message),
                    attempts,
                    request_charge: 0.0,
                })
            }
        }
    }

    /// Writes the new reason into the record, whose payload stays as it is stored. The failed attempts.
    async fn note_attempt(&self, letter: DeadLetter, mut record: Value, unusable: &Unusable) -> Result<u32, Error> {
        let container = self.container(Role::DeadLetters).await?;
        let (id, key) = (letter.id.as_str(), Key::text(&letter.id));
        let deadline = Instant::now() + self.options.batch_timeout;
        let attempt = format!("{:016x}", rand::random::<u64>());
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
                // Another replay was faster, or this one's reply was lost.
                Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) => {
                    record = self.dead_letter_record(id).await?.ok_or_else(|| missing("replaying", id))?;
                    if record[ATTEMPT] == attempt.as_str() {
                        return Ok(attempts(&record).unwrap_or_default());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
