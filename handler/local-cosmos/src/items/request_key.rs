//! The partition keys of requests for items.

use super::operation::{ItemOperation, Refused, RequestKey};
use crate::container::Container;
use crate::incoming::Incoming;
use crate::partition_key::{EffectiveKey, GivenKey, KeyValue};
use crate::reply::{PARTITION_KEY_MISMATCH, header};

/// The complete partition key in a request's header; `None` if the request has none. The error is a message for the client.
pub(super) fn of_header(container: &Container, incoming: &Incoming) -> Result<Option<RequestKey>, String> {
    incoming.header(header::PARTITION_KEY).filter(|key| *key != "[]").map(|key| parse(container, key)).transpose()
}

/// A complete partition key in the form of the header. The error is a message for the client.
pub(super) fn parse(container: &Container, key: &str) -> Result<RequestKey, String> {
    let definition = container.key();
    Ok(with_values(container, GivenKey::parse(key, definition)?.complete(definition)?))
}

/// The partition key of a request for one item: that of the header, or else that of the item.
pub(super) fn of(container: &Container, incoming: &Incoming, operation: &ItemOperation) -> Result<RequestKey, Refused> {
    let mismatch = |message| Refused { substatus: Some(PARTITION_KEY_MISMATCH), ..Refused::bad_request(message) };
    if let Some(key) = of_header(container, incoming).map_err(mismatch)? {
        return Ok(key);
    }
    let item = operation
        .item()
        .ok_or_else(|| Refused::bad_request("PartitionKey value must be supplied for this operation.".to_owned()))?;
    Ok(with_values(container, container.key().values_of(item).map_err(Refused::bad_request)?))
}

fn with_values(container: &Container, values: Vec<KeyValue>) -> RequestKey {
    let epk = EffectiveKey::of(&values, container.key());
    RequestKey { values, epk }
}
