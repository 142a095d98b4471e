//! What a manifest says of a segment.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::segment_name::SegmentName;

/// What stands on the lines of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentKind {
    /// Documents.
    Documents,
    /// Ids and keys of documents that are gone.
    Deletions,
}

/// A segment of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SegmentRecord {
    /// Its file.
    pub name: SegmentName,
    /// What stands on its lines.
    pub kind: SegmentKind,
    /// The size of the file.
    pub compressed_bytes: u64,
    /// The size of the lines, their ends included.
    pub bytes: u64,
    /// The number of lines.
    pub count: u64,
    /// Of the file.
    pub sha256: Digest,
}
