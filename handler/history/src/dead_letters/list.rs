//! Lists dead letters, newest first, and shows one with its payload.

use changefeed_cosmos::{Error, Key, NewestFirst, PageRequest, check_record_id, reassemble};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::DeadLetters;
use super::repeated::is_answer;
use crate::capture::UNKNOWN_IDENTITY;
use crate::dead_letter::{DeadLetter, LISTED_FIELDS};

/// A page of dead letters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPage {
    /// Newest first, without their payloads.
    pub items: Vec<DeadLetter>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl DeadLetters {
    /// Lists dead letters, newest first. A page has 100 unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the container cannot be read.
    pub async fn list(&self, request: &PageRequest) -> Result<DeadLetterPage, Error> {
        // Parts of a dead letter have no `capturedAt`, so they are not listed.
        let list = NewestFirst { fields: &LISTED_FIELDS, time: "capturedAt", only: &[] };
        let container = self.container.open().await?;
        let (items, continuation) = container.list_newest_first(&list, request, "listing dead letters").await?;
        Ok(DeadLetterPage { items, continuation })
    }

    /// Whether there is a dead letter.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn has_any(&self) -> Result<bool, Error> {
        let query = "SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.reason)";
        let mut found = self.container.open().await?.select_few::<Value>(query, &Map::new(), None, 1).await?;
        Ok(found.try_next().await?.is_some())
    }

    /// Whether a dead letter is a change whose id or key is not known.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn has_unknown_identity(&self) -> Result<bool, Error> {
        let parameters = Map::from_iter([("@reason".to_owned(), json!(UNKNOWN_IDENTITY))]);
        let query = "SELECT VALUE c.id FROM c WHERE c.reason = @reason";
        let mut found = self.container.open().await?.select_few::<Value>(query, &parameters, None, 1).await?;
        Ok(found.try_next().await?.is_some())
    }

    /// One dead letter, with its payload as it was delivered.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such dead letter, and
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when none can have the id.
    pub async fn show(&self, id: &str) -> Result<DeadLetter, Error> {
        let record = self.record(id).await?.ok_or_else(|| missing("reading", id))?;
        self.letter_of(record).await
    }

    /// The stored record of a dead letter, with the service's system properties. Every action on a dead letter reads it first,
    /// so an id that no dead letter can have is refused before anything is deleted.
    pub(super) async fn record(&self, id: &str) -> Result<Option<Value>, Error> {
        check_record_id("dead letter", id)?;
        let record = self.container.open().await?.read(&Key::text(id), id).await?;
        Ok(record.filter(|record| record.get("partOf").is_none() && !is_answer(record)))
    }

    pub(super) async fn letter_of(&self, record: Value) -> Result<DeadLetter, Error> {
        let action = format!("reading dead letter {}", record["id"].as_str().unwrap_or("without an id"));
        let record = reassemble(&self.container.open().await?, record, &["payload"]).await?;
        serde_json::from_value(record).map_err(|error| Error::corrupt(action, error))
    }
}

/// The error for an unknown id; `verb` is what was attempted.
pub(super) fn missing(verb: &str, id: &str) -> Error {
    let message = "there is no dead letter with this id; it may have been replayed or discarded";
    Error::not_found(format!("{verb} dead letter {id}"), message)
}
