//! Everything that can be wrong with a backup, described precisely enough to find it with other tools.

use serde::Serialize;

use crate::digest::Digest;
use crate::error::Error;
use crate::segment::{SegmentKind, SegmentName};

/// A damage of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "damage", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Damage {
    /// The location holds no backup.
    #[error("there is no backup: no manifest.json")]
    NoManifest,
    /// The backup was started and not finished.
    #[error("the backup is unfinished: {segments} segments and no manifest.json")]
    Unfinished {
        /// The number of segments recorded in `progress.json`.
        segments: usize,
    },
    /// The manifest is larger than the limit.
    #[error("manifest.json has more than {allowed} bytes")]
    ManifestTooLarge {
        /// The limit, in bytes.
        allowed: usize,
    },
    /// The manifest is not JSON.
    #[error("manifest.json is not JSON: {message}")]
    ManifestNotJson {
        /// The parser's message, with line and column.
        message: String,
    },
    /// The backup was written by a later version of this program.
    #[error("manifest.json has format {found}; this version reads formats up to {known}: use a later version")]
    NewerFormat {
        /// The format of the manifest.
        found: u64,
        /// The latest format that this version reads.
        known: u32,
    },
    /// The digest in the manifest does not match its content.
    #[error("manifest.json was changed: its digest does not match its content")]
    ManifestChanged,
    /// The manifest states something that the format does not allow.
    #[error("manifest.json is invalid: {message}")]
    ManifestInvalid {
        /// What is not allowed.
        message: String,
    },
    /// The manifest lists a segment twice.
    #[error("manifest.json lists {segment} twice")]
    DuplicateSegment {
        /// The name of the segment.
        segment: SegmentName,
    },
    /// A total in the manifest is not the sum over its segments.
    #[error("manifest.json states {stated} {kind} in total; its segments have {found}")]
    WrongTotal {
        /// What is counted.
        kind: SegmentKind,
        /// The total in the manifest.
        stated: u64,
        /// The sum over the segments.
        found: u64,
    },
    /// A segment has no file.
    #[error("{segment} is missing")]
    Missing {
        /// The name of the segment.
        segment: SegmentName,
    },
    /// A segment is not in the manifest.
    #[error("{segment} is not in manifest.json")]
    Unlisted {
        /// The name of the segment.
        segment: SegmentName,
    },
    /// A file or folder does not belong to a backup.
    #[error("{name:?} does not belong to a backup")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// A symbolic link, a folder or a device has the name of a file of the backup.
    #[error("{name:?} is not a regular file")]
    NotAFile {
        /// Its name.
        name: String,
    },
    /// A file is shorter than the manifest states.
    #[error("{segment} has {found} bytes instead of {stated}")]
    TooShort {
        /// The name of the segment.
        segment: SegmentName,
        /// The size in the manifest.
        stated: u64,
        /// The size of the file.
        found: u64,
    },
    /// A file is longer than the manifest states.
    #[error("{segment} has more than {stated} bytes")]
    TooLong {
        /// The name of the segment.
        segment: SegmentName,
        /// The size in the manifest.
        stated: u64,
    },
    /// A file has the stated size and other bytes.
    #[error("{segment} has SHA-256 {found} instead of {stated}")]
    WrongDigest {
        /// The name of the segment.
        segment: SegmentName,
        /// The digest in the manifest.
        stated: Digest,
        /// The digest of the file.
        found: Digest,
    },
    /// A file cannot be decompressed.
    #[error("{segment} cannot be decompressed at byte {offset}: {message}")]
    NotZstd {
        /// The name of the segment.
        segment: SegmentName,
        /// The position in the file.
        offset: u64,
        /// The message of zstd.
        message: String,
    },
    /// A file decompresses to more than the manifest states.
    #[error("{segment} decompresses to more than {stated} bytes")]
    UnpacksToMore {
        /// The name of the segment.
        segment: SegmentName,
        /// The size in the manifest.
        stated: u64,
    },
    /// A file decompresses to less than the manifest states.
    #[error("{segment} decompresses to {found} bytes instead of {stated}")]
    UnpacksToLess {
        /// The name of the segment.
        segment: SegmentName,
        /// The size in the manifest.
        stated: u64,
        /// The size of the lines in the file.
        found: u64,
    },
    /// A segment has another number of lines than the manifest states.
    #[error("{segment} has {found} lines instead of {stated}")]
    WrongCount {
        /// The name of the segment.
        segment: SegmentName,
        /// The number in the manifest.
        stated: u64,
        /// The number of lines in the file.
        found: u64,
    },
    /// A line is not a document, or not a deletion.
    #[error("{segment}, line {line} (byte {offset} decompressed): {message}")]
    Line {
        /// The name of the segment.
        segment: SegmentName,
        /// The number of the line, from 1.
        line: u64,
        /// Where the line starts in the decompressed text.
        offset: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The backup is damaged.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// Its location cannot be read.
    #[error(transparent)]
    Location(#[from] Error),
}
