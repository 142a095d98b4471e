//! Copies the dead letters of another history.

use std::num::NonZeroU32;

use changefeed_cosmos::{Container, Error, ErrorKind, KeyRange, LazyContainer, reassemble, retry};
use serde_json::Map;
use tokio::time::Instant;

use super::DeadLetters;
use super::repeated::is_answer;
use crate::capture::is_excluded;
use crate::dead_letter::DeadLetter;
use crate::storable_payload::StorablePayload;

/// Records that are read at a time: each may have two megabytes.
const PAGE_RECORDS: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

/// The outcome of a page.
#[derive(Debug, Default)]
pub struct CopiedLetters {
    /// The number of dead letters that were copied now.
    pub copied: u64,
    /// The number of those that hold an erased document, which are not copied.
    pub erased: u64,
    /// Those that cannot be read: what is wrong with each of them.
    pub damaged: Vec<String>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

impl DeadLetters {
    /// Copies a page of the dead letters in a range of another container, without those of excluded documents. One that is here already
    /// stays as it is. With `store` false,
    /// nothing is written.
    ///
    /// # Errors
    /// When the containers cannot be read, or not be written before the deadline.
    pub async fn copy_page(
        &self,
        from: &LazyContainer,
        range: &KeyRange,
        continuation: Option<&str>,
        store: bool,
        deadline: Instant,
    ) -> Result<CopiedLetters, Error> {
        let (from, to) = (from.open().await?, self.container.open().await?);
        let source = self.container.source().cloned().unwrap_or_default();
        let monitored = self.capture.monitored().open().await?;
        let erased = Box::pin(self.capture.erased().current(deadline)).await?;
        let rules = self.capture.rules().await?;
        let is_excluded_letter = |letter: &DeadLetter| {
            let payload = letter.payload.as_deref().unwrap_or_default();
            is_excluded(&rules, payload, &letter.reason, monitored.key_paths())
        };
        let (query, none) = ("SELECT * FROM c WHERE NOT IS_DEFINED(c.partOf)", Map::new());
        let page = retry(deadline, || from.query_range(query, &none, range, PAGE_RECORDS, continuation)).await?;
        let mut copied = CopiedLetters { next: page.continuation, ..CopiedLetters::default() };
        for record in page.items.into_iter().filter(|record| !is_answer(record)) {
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            let letter = reassemble(&from, record, &["payload"]).await.and_then(|record| {
                serde_json::from_value::<DeadLetter>(record)
                    .map_err(|error| Error::corrupt(format!("reading dead letter {id}"), error))
            });
            match letter {
                Ok(letter) if erased.is_in(letter.payload.as_deref().unwrap_or_default(), monitored.key_paths()) => {
                    copied.erased += 1;
                }
                Ok(letter) if is_excluded_letter(&letter) => {}
                Ok(letter) => {
                    let letter = match letter.payload.clone() {
                        Some(payload) => letter.in_source(&source, &StorablePayload::of(&payload, rules.omitted())),
                        None => letter,
                    };
                    copied.copied += u64::from(!store || is_new(&to, &letter, deadline).await?);
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => copied.damaged.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(copied)
    }
}

/// Stores a dead letter; whether it was not here before.
async fn is_new(to: &Container, letter: &DeadLetter, deadline: Instant) -> Result<bool, Error> {
    let mut is_new = false;
    for item in letter.items()? {
        is_new = to.create_one(&item.key(to)?, &item, deadline).await?.is_some();
    }
    Ok(is_new)
}
