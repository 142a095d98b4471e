//! Where in a file of another tool to go on, after one of its documents.

use serde::{Deserialize, Serialize};

/// Where in a file to go on, as it is kept while a job rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignMark {
    /// Tells the file from what may be written in its stead.
    pub(super) stamp: String,
    /// Whether it has to be unpacked from its start.
    pub(super) is_packed: bool,
    #[serde(flatten)]
    pub(super) spot: Spot,
}

/// Where in the unpacked text the last document ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spot {
    /// The line, from 1.
    pub line: u64,
    /// The byte.
    pub offset: u64,
    /// Whether it is an element of an array.
    pub in_array: bool,
}
