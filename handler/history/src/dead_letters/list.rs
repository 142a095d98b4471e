//! Lists dead letters, newest first, and shows one with its payload.

use changefeed_cosmos::{Error, Key, check_record_id, page_items, page_token, read_page_token, reassemble};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::DeadLetters;
use crate::dead_letter::{DeadLetter, LISTED_FIELDS};

const DEFAULT_PAGE_ITEMS: usize = 100;
/// Sorts after every time.
const END_OF_TIME: &str = "9999";

/// Which dead letters to list.
#[derive(Clone, Debug, Default)]
pub struct DeadLettersRequest {
    /// The maximum number of dead letters on a page, 1 to 1,000; default 100.
    pub max_items: Option<u32>,
    /// The continuation of the previous page.
    pub continuation: Option<String>,
}

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

/// The position in the list: newest first, then by id. A batch may have many dead letters with the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position(std::cmp::Reverse<String>, String);

impl Position {
    fn of(letter: &DeadLetter) -> Self {
        Self(std::cmp::Reverse(letter.captured_at.clone()), letter.id.clone())
    }
}

impl DeadLetters {
    /// Lists dead letters, newest first.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the container cannot be read.
    pub async fn list(&self, request: &DeadLettersRequest) -> Result<DeadLetterPage, Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "listing dead letters")?;
        let after: Option<Position> = read_page_token(request.continuation.as_deref(), "listing dead letters")?;
        let container = self.container.open().await?;
        let fields: Vec<String> = LISTED_FIELDS.iter().map(|field| format!("c.{field}")).collect();
        // Parts of a dead letter have no `capturedAt`, so the query does not return them.
        let query =
            format!("SELECT {} FROM c WHERE c.capturedAt <= @newest ORDER BY c.capturedAt DESC", fields.join(", "));
        let newest = after.as_ref().map_or(END_OF_TIME, |position| position.0.0.as_str());
        let parameters = Map::from_iter([("@newest".to_owned(), json!(newest))]);
        let mut found = container.select_few::<DeadLetter>(&query, &parameters, None, max_items + 1).await?;
        let mut items: Vec<DeadLetter> = Vec::new();
        // Letters with the same time are sorted here, so all of them are read, and one letter with an earlier time.
        while let Some(letter) = found.try_next().await? {
            let is_earlier = items.last().is_some_and(|last| last.captured_at != letter.captured_at);
            if is_earlier && items.len() > max_items {
                break;
            }
            if after.as_ref().is_none_or(|after| Position::of(&letter) > *after) {
                items.push(letter);
            }
        }
        items.sort_by_cached_key(Position::of);
        let more = items.len() > max_items;
        items.truncate(max_items);
        let continuation = items.last().filter(|_| more).map(|last| page_token(&Position::of(last))).transpose()?;
        Ok(DeadLetterPage { items, continuation })
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
        Ok(record.filter(|record| record.get("partOf").is_none()))
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
