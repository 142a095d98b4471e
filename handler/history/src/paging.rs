//! Lists that are read page by page from where the page before ended: how large a page is, and where it goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cosmos::Error;
use crate::limits::MAX_PAGE_ITEMS;

/// How many items go on a page.
pub(crate) fn page_items(asked: Option<u32>, default: usize, action: &str) -> Result<usize, Error> {
    let items = asked.map_or(default, |items| items as usize);
    if (1..=MAX_PAGE_ITEMS as usize).contains(&items) {
        return Ok(items);
    }
    Err(Error::invalid(action, format!("maxItems is {items}; allowed are 1 to {MAX_PAGE_ITEMS}")))
}

/// The continuation that leads on from a place: base64url of its JSON.
pub(crate) fn continuation(place: &impl Serialize) -> Result<String, Error> {
    let json = serde_json::to_vec(place).map_err(|error| Error::invalid("ending a page", error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The place that a continuation leads on from.
pub(crate) fn place<T: DeserializeOwned>(continuation: Option<&str>, action: &str) -> Result<Option<T>, Error> {
    let Some(token) = continuation else { return Ok(None) };
    let place = URL_SAFE_NO_PAD.decode(token).ok().and_then(|json| serde_json::from_slice(&json).ok());
    place.map(Some).ok_or_else(|| Error::invalid(action, "the continuation is not one that was given here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_where_the_last_one_ended_and_nowhere_else() {
        let token = continuation(&(7, "a")).expect("continuation");
        assert_eq!(place::<(i64, String)>(Some(&token), "listing").expect("place"), Some((7, "a".to_owned())));
        assert_eq!(place::<(i64, String)>(None, "listing").expect("place"), None);
        for wrong in ["", "?", "bm8"] {
            assert!(place::<(i64, String)>(Some(wrong), "listing").is_err(), "{wrong}");
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
