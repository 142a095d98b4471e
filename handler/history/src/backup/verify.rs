//! Reads all of a backup and says everything that is wrong with it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contents::Contents;
use super::damage::{Damage, ReadError};
use super::manifest::Manifest;
use super::place::Place;
use super::read;
use super::segment::SegmentRecord;
use super::segment_name::SegmentName;
use super::segment_reader::{Line, SegmentReader};
use crate::cosmos::Error;
use crate::limits::MAX_DAMAGES;

/// What was found. The counts are of what could be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The manifest, if it is undamaged.
    pub manifest: Option<Manifest>,
    /// Segments that were looked at.
    pub segments: u64,
    /// Documents that could be read.
    pub documents: u64,
    /// Deletions that could be read.
    pub deletions: u64,
    /// The size of the files that were read.
    pub compressed_bytes: u64,
    /// What is wrong.
    pub damages: Vec<Damage>,
    /// Further damages that are not named.
    pub omitted: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Adds what was found elsewhere in the same backup.
    pub fn add(&mut self, other: Self) {
        self.segments += other.segments;
        self.documents += other.documents;
        self.deletions += other.deletions;
        self.compressed_bytes += other.compressed_bytes;
        self.omitted += other.omitted;
        other.damages.into_iter().for_each(|damage| self.found(damage));
    }

    fn found(&mut self, damage: Damage) {
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

/// Looks at everything.
///
/// # Errors
/// When the place cannot be reached; damage is no error.
pub async fn verify(place: &Place) -> Result<Verification, Error> {
    let mut verification = verify_listing(place).await?;
    let segments = verification.manifest.as_ref().map(|manifest| manifest.segments.clone()).unwrap_or_default();
    for record in segments {
        verification.add(verify_segment(place, record).await?);
    }
    Ok(verification)
}

/// Looks at the manifest and at which files there are: the first part of [`verify`], for those who go on in several turns.
///
/// # Errors
/// As [`verify`].
pub async fn verify_listing(place: &Place) -> Result<Verification, Error> {
    let contents = Contents::list(place).await?;
    let mut verification = Verification::default();
    for name in contents.no_files {
        verification.found(Damage::NotAFile { name });
    }
    for name in contents.foreign {
        verification.found(Damage::Foreign { name });
    }
    match read::manifest(place).await {
        Ok((manifest, _)) => {
            let listed: BTreeMap<SegmentName, u64> =
                manifest.segments.iter().map(|segment| (segment.name, segment.compressed_bytes)).collect();
            for (segment, _) in contents.segments {
                if !listed.contains_key(&segment) {
                    verification.found(Damage::Unlisted { segment });
                }
            }
            verification.manifest = Some(manifest);
        }
        Err(ReadError::Damage(damage)) => verification.found(damage),
        Err(ReadError::Place(error)) => return Err(error),
    }
    Ok(verification)
}

/// Looks at one segment: the other parts of [`verify`].
///
/// # Errors
/// As [`verify`].
pub async fn verify_segment(place: &Place, record: SegmentRecord) -> Result<Verification, Error> {
    let mut verification = Verification { segments: 1, ..Default::default() };
    let compressed_bytes = record.compressed_bytes;
    let mut reader = match SegmentReader::open(place, record).await {
        Ok(reader) => reader,
        Err(ReadError::Damage(damage)) => {
            verification.found(damage);
            return Ok(verification);
        }
        Err(ReadError::Place(error)) => return Err(error),
    };
    verification.compressed_bytes = compressed_bytes;
    loop {
        match reader.next() {
            Ok(Some(Line::Document(_))) => verification.documents += 1,
            Ok(Some(Line::Deletion(_))) => verification.deletions += 1,
            Ok(None) => return Ok(verification),
            Err(damage) => verification.found(damage),
        }
    }
}
