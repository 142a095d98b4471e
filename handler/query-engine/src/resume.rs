//! Where a query continues after a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a query continues after a page: what a continuation token says.
///
/// A query without ORDER BY, DISTINCT, aggregates and GROUP BY, and one with ORDER BY, continues after a row: writes in between neither lose
/// nor repeat a row of a document that they do not change. The others are computed again and skip as many rows as were returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resume {
    /// After a document, in scan order.
    #[serde(rename_all = "camelCase")]
    After {
        /// The position of the last document that was read; the store can start at it.
        position: u64,
        /// How many rows of that document were returned, if it has more; `None` if all were.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rows: Option<u64>,
        /// How many rows the query has had, those skipped by OFFSET included.
        counted: u64,
    },
    /// After a row, in the order of ORDER BY.
    #[serde(rename_all = "camelCase")]
    Sorted {
        /// The values of ORDER BY: `[value]`, or `[]` for undefined.
        values: Vec<Vec<Value>>,
        /// The position of the document of that row.
        position: u64,
        /// How many rows with the same values that document had.
        rows: u64,
        /// How many rows the query has had, those skipped by OFFSET included.
        counted: u64,
    },
    /// After so many rows of a query that is computed as a whole.
    Rows(u64),
}

impl Resume {
    /// The position at which a scan can start: documents before it are not needed. `None`: at the first.
    #[must_use]
    pub fn scan_from(&self) -> Option<u64> {
        match self {
            Self::After { position, .. } => Some(*position),
            Self::Sorted { .. } | Self::Rows(_) => None,
        }
    }
}

/// The `resumeFilter` in the body of a query with ORDER BY that a client sends to resume: only rows at or after it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ResumeFilter {
    /// The values of ORDER BY; `[]` is undefined.
    pub value: Vec<Value>,
    /// The `_rid` of the document with these values to start at.
    #[serde(default)]
    pub rid: Option<String>,
    /// Whether rows with exactly these values are left out.
    #[serde(default)]
    pub exclude: bool,
}

/// The number of a document in its `_rid`, which orders documents with the same values of ORDER BY.
///
/// A `_rid` is base64 (with `-` for `/`) of 16 bytes; the last eight are the number, the lowest byte first.
#[must_use]
pub fn document_number(rid: &str) -> Option<u64> {
    let bytes = STANDARD.decode(rid.replace(['-', '_'], "/")).ok()?;
    let number = bytes.get(8..16).filter(|_| bytes.len() == 16)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_document_is_in_its_rid() {
        assert_eq!(document_number("AQIDAIAAAAEBAAAAAAAAAA=="), Some(1));
        assert_eq!(document_number("AQIDAIAAAAEDAAAAAAAAAA=="), Some(3));
        assert_eq!(document_number("AQIDAIAAAAEAAQAAAAAAAA=="), Some(256));
        for invalid in ["", "AQIDAA==", "AQIDAIAAAAEBAAAAAAAAA!=="] {
            assert_eq!(document_number(invalid), None, "{invalid}");
        }
    }
}
