//! Reads a whole backup and reports everything that is wrong with it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::contents::Contents;
use crate::damage::{Damage, ReadError};
use crate::error::Error;
use crate::limits::MAX_DAMAGES;
use crate::location::BackupLocation;
use crate::manifest::Manifest;
use crate::read::read_manifest;
use crate::segment::{SegmentName, SegmentRecord};
use crate::segment_reader::{Line, SegmentReader};

/// The result of a verification. It counts what could be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The manifest, if it is undamaged.
    pub manifest: Option<Manifest>,
    /// The number of segments that were checked.
    pub segments: u64,
    /// The number of documents that could be read.
    pub documents: u64,
    /// The number of deletions that could be read.
    pub deletions: u64,
    /// The size of the files that were read, in bytes.
    pub compressed_bytes: u64,
    /// The damages that were found.
    pub damages: Vec<Damage>,
    /// The number of further damages, which are not listed.
    pub omitted: u64,
}

impl Verification {
    /// Whether no damage was found.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Adds the result of another part of the same backup.
    pub fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.documents += other.documents;
        self.deletions += other.deletions;
        self.compressed_bytes += other.compressed_bytes;
        self.omitted += other.omitted;
        other.damages.into_iter().for_each(|damage| self.report(damage));
    }

    fn report(&mut self, damage: Damage) {
        if self.damages.contains(&damage) {
            return;
        }
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(damage);
        } else {
            self.omitted += 1;
        }
    }
}

/// Verifies a whole backup.
///
/// # Errors
/// When the location cannot be read. Damage is a result, not an error.
pub async fn verify(location: &BackupLocation) -> Result<Verification, Error> {
    let mut verification = verify_listing(location).await?;
    let segments = verification.manifest.as_ref().map(|manifest| manifest.segments.clone()).unwrap_or_default();
    for record in segments {
        verification.add(verify_segment(location, record).await?);
    }
    Ok(verification)
}

/// Verifies the manifest and the list of files: the first part of [`verify`], for callers that verify in several steps.
///
/// # Errors
/// As [`verify`].
pub async fn verify_listing(location: &BackupLocation) -> Result<Verification, Error> {
    let contents = Contents::list(location).await?;
    let mut verification = Verification::default();
    for name in contents.not_files {
        verification.report(Damage::NotAFile { name });
    }
    for name in contents.foreign {
        verification.report(Damage::Foreign { name });
    }
    match read_manifest(location).await {
        Ok((manifest, _)) => {
            let listed: BTreeSet<SegmentName> = manifest.segments.iter().map(|segment| segment.name).collect();
            for (segment, _) in contents.segments {
                if !listed.contains(&segment) {
                    verification.report(Damage::Unlisted { segment });
                }
            }
            verification.manifest = Some(manifest);
        }
        Err(ReadError::Damage(damage)) => verification.report(damage),
        Err(ReadError::Location(error)) => return Err(error),
    }
    Ok(verification)
}

/// The first segment of a finished backup that is missing, without reading any; none if all are there, and `NoManifest` if there is no
/// backup any longer.
///
/// # Errors
/// When the location cannot be read.
pub async fn missing_segment(location: &BackupLocation) -> Result<Option<Damage>, Error> {
    let contents = Contents::list(location).await?;
    let present: BTreeSet<SegmentName> = contents.segments.iter().map(|(segment, _)| *segment).collect();
    match read_manifest(location).await {
        Ok((manifest, _)) => {
            let mut segments = manifest.segments.iter().map(|segment| segment.name);
            Ok(segments.find(|name| !present.contains(name)).map(|segment| Damage::Missing { segment }))
        }
        Err(ReadError::Damage(damage)) => Ok(Some(damage)),
        Err(ReadError::Location(error)) => Err(error),
    }
}

/// Verifies one segment: the other parts of [`verify`].
///
/// # Errors
/// As [`verify`].
pub async fn verify_segment(location: &BackupLocation, record: SegmentRecord) -> Result<Verification, Error> {
    let mut verification = Verification { segments: 1, ..Default::default() };
    let compressed_bytes = record.compressed_bytes;
    let mut reader = match SegmentReader::open(location, record).await {
        Ok(reader) => reader,
        Err(ReadError::Damage(damage)) => {
            verification.report(damage);
            return Ok(verification);
        }
        Err(ReadError::Location(error)) => return Err(error),
    };
    verification.compressed_bytes = compressed_bytes;
    loop {
        match reader.next() {
            Ok(Some(Line::Document(_))) => verification.documents += 1,
            Ok(Some(Line::Deletion(_))) => verification.deletions += 1,
            Ok(None) => return Ok(verification),
            Err(damage) => verification.report(damage),
        }
    }
}
