//! Lists that are read page by page: how large a page is, and where the next one starts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::MAX_PAGE_ITEMS;

/// Which page of a list is requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageRequest {
    /// The most items on the page, 1 to 1,000; every list has a default.
    pub max_items: Option<u32>,
    /// The continuation of the page before; `None` for the first page.
    pub continuation: Option<String>,
}

impl PageRequest {
    /// The page that this continuation starts, of the default length.
    pub fn after(continuation: Option<&str>) -> Self {
        Self { max_items: None, continuation: continuation.map(str::to_owned) }
    }

    /// Checks the length of the page, before anything is read.
    ///
    /// # Errors
    /// When it is below 1 or above [`MAX_PAGE_ITEMS`].
    pub fn check(&self) -> Result<(), Error> {
        page_items(self.max_items, 1, "listing").map(|_| ())
    }
}

/// The number of items on a page: as requested, or `default`.
///
/// # Errors
/// When the request is below 1 or above [`MAX_PAGE_ITEMS`].
pub fn page_items(requested: Option<u32>, default: usize, action: &str) -> Result<usize, Error> {
    let items = requested.map_or(default, |items| items as usize);
    if (1..=MAX_PAGE_ITEMS as usize).contains(&items) {
        return Ok(items);
    }
    Err(Error::invalid(action, format!("maxItems is {items}; allowed are 1 to {MAX_PAGE_ITEMS}")))
}

/// The token of the next page, which starts after `position`: base64url of its JSON.
pub fn page_token(position: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(position).map_err(|error| Error::internal("ending a page", error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The position in a token that [`page_token`] made.
///
/// # Errors
/// When it is another text.
pub fn read_page_token<T: DeserializeOwned>(token: Option<&str>, action: &str) -> Result<Option<T>, Error> {
    let Some(token) = token else { return Ok(None) };
    let position = URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice(&json).ok());
    position.map(Some).ok_or_else(|| {
        Error::invalid(action, "the continuation is not one of this list; use the one of the page before")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_starts_where_the_last_one_ended_and_any_other_token_is_refused() {
        let token = page_token(&(7, "a")).expect("token");
        assert_eq!(read_page_token::<(i64, String)>(Some(&token), "listing").expect("read"), Some((7, "a".to_owned())));
        assert_eq!(read_page_token::<(i64, String)>(None, "listing").expect("read"), None);
        for wrong in ["", "?", "bm8"] {
            assert!(read_page_token::<(i64, String)>(Some(wrong), "listing").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_at_least_one_item_and_no_more_than_the_limit() {
        assert_eq!(page_items(None, 20, "listing").expect("items"), 20);
        for wrong in [0, u32::MAX] {
            let error = page_items(Some(wrong), 20, "listing").expect_err("refused").to_string();
            assert!(error.contains(&wrong.to_string()) && error.contains("allowed are 1 to"), "{error}");
        }
    }
}
