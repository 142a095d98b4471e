//! The dead letters, newest first, and one of them with its payload.

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::record::{DeadLetter, LISTED_FIELDS};
use crate::cosmos::{Error, ErrorKind, Key};
use crate::paging::{continuation, page_items, place};
use crate::read::record::whole;
use crate::store::{Role, Store};

const DEFAULT_PAGE_ITEMS: usize = 100;
/// Sorts after every time.
const END_OF_TIME: &str = "9999";

/// Which dead letters to list.
#[derive(Clone, Debug, Default)]
pub struct DeadLettersRequest {
    /// The most on a page, 1 to 1,000; 100 without.
    pub max_items: Option<u32>,
    /// From the page before.
    pub continuation: Option<String>,
}

/// A page of dead letters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPage {
    /// Newest first, without their payloads.
    pub items: Vec<DeadLetter>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// Newest first; those of one instant, which a batch may bring many of, by their ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place(std::cmp::Reverse<String>, String);

impl Place {
    fn of(letter: &DeadLetter) -> Self {
        Self(std::cmp::Reverse(letter.captured_at.clone()), letter.id.clone())
    }
}

impl Store {
    /// Lists dead letters, newest first.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the container cannot be read.
    pub async fn dead_letters(&self, request: &DeadLettersRequest) -> Result<DeadLetterPage, Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, "listing dead letters")?;
        let after: Option<Place> = place(request.continuation.as_deref(), "listing dead letters")?;
        let container = self.container(Role::DeadLetters).await?;
        let fields: Vec<String> = LISTED_FIELDS.iter().map(|field| format!("c.{field}")).collect();
        // Parts of a letter have no time.
        let query =
            format!("SELECT {} FROM c WHERE c.capturedAt <= @newest ORDER BY c.capturedAt DESC", fields.join(", "));
        let newest = after.as_ref().map_or(END_OF_TIME, |place| place.0.0.as_str());
        let parameters = Map::from_iter([("@newest".to_owned(), json!(newest))]);
        let mut found = container.select::<DeadLetter>(&query, &parameters, None).await?;
        let mut items: Vec<DeadLetter> = Vec::new();
        // The letters of an instant are sorted together, so the last one that is read ahead belongs to the next.
        while let Some(letter) = found.try_next().await? {
            let whole_instants = items.last().is_some_and(|last| last.captured_at != letter.captured_at);
            if whole_instants && items.len() > max_items {
                break;
            }
            if after.as_ref().is_none_or(|after| Place::of(&letter) > *after) {
                items.push(letter);
            }
        }
        items.sort_by_cached_key(Place::of);
        let more = items.len() > max_items;
        items.truncate(max_items);
        let continuation = items.last().filter(|_| more).map(|last| continuation(&Place::of(last))).transpose()?;
        Ok(DeadLetterPage { items, continuation })
    }

    /// One dead letter, with its payload as it came.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such dead letter.
    pub async fn dead_letter(&self, id: &str) -> Result<DeadLetter, Error> {
        let record = self.dead_letter_record(id).await?.ok_or_else(|| missing("reading", id))?;
        self.letter_of(record).await
    }

    /// The stored record of a letter, with the service's system properties.
    pub(super) async fn dead_letter_record(&self, id: &str) -> Result<Option<Value>, Error> {
        let record = self.container(Role::DeadLetters).await?.read(&Key::text(id), id).await?;
        Ok(record.filter(|record| record.get("partOf").is_none()))
    }

    pub(super) async fn letter_of(&self, record: Value) -> Result<DeadLetter, Error> {
        let action = format!("reading dead letter {}", record["id"].as_str().unwrap_or_default());
        let record = whole(self.container(Role::DeadLetters).await?, record, &["payload"]).await?;
        serde_json::from_value(record).map_err(|error| Error::invalid(action, error.to_string()))
    }
}

pub(super) fn missing(doing: &str, id: &str) -> Error {
    let message = "there is none of this id: it may have been replayed or dropped already";
    Error::new(ErrorKind::NotFound, format!("{doing} dead letter {id}"), message)
}
