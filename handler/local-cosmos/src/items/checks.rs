//! Reads the items in requests. A body is text or, from the Rust SDK, binary JSON.

use std::borrow::Cow;

use azure_data_cosmos_driver::binary_json::{BinaryError, decode, is_binary};
use serde_json::Value;

use super::item_checks::{self, ItemProperties, ItemRefusal, json_bytes};
use crate::limits::MAX_ITEM_DEPTH;

/// An item that can be stored.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub id: String,
    /// The item's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
    pub value: Value,
}

/// Reads the item of a create, upsert or replace.
pub(crate) fn parse_item(body: &[u8]) -> Result<NewItem, ItemRefusal> {
    check_item(parse(body)?)
}

/// Checks an item.
pub(crate) fn check_item(value: Value) -> Result<NewItem, ItemRefusal> {
    let ItemProperties { id, ttl } = item_checks::check_item(&value, json_bytes(&value))?;
    Ok(NewItem { id, ttl, value })
}

/// The id of the item in a request's body.
pub(crate) fn id_of_body(body: &[u8]) -> Option<String> {
    parse(body).ok()?["id"].as_str().map(str::to_owned)
}

/// The text of a body that can be binary JSON.
pub(crate) fn text_body(body: &[u8]) -> Result<Cow<'_, [u8]>, ItemRefusal> {
    if is_binary(body) { Ok(parse(body)?.to_string().into_bytes().into()) } else { Ok(Cow::Borrowed(body)) }
}

fn parse(body: &[u8]) -> Result<Value, ItemRefusal> {
    if !is_binary(body) {
        return item_checks::parse_item(body);
    }
    decode(body).map_err(|error| {
        ItemRefusal::Invalid(match error {
            BinaryError::DepthLimitExceeded { limit } => {
                format!("The item is nested more than {limit} levels deep; the maximum is {MAX_ITEM_DEPTH}.")
            }
            error => format!("One of the specified inputs is invalid: the item is not valid binary JSON: {error}."),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_data_cosmos_driver::binary_json::encode;
    use serde_json::json;

    #[test]
    fn text_and_binary_json_have_the_same_rules() {
        let deep = |levels: usize| (1..levels).fold(json!({"id": "a"}), |item, _| json!({"id": "a", "in": item}));
        for item in [
            json!({"id": "a", "ttl": 5}),
            json!({"id": "a", "ttl": 0}),
            json!({"id": "x".repeat(1024)}),
            json!({"id": 1}),
            json!({}),
            deep(MAX_ITEM_DEPTH),
            deep(MAX_ITEM_DEPTH + 1),
        ] {
            let read = |body: &[u8]| parse_item(body).map(|item| (item.id, item.ttl, item.value));
            assert_eq!(read(&encode(&item)), read(item.to_string().as_bytes()));
        }
    }
}
