//! Partition keys: their definition, their values in items and headers, and the effective keys that place an item in a physical
//! partition.

mod definition;
mod effective;
mod header;
mod murmur;
mod value;

pub(crate) use definition::KeyDefinition;
pub(crate) use effective::{EffectiveKey, KeyRange};
pub(crate) use header::{GivenKey, header_text};
pub(crate) use value::KeyValue;
