//! What can be wrong with a backup, each said precisely enough to find it with other tools.

use serde::Serialize;

use super::digest::Digest;
use super::segment::SegmentKind;
use super::segment_name::SegmentName;
use crate::cosmos::Error;

/// Something that is wrong with a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "damage", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Damage {
    /// Nothing here is a backup.
    #[error("there is no backup: no manifest.json")]
    NoManifest,
    /// It was begun and not finished.
    #[error("the backup is unfinished: it has {segments} segments and no manifest.json")]
    Unfinished {
        /// Those written for good.
        segments: usize,
    },
    /// More bytes than are read.
    #[error("manifest.json has more than {allowed} bytes")]
    ManifestTooLarge {
        /// In bytes.
        allowed: usize,
    },
    /// Not JSON.
    #[error("manifest.json is not JSON: {message}")]
    ManifestNotJson {
        /// With line and column.
        message: String,
    },
    /// Written by a later version of this program.
    #[error("manifest.json has format {found}; this program knows {known}")]
    NewerFormat {
        /// Its format.
        found: u64,
        /// The newest known here.
        known: u32,
    },
    /// The digest within does not fit.
    #[error("manifest.json is not what was written: its digest is another one")]
    ManifestChanged,
    /// It says what no manifest says.
    #[error("manifest.json is wrong: {message}")]
    ManifestInvalid {
        /// What.
        message: String,
    },
    /// Named twice.
    #[error("manifest.json names {segment} twice")]
    DuplicateSegment {
        /// Which.
        segment: SegmentName,
    },
    /// The sum over the segments is another one.
    #[error("manifest.json states {stated} {kind:?} in all, and {found} in its segments")]
    WrongTotal {
        /// Of which.
        kind: SegmentKind,
        /// In the manifest.
        stated: u64,
        /// The sum.
        found: u64,
    },
    /// No such file.
    #[error("{segment} is missing")]
    Missing {
        /// Which.
        segment: SegmentName,
    },
    /// A segment that the manifest does not name.
    #[error("{segment} is not in manifest.json")]
    Unlisted {
        /// Which.
        segment: SegmentName,
    },
    /// Something that does not belong to a backup.
    #[error("{name:?} does not belong to a backup")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// A symbolic link, a folder or a device where a file has to be.
    #[error("{name:?} is no regular file")]
    NotAFile {
        /// Its name.
        name: String,
    },
    /// A file was cut.
    #[error("{segment} has {found} bytes instead of {stated}")]
    TooShort {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: u64,
        /// In the file.
        found: u64,
    },
    /// A file has grown.
    #[error("{segment} has more than {stated} bytes")]
    TooLong {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: u64,
    },
    /// A file has the right size and other bytes.
    #[error("{segment} has SHA-256 {found} instead of {stated}")]
    WrongDigest {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: Digest,
        /// Of the file.
        found: Digest,
    },
    /// A file cannot be unpacked.
    #[error("{segment} cannot be unpacked at byte {offset}: {message}")]
    NotZstd {
        /// Which.
        segment: SegmentName,
        /// Into the file.
        offset: u64,
        /// What zstd says.
        message: String,
    },
    /// More comes out of a file than the manifest says.
    #[error("{segment} unpacks to more than {stated} bytes")]
    UnpacksToMore {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: u64,
    },
    /// Less comes out of a file than the manifest says.
    #[error("{segment} unpacks to {found} bytes instead of {stated}")]
    UnpacksToLess {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: u64,
        /// In the file.
        found: u64,
    },
    /// Another number of lines.
    #[error("{segment} has {found} lines instead of {stated}")]
    WrongCount {
        /// Which.
        segment: SegmentName,
        /// In the manifest.
        stated: u64,
        /// In the file.
        found: u64,
    },
    /// A line that is no document, or no deletion.
    #[error("{segment}, line {line} (byte {offset} unpacked): {message}")]
    Line {
        /// Which.
        segment: SegmentName,
        /// From 1.
        line: u64,
        /// Of the line's beginning in the unpacked text.
        offset: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is damaged.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// It could not be reached.
    #[error(transparent)]
    Place(#[from] Error),
}
