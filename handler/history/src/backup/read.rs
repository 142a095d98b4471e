//! Reads a backup.
//!
//! Deletions come before documents: whoever applies them in this order has the later state, even where a document was
//! deleted and made again.

use super::damage::{Damage, ReadError};
use super::digest::Digest;
use super::manifest::{MANIFEST, Manifest};
use super::place::Place;
use super::progress::{PROGRESS, Progress};
use super::segment::{SegmentKind, SegmentRecord};
use super::segment_reader::{Line, SegmentReader};
use crate::cosmos::ErrorKind;
use crate::limits::MAX_MANIFEST_BYTES;

/// A backup that is being read.
pub struct BackupReader {
    place: Place,
    manifest: Manifest,
    digest: Digest,
    /// In the order of reading.
    segments: Vec<SegmentRecord>,
    /// The segment after the one that is being read.
    next: usize,
    current: Option<SegmentReader>,
}

impl BackupReader {
    /// Reads the manifest.
    ///
    /// # Errors
    /// When there is none, it is damaged, or the place cannot be reached.
    pub async fn open(place: Place) -> Result<Self, ReadError> {
        let (manifest, digest) = manifest(&place).await?;
        let mut segments = manifest.segments.clone();
        segments.sort_by_key(|segment| (segment.kind != SegmentKind::Deletions, segment.name));
        Ok(Self { place, manifest, digest, segments, next: 0, current: None })
    }

    /// What the backup is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of its manifest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Segments read to their ends. Another reader can go on from here.
    pub fn position(&self) -> usize {
        self.next - usize::from(self.current.is_some())
    }

    /// Goes on after so many segments.
    pub fn skip_to(&mut self, position: usize) {
        self.next = position.min(self.segments.len());
        self.current = None;
    }

    /// The next line of any segment; none at the end. A line is given only of a segment whose file is the one that was
    /// written.
    ///
    /// # Errors
    /// When a segment is damaged or cannot be reached. What is left of a damaged one is passed over.
    pub async fn next(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next() {
                    Ok(Some(line)) => return Ok(Some(line)),
                    Ok(None) => self.current = None,
                    Err(damage) => {
                        self.current = None;
                        return Err(damage.into());
                    }
                }
            }
            let Some(record) = self.segments.get(self.next) else { return Ok(None) };
            let opened = SegmentReader::open(&self.place, record.clone()).await;
            if !matches!(opened, Err(ReadError::Place(_))) {
                self.next += 1;
            }
            self.current = Some(opened?);
        }
    }
}

/// The manifest of a place.
pub async fn manifest(place: &Place) -> Result<(Manifest, Digest), ReadError> {
    match place.read(MANIFEST, MAX_MANIFEST_BYTES).await {
        Ok((text, _)) => Ok(Manifest::decode(&text)?),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => match progress(place).await? {
                Some(progress) => Damage::Unfinished { segments: progress.segments.len() }.into(),
                None => Damage::NoManifest.into(),
            },
            ErrorKind::Conflict => Damage::NotAFile { name: MANIFEST.into() }.into(),
            ErrorKind::TooLarge => Damage::ManifestTooLarge { allowed: MAX_MANIFEST_BYTES }.into(),
            _ => ReadError::Place(error),
        }),
    }
}

/// The progress of a place, if it can be read.
pub async fn progress(place: &Place) -> Result<Option<Progress>, ReadError> {
    match place.read(PROGRESS, MAX_MANIFEST_BYTES).await {
        Ok((text, _)) => Ok(Progress::decode(&text).ok()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::TooLarge | ErrorKind::Conflict => Ok(None),
            _ => Err(error.into()),
        },
    }
}
