//! The segments of a backup: their names and what the manifest records about each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

const PREFIX: &str = "part-";
const SUFFIX: &str = ".ndjson.zst";

/// What the lines of a segment hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentKind {
    /// Documents.
    Documents,
    /// Ids and partition keys of deleted documents.
    Deletions,
}

impl fmt::Display for SegmentKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Documents => "documents",
            Self::Deletions => "deletions",
        })
    }
}

/// A segment, as the manifest records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SegmentRecord {
    /// The name of its file.
    pub name: SegmentName,
    /// What its lines hold.
    pub kind: SegmentKind,
    /// The size of the file, in bytes.
    pub compressed_bytes: u64,
    /// The size of the lines, in bytes, line ends included.
    pub bytes: u64,
    /// The number of lines.
    pub count: u64,
    /// The SHA-256 of the file.
    pub sha256: Digest,
}

/// The name of a segment, by its number: `part-00000.ndjson.zst`. A manifest cannot make a reader open any other file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SegmentName(u32);

impl SegmentName {
    /// The greatest number.
    pub const MAX: u32 = 99_999;

    /// The name with this number; none if the number is too great.
    pub fn numbered(number: usize) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number <= Self::MAX).map(Self)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{:05}{SUFFIX}", self.0)
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for SegmentName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        let digits = digits.filter(|digits| digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            format!("invalid segment name {shown:?}; segments are named like {PREFIX}00000{SUFFIX}")
        })
    }
}

impl TryFrom<String> for SegmentName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SegmentName> for String {
    fn from(name: SegmentName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_other_texts_are_rejected() {
        for number in [0, 7, 99_999] {
            let name = SegmentName::numbered(number).expect("name");
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        assert_eq!(SegmentName::numbered(100_000), None);
        for wrong in [
            "",
            "../part-00000.ndjson.zst",
            "/part-00000.ndjson.zst",
            "part-00000.ndjson.zst/..",
            "part-0000.ndjson.zst",
            "part-000000.ndjson.zst",
            "part-+0000.ndjson.zst",
            "part-00000.ndjson",
            "Part-00000.ndjson.zst",
            "part-00000.ndjson.zst\0",
        ] {
            assert!(wrong.parse::<SegmentName>().is_err_and(|error| error.contains("invalid segment name")), "{wrong}");
        }
    }
}
