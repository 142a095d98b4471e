//! The record of a document that can never be kept as a version. `docs/format.md` specifies it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::Batch;
use super::observed::Unusable;
use super::record::{Item, enclosed};
use crate::cosmos::Error;
use crate::version::{SCHEMA, timestamp};

/// A payload and why it is here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter {
    /// From the payload alone: the same document delivered again is the same dead letter.
    id: String,
    reason: &'static str,
    message: String,
    function: String,
    invocation_id: String,
    captured_at: String,
    schema: u32,
    /// The JSON text as it came.
    payload: String,
}

impl DeadLetter {
    pub(super) fn new(payload: &str, unusable: &Unusable, batch: &Batch, now: DateTime<Utc>) -> Self {
        let digest = Sha256::digest(payload.as_bytes());
        Self {
            id: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            reason: unusable.code,
            message: unusable.message.clone(),
            function: batch.function.clone(),
            invocation_id: batch.invocation_id.clone(),
            captured_at: timestamp(now),
            schema: SCHEMA,
            payload: payload.to_owned(),
        }
    }

    pub(super) fn items(&self) -> Result<Vec<Item>, Error> {
        enclosed(self, &self.id, &["payload"], &Map::new())
            .map_err(|message| Error::invalid("writing a dead letter", message))
    }
}
