//! Reads a backup.
//!
//! Deletions come before documents. A caller that applies the lines in this order gets the later state, also of a document
//! that was deleted and created again.

use crate::damage::{Damage, ReadError};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind};
use crate::limits::MAX_MANIFEST_BYTES;
use crate::location::BackupLocation;
use crate::manifest::{BackupHeader, MANIFEST, Manifest};
use crate::progress::{PROGRESS, Progress};
use crate::segment::SegmentRecord;
use crate::segment_reader::{Line, SegmentReader};

/// Reads the lines of a finished backup.
pub struct BackupReader {
    location: BackupLocation,
    manifest: Manifest,
    digest: Digest,
    /// In the order of reading.
    segments: Vec<SegmentRecord>,
    /// The index of the segment after the current one.
    next: usize,
    current: Option<SegmentReader>,
}

impl BackupReader {
    /// Reads the manifest.
    ///
    /// # Errors
    /// When there is none, it is damaged, or the location cannot be read.
    pub async fn open(location: BackupLocation) -> Result<Self, ReadError> {
        let (manifest, digest) = read_manifest(&location).await?;
        let segments = manifest.segments_in_order().into_iter().cloned().collect();
        Ok(Self { location, manifest, digest, segments, next: 0, current: None })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number of segments that were read to their ends. Another reader can resume here.
    pub fn position(&self) -> usize {
        self.next - usize::from(self.current.is_some())
    }

    /// Resumes after this number of segments.
    pub fn skip_to(&mut self, position: usize) {
        self.next = position.min(self.segments.len());
        self.current = None;
    }

    /// The next line of any segment; none at the end. A segment's lines are returned only after its digest was checked.
    ///
    /// # Errors
    /// When a segment is damaged or cannot be read. The next call skips the rest of a damaged segment.
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
            let opened = SegmentReader::open(&self.location, record.clone()).await;
            if !matches!(opened, Err(ReadError::Location(_))) {
                self.next += 1;
            }
            self.current = Some(opened?);
        }
    }
}

/// The manifest at a location, and its digest.
///
/// # Errors
/// [`Damage::NoManifest`] when there is no backup, [`Damage::Unfinished`] when there is an unfinished one, and when the
/// manifest is damaged or cannot be read.
pub async fn read_manifest(location: &BackupLocation) -> Result<(Manifest, Digest), ReadError> {
    match location.read(MANIFEST, MAX_MANIFEST_BYTES).await {
        Ok((text, _)) => Ok(Manifest::decode(&text)?),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => match read_progress(location).await? {
                Some(progress) => Damage::Unfinished { segments: progress.segments.len() }.into(),
                None => Damage::NoManifest.into(),
            },
            ErrorKind::Conflict => Damage::NotAFile { name: MANIFEST.into() }.into(),
            ErrorKind::TooLarge => Damage::ManifestTooLarge { allowed: MAX_MANIFEST_BYTES }.into(),
            _ => ReadError::Location(error),
        }),
    }
}

/// The progress file at a location; none when it does not exist or is damaged.
pub(crate) async fn read_progress(location: &BackupLocation) -> Result<Option<Progress>, Error> {
    match location.read(PROGRESS, MAX_MANIFEST_BYTES).await {
        Ok((text, _)) => Ok(Progress::decode(&text).ok()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::TooLarge | ErrorKind::Conflict => Ok(None),
            _ => Err(error),
        },
    }
}

/// The header in the progress file at a location; none when that file does not exist or is damaged.
///
/// # Errors
/// When the location cannot be read.
pub async fn read_unfinished(location: &BackupLocation) -> Result<Option<BackupHeader>, Error> {
    Ok(read_progress(location).await?.map(|progress| progress.backup))
}

/// The header of the unfinished backup at a location; none when there is a finished one, a damaged one or none.
///
/// # Errors
/// When the location cannot be read.
pub async fn unfinished_backup(location: &BackupLocation) -> Result<Option<BackupHeader>, Error> {
    match read_manifest(location).await {
        Err(ReadError::Damage(Damage::Unfinished { .. })) => read_unfinished(location).await,
        Err(ReadError::Location(error)) => Err(error),
        _ => Ok(None),
    }
}
