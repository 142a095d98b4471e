//! The records of erased documents in the jobs container. `docs/reference/format.md` specifies them.
//!
//! The record `erased` has the key of the HMACs and a revision. The HMACs are in up to sixteen further records, by their first digit, which
//! are written before the revision: a reader that knows the revision knows the HMACs.

use changefeed_cosmos::{Container, Error, Key, without_system_properties};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::version::SCHEMA;

/// The id of the record with the key, and the kind of all of these records.
pub(super) const ID: &str = "erased";

/// The key of the HMACs, and how often they have changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub id: String,
    pub kind: String,
    /// Random, in hexadecimal digits.
    pub key: String,
    /// Incremented after the HMACs have changed.
    pub revision: u64,
    pub schema: u32,
}

impl Head {
    /// The first record, with a new key.
    pub(super) fn new() -> Self {
        let key: [u8; 32] = rand::random();
        Self { id: ID.to_owned(), kind: ID.to_owned(), key: hex::encode(key), revision: 0, schema: SCHEMA }
    }
}

/// Some of the HMACs: those that begin with one hexadecimal digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shard {
    pub id: String,
    pub kind: String,
    /// The first sixteen bytes of each HMAC, in hexadecimal digits, in order.
    pub hashes: Vec<String>,
    pub schema: u32,
}

impl Shard {
    /// The record without any HMAC.
    pub(super) fn new(digit: char) -> Self {
        Self { id: shard_id(digit), kind: ID.to_owned(), hashes: Vec::new(), schema: SCHEMA }
    }
}

/// The id of the record of the HMACs that begin with this digit.
pub(super) fn shard_id(digit: char) -> String {
    format!("{ID}-{digit}")
}

/// The first digits of HMACs.
pub(super) const DIGITS: &str = "0123456789abcdef";

/// A record with its etag; `None` if it does not exist.
pub(super) async fn load<T: DeserializeOwned>(jobs: &Container, id: &str) -> Result<Option<(T, String)>, Error> {
    let own_id = jobs.own_id(id);
    let Some(record) = jobs.read(&Key::text(&own_id), &own_id).await? else { return Ok(None) };
    let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
    parsed(id, record).map(|record| Some((record, etag)))
}

fn parsed<T: DeserializeOwned>(id: &str, record: Value) -> Result<T, Error> {
    serde_json::from_value(without_system_properties(record))
        .map_err(|error| Error::corrupt(format!("reading record {id} of the erased documents"), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_records_are_read_back_as_they_were_written(revision in any::<u64>(), hashes in proptest::collection::vec("[0-9a-f]{32}", 0..5)) {
            let head = Head { revision, ..Head::new() };
            let shard = Shard { hashes, ..Shard::new('a') };
            let json = |value: serde_json::Result<Value>| value.expect("JSON");
            prop_assert_eq!(parsed::<Head>(ID, json(serde_json::to_value(&head))).expect("head"), head);
            prop_assert_eq!(parsed::<Shard>("erased-a", json(serde_json::to_value(&shard))).expect("shard"), shard);
        }
    }
}
