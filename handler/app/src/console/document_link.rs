//! The name of a document as a link to its page.

use changefeed_cosmos::{Key, KeyComponent};
use maud::{Markup, html};

use super::address::Address;

/// The parameters that name a document: `pk` for a key of one text, `partitionKey` for any other.
pub fn named(address: Address, id: &str, key: &Key) -> Address {
    let address = address.with("id", id);
    match key.components() {
        [KeyComponent::Text(text)] => address.with("pk", text.as_str()),
        _ => address.with("partitionKey", key.to_string()),
    }
}

/// The id of a document, with its key if the key is not the id.
pub fn document(id: &str, key: &Key) -> Markup {
    let is_own_key = matches!(key.components(), [KeyComponent::Text(text)] if text == id);
    html! {
        span.mono { (id) }
        @if !is_own_key { " " span.muted.mono { (key) } }
    }
}
