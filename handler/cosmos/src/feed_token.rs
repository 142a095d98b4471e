//! The SDK's continuation tokens of a change feed.
//!
//! A token is `c1.` and base64url JSON, with the bounds of each range and the etag that the service sent for it. Only the etag
//! is stored, in leases as .NET processors do, and in backups. It is taken from the SDK's token after each page, and a new
//! token is made from it for the next page.

use azure_data_cosmos::feed::ContinuationToken;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::key_range::KeyRange;

/// The token that continues the change feed of a range after the page with this etag. `resource_id` is that of the container.
pub fn feed_token(resource_id: &str, range: &KeyRange, etag: &str, all_versions: bool) -> ContinuationToken {
    let mut token = json!({"op": "ChangeFeed", "rid": resource_id, "root": {"kind": "unordered_merge", "active_tokens": [
        {"min_epk": range.min, "max_epk": range.max, "server_continuation": etag}]}});
    if all_versions {
        token["cfm"] = Value::Bool(true);
    }
    ContinuationToken::from_string(format!("c1.{}", URL_SAFE_NO_PAD.encode(token.to_string())))
}

/// The parts of a range that was read, and its etag if it is one part. There are several after a split, and then one of them was
/// read. The SDK's token omits the parts that it has not begun to read.
///
/// # Errors
/// When the token has another form.
pub fn feed_parts(range: &KeyRange, token: &ContinuationToken) -> Result<(Vec<KeyRange>, Option<String>), Error> {
    #[derive(Deserialize)]
    struct Token {
        root: Root,
    }
    #[derive(Deserialize)]
    struct Root {
        #[serde(default)]
        active_tokens: Vec<ActiveToken>,
    }
    #[derive(Deserialize)]
    struct ActiveToken {
        min_epk: String,
        max_epk: String,
        server_continuation: String,
    }
    let unreadable = |message: String| Error::corrupt("reading the SDK's continuation token", message);
    let encoded = token.as_str().strip_prefix("c1.").ok_or_else(|| unreadable("it does not start with c1.".into()))?;
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|error| unreadable(error.to_string()))?;
    let Token { root: Root { mut active_tokens } } =
        serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
    active_tokens.sort_by(|left, right| left.min_epk.cmp(&right.min_epk));
    let mut parts = Vec::new();
    let mut covered = range.min.clone();
    let mut last = None;
    for token in active_tokens {
        if covered < token.min_epk {
            parts.push(KeyRange { min: covered, max: token.min_epk.clone() });
        }
        covered = token.max_epk.clone();
        parts.push(KeyRange { min: token.min_epk, max: token.max_epk });
        last = Some(token.server_continuation);
    }
    if covered < range.max {
        parts.push(KeyRange { min: covered, max: range.max.clone() });
    }
    let etag = last.ok_or_else(|| unreadable("it names no range".into()))?;
    let is_whole = parts.len() == 1;
    Ok((parts, is_whole.then_some(etag)))
}

/// The global sequence number in a session token, `<range id>:<version>#<number>#<region>=<number>…`; in the older form
/// `<range id>:<number>`.
pub fn session_lsn(token: &str) -> Option<i64> {
    let (_, numbers) = token.split(',').next()?.split_once(':')?;
    let mut numbers = numbers.split('#');
    let first = numbers.next()?;
    numbers.next().unwrap_or(first).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_the_sdk_has_not_begun_to_read_is_a_part_of_its_own() {
        let token = |tokens: Value| {
            let token = json!({"root": {"kind": "unordered_merge", "active_tokens": tokens}}).to_string();
            ContinuationToken::from_string(format!("c1.{}", URL_SAFE_NO_PAD.encode(token)))
        };
        let range = KeyRange { min: String::new(), max: "40".into() };
        let read_parts = |tokens| {
            let (parts, etag) = feed_parts(&range, &token(tokens)).expect("parts");
            let parts: Vec<String> = parts.iter().map(|part| format!("{}-{}", part.min, part.max)).collect();
            (parts.join(" "), etag)
        };
        let read = |min: &str, max: &str| json!({"min_epk": min, "max_epk": max, "server_continuation": "1"});
        assert_eq!(read_parts(json!([read("", "40")])), ("-40".to_owned(), Some("1".to_owned())));
        assert_eq!(read_parts(json!([read("", "20")])), ("-20 20-40".to_owned(), None));
        assert_eq!(read_parts(json!([read("30", "40"), read("10", "20")])), ("-10 10-20 20-30 30-40".to_owned(), None));
        assert!(feed_parts(&range, &token(json!([]))).is_err());
        let own = feed_token("r", &range, "\"7\"", false);
        assert_eq!(feed_parts(&range, &own).expect("parts"), (vec![range.clone()], Some("\"7\"".to_owned())));
    }

    #[test]
    fn the_sequence_number_is_read_from_a_session_token() {
        assert_eq!(session_lsn("0:-1#42"), Some(42));
        assert_eq!(session_lsn("3:1#1234#1=1200#2=1100"), Some(1234));
        assert_eq!(session_lsn("0:77"), Some(77));
        assert_eq!(session_lsn("nonsense"), None);
    }
}
