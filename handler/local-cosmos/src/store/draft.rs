//! An item that is to be stored.

use serde_json::Value;

use crate::partition_key::EffectiveKey;

/// An item to store, without its system properties.
#[derive(Debug)]
pub(crate) struct Draft {
    pub epk: EffectiveKey,
    /// The partition key as the request header has it.
    pub key: Box<str>,
    pub id: Box<str>,
    pub ttl: Option<i64>,
    pub item: Value,
}
