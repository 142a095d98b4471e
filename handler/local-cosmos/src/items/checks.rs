//! Rules for items that the service enforces.
//!
//! A body is text or, from the Rust SDK, binary JSON. Both are decoded before they are checked.

use std::borrow::Cow;

use azure_data_cosmos_driver::binary_json::{BinaryError, decode, is_binary, transcode_to_binary};
use serde_json::Value;

use crate::limits::{MAX_ID_BYTES, MAX_ITEM_DEPTH, MAX_TTL_SECONDS};

/// An item that can be stored.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub id: String,
    /// The item's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
    pub value: Value,
}

/// Reads the item of a create, upsert or replace. The error is a message for the client.
pub(crate) fn parse_item(body: &[u8]) -> Result<NewItem, String> {
    check_item(parse(body)?)
}

/// Checks an item. The error is a message for the client.
pub(crate) fn check_item(value: Value) -> Result<NewItem, String> {
    let id = match &value["id"] {
        Value::String(id) => id.clone(),
        Value::Null => {
            let message = "The input content is invalid because the required properties - 'id; ' - are missing";
            return Err(message.to_owned());
        }
        other => return Err(format!("The id is {other}; it must be text.")),
    };
    check_id(&id)?;
    let ttl = time_to_live(&value["ttl"])?;
    check_depth(depth(&value))?;
    Ok(NewItem { id, ttl, value })
}

/// The text of a body that can be binary JSON. The error is a message for the client.
pub(crate) fn text_body(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if is_binary(body) { Ok(parse(body)?.to_string().into_bytes().into()) } else { Ok(Cow::Borrowed(body)) }
}

/// The id of the item in a request's body.
pub(crate) fn id_of_body(body: &[u8]) -> Option<String> {
    parse(body).ok()?["id"].as_str().map(str::to_owned)
}

/// Checks an id: its length. The documentation of the service forbids `/` and `\`, but the service stores ids with them. Some
/// SDKs refuse such ids, others create the items and cannot read them by their path: see the tests of Microsoft's SDKs for ids
/// (`CosmosItemIdEncodingTests`).
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if id.len() > MAX_ID_BYTES {
        return Err(format!("The id has {} bytes; the maximum is {MAX_ID_BYTES}.", id.len()));
    }
    Ok(())
}

/// Reads an item's `ttl`: seconds, -1 for never, `None` where it has none of its own.
pub(crate) fn time_to_live(ttl: &Value) -> Result<Option<i64>, String> {
    if ttl.is_null() {
        return Ok(None);
    }
    // Binary JSON may encode whole numbers as doubles.
    let whole = || ttl.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    match ttl.as_i64().or_else(whole) {
        Some(seconds) if seconds == -1 || (1..=MAX_TTL_SECONDS).contains(&seconds) => Ok(Some(seconds)),
        _ => Err(format!("The ttl is {ttl}; it can be -1 or a number of seconds from 1 to {MAX_TTL_SECONDS}.")),
    }
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > MAX_ITEM_DEPTH {
        return Err(format!("The item is nested {depth} levels deep; the maximum is {MAX_ITEM_DEPTH}."));
    }
    Ok(())
}

/// The levels of objects and arrays; a flat item has 1.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn parse(body: &[u8]) -> Result<Value, String> {
    let decoded = if is_binary(body) {
        decode(body)
    } else {
        match serde_json::from_slice(body) {
            Ok(item) => return Ok(item),
            // The decoder of binary JSON reads deeper, and distinguishes too deep from malformed.
            Err(_) => transcode_to_binary(body).and_then(|binary| decode(&binary)),
        }
    };
    decoded.map_err(|error| match error {
        BinaryError::DepthLimitExceeded { limit } => {
            format!("The item is nested more than {limit} levels deep; the maximum is {MAX_ITEM_DEPTH}.")
        }
        error => format!("The item is not valid JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_data_cosmos_driver::binary_json::encode;
    use serde_json::json;

    /// An item with this many levels.
    fn nested(levels: usize) -> String {
        let arrays = levels - 1;
        format!("{{\"id\":\"a\",\"deep\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays))
    }

    fn check(item: &Value) -> Result<(), String> {
        let text = parse_item(item.to_string().as_bytes()).map(drop);
        assert_eq!(parse_item(&encode(item)).map(drop), text, "text and binary JSON have the same rules");
        text
    }

    #[test]
    fn a_time_to_live_is_absent_or_never_or_a_positive_32_bit_number() {
        for ttl in [json!(null), json!(-1), json!(1), json!(10.0), json!(2_147_483_647)] {
            check(&json!({"id": "a", "ttl": ttl})).expect("allowed");
        }
        for ttl in [json!(0), json!(-2), json!(1.5), json!(2_147_483_648_i64), json!(i64::MAX), json!("1"), json!({})] {
            let message = check(&json!({"id": "a", "ttl": ttl})).expect_err("refused");
            assert!(message.contains("ttl") && message.contains("2147483647"), "{message}");
        }
    }

    #[test]
    fn an_id_has_any_characters_and_at_most_1023_bytes() {
        for id in ["a?b", "a#b", "a/b", "a\\b", "..", "a\tb", "ü", &"x".repeat(1023)] {
            check(&json!({"id": id})).expect("allowed");
        }
        for id in ["x".repeat(1024), "ü".repeat(512)] {
            check(&json!({"id": id})).expect_err("refused");
        }
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_with_its_depth() {
        parse_item(nested(MAX_ITEM_DEPTH).as_bytes()).expect("allowed");
        for levels in [MAX_ITEM_DEPTH + 1, 127, 128, 200, 300] {
            let message = parse_item(nested(levels).as_bytes()).expect_err("refused");
            assert!(message.contains("nested") && message.contains(&MAX_ITEM_DEPTH.to_string()), "{message}");
        }
        let message = parse_item(b"{\"id\":").expect_err("refused");
        assert!(message.contains("not valid JSON"), "{message}");
    }
}
