//! Writes a backup, in one or more runs.
//!
//! A writer creates segments, then replaces `progress.json` by one that lists them together with the cursor from which to
//! resume, and at the very end creates `manifest.json`. A writer may die at any time: the next one reads the last progress,
//! deletes the segments that it does not list, and resumes from its cursor.
//!
//! A writer that was declared dead may still run. It can still create a segment; therefore a writer never overwrites a
//! segment, and inspects an existing one before it replaces it. It cannot record a segment, because `progress.json` is
//! replaced only if it is the one that the writer saw last, and the next writer starts by replacing it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::contents::Contents;
use crate::deletion::Deletion;
use crate::document::BackupDocument;
use crate::error::{Error, ErrorKind};
use crate::feed_position::FeedPosition;
use crate::limits::{MAX_MANIFEST_BYTES, MAX_SEGMENT_BYTES};
use crate::location::{BackupLocation, LocationEntry, Revision};
use crate::manifest::{BackupHeader, MANIFEST, Manifest};
use crate::progress::{PROGRESS, Progress};
use crate::segment::{SegmentKind, SegmentName, SegmentRecord};
use crate::segment_writer::SegmentWriter;

/// Writes one backup.
pub struct BackupWriter {
    location: BackupLocation,
    progress: Progress,
    revision: Revision,
    /// Segments that are written but not yet listed in `progress.json`.
    unrecorded: Vec<SegmentRecord>,
    documents: Option<SegmentWriter>,
    deletions: Option<SegmentWriter>,
    feed: Option<FeedPosition>,
    /// A write failed or was cancelled. Lines that were pushed are lost, so no later cursor may be recorded.
    broken: bool,
}

/// The backup that [`BackupWriter::resume`] found.
pub enum Resumed {
    /// It is unfinished; this writer continues it.
    Unfinished(Box<BackupWriter>),
    /// It is finished.
    Finished(Box<Manifest>),
}

impl BackupWriter {
    /// Starts a backup at an empty location.
    ///
    /// # Errors
    /// `Conflict` when the location is not empty; the message names what exists there.
    pub async fn create(location: BackupLocation, header: BackupHeader) -> Result<Self, Error> {
        let contents = contents_if_empty(&location).await?;
        delete_all(&location, &contents.temporary).await?;
        let progress = Progress::new(header);
        let text = encoded(progress.encode())?;
        let revision = match location.create(PROGRESS, text.clone()).await {
            Ok(revision) => revision,
            Err(error) => revision_if_written(&location, PROGRESS, &text, error).await?,
        };
        Ok(Self::new(location, progress, revision))
    }

    fn new(location: BackupLocation, progress: Progress, revision: Revision) -> Self {
        Self {
            location,
            progress,
            revision,
            unrecorded: Vec::new(),
            documents: None,
            deletions: None,
            feed: None,
            broken: false,
        }
    }

    /// Resumes a backup and takes it over: an older writer can no longer record or finish it.
    ///
    /// # Errors
    /// `NotFound` when there is no backup, `Conflict` when the location contains other files, `Corrupt` when the backup is
    /// damaged.
    pub async fn resume(location: BackupLocation) -> Result<Resumed, Error> {
        let action = || format!("resuming the backup in {location}");
        let corrupt = |message: String| Error::new(ErrorKind::Corrupt, action(), message);
        let contents = Contents::list(&location).await?;
        if contents.has_manifest {
            let (text, _) = location.read(MANIFEST, MAX_MANIFEST_BYTES).await?;
            let (manifest, _) = Manifest::decode(&text).map_err(|damage| corrupt(damage.to_string()))?;
            location.delete(PROGRESS).await?;
            return Ok(Resumed::Finished(Box::new(manifest)));
        }
        if !contents.has_progress {
            return Err(Error::new(ErrorKind::NotFound, action(), "there is no unfinished backup"));
        }
        if let Some(name) = contents.unexpected() {
            return Err(Error::new(ErrorKind::Conflict, action(), format!("{name:?} does not belong to a backup")));
        }
        let (text, revision) = location.read(PROGRESS, MAX_MANIFEST_BYTES).await?;
        let progress = Progress::decode(&text).map_err(|message| corrupt(format!("{PROGRESS}: {message}")))?;
        for record in &progress.segments {
            let file = contents.segments.iter().find(|(name, _)| *name == record.name);
            match file.map(|(_, file)| file.size) {
                Some(size) if size == record.compressed_bytes => (),
                Some(size) => {
                    let (name, stated) = (record.name, record.compressed_bytes);
                    return Err(corrupt(format!("{name} has {size} bytes instead of {stated}")));
                }
                None => return Err(corrupt(format!("{} is missing", record.name))),
            }
        }
        let mut writer = Self::new(location, progress.taken_over(), revision);
        writer.record().await?;
        writer.clean(contents).await?;
        Ok(Resumed::Unfinished(Box::new(writer)))
    }

    /// Deletes an unfinished backup.
    ///
    /// # Errors
    /// `Conflict` when it is finished.
    pub async fn discard(location: &BackupLocation) -> Result<(), Error> {
        let contents = Contents::list(location).await?;
        if contents.has_manifest {
            let action = format!("discarding the backup in {location}");
            return Err(Error::new(ErrorKind::Conflict, action, "the backup is finished"));
        }
        if contents.has_progress {
            let segments: Vec<LocationEntry> = contents.segments.into_iter().map(|(_, file)| file).collect();
            delete_all(location, &segments).await?;
        }
        delete_all(location, &contents.temporary).await?;
        location.delete(PROGRESS).await
    }

    /// Deletes an unfinished backup whose `progress.json` is only a part of a file, which a file system can leave behind after a
    /// failure. Nothing could resume or restore it. Another damage is left to the user. Returns whether there was such a backup.
    ///
    /// # Errors
    /// When the location cannot be read or written.
    pub async fn discard_half_written(location: &BackupLocation) -> Result<bool, Error> {
        let contents = Contents::list(location).await?;
        if contents.has_manifest || !contents.has_progress {
            return Ok(false);
        }
        let (text, _) = location.read(PROGRESS, MAX_MANIFEST_BYTES).await?;
        if !Progress::is_half_written(&text) {
            return Ok(false);
        }
        Self::discard(location).await?;
        Ok(true)
    }

    /// What the backup contains.
    pub fn header(&self) -> &BackupHeader {
        &self.progress.backup
    }

    /// Where to resume reading: the last cursor that was recorded, or `null`.
    pub fn cursor(&self) -> &Value {
        &self.progress.cursor
    }

    /// The segments that are recorded.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.progress.segments
    }

    /// Adds a document.
    ///
    /// # Errors
    /// When a full segment cannot be written; `TooLarge` when the document is longer than a line can be.
    pub async fn push(&mut self, document: &BackupDocument) -> Result<(), Error> {
        self.check()?;
        let line = document.encode();
        let writer = open(&mut self.documents, SegmentKind::Documents)?;
        writer.push(&line).map_err(|error| not_added(document.id(), &error))?;
        if writer.is_full() {
            self.cut(SegmentKind::Documents).await?;
        }
        Ok(())
    }

    /// Adds a deleted document. Only an incremental backup has deletions.
    ///
    /// # Errors
    /// As [`BackupWriter::push`], and `Invalid` when the backup is a full one or the partition key has an array or object.
    pub async fn push_deletion(&mut self, deletion: &Deletion) -> Result<(), Error> {
        self.check()?;
        if self.progress.backup.incremental_from.is_none() {
            return Err(Error::invalid("writing a deletion", "a full backup has no deletions"));
        }
        let line = deletion.encode().map_err(|message| Error::invalid("writing a deletion", message))?;
        let writer = open(&mut self.deletions, SegmentKind::Deletions)?;
        writer.push(&line).map_err(|error| not_added(&deletion.id, &error))?;
        if writer.is_full() {
            self.cut(SegmentKind::Deletions).await?;
        }
        Ok(())
    }

    /// States that everything before this cursor was pushed. The cursor is recorded only if a segment was written since the
    /// last time: recording it always would create many small segments.
    ///
    /// # Errors
    /// When it cannot be written; `PreconditionFailed` when another writer has taken over the backup.
    pub async fn mark(&mut self, cursor: Value) -> Result<(), Error> {
        if self.unrecorded.is_empty() { Ok(()) } else { self.suspend(cursor).await }
    }

    /// Writes everything that was pushed and records the cursor. This writer or the next one resumes there.
    ///
    /// # Errors
    /// As [`BackupWriter::mark`].
    pub async fn suspend(&mut self, cursor: Value) -> Result<(), Error> {
        self.cut(SegmentKind::Deletions).await?;
        self.cut(SegmentKind::Documents).await?;
        self.broken = true;
        self.progress.segments.append(&mut self.unrecorded);
        self.progress.cursor = cursor;
        self.record().await?;
        self.broken = false;
        Ok(())
    }

    /// Sets the position at which the next incremental backup starts to read the change feed. [`BackupWriter::finish`] stores it;
    /// until then it is part of the cursor.
    pub fn set_feed(&mut self, feed: Option<FeedPosition>) {
        self.feed = feed;
    }

    /// Finishes the backup: everything was pushed, and `end` is the cursor after the last line.
    ///
    /// # Errors
    /// When it cannot be written; `PreconditionFailed` when another writer has taken over the backup.
    pub async fn finish(mut self, end: Value, created_at: DateTime<Utc>) -> Result<Manifest, Error> {
        self.suspend(end).await?;
        let contents = Contents::list(&self.location).await?;
        self.check_owner().await?;
        self.clean(contents).await?;
        let manifest =
            Manifest::new(self.progress.backup, created_at.into(), self.progress.segments).with_feed(self.feed);
        let text = encoded(manifest.encode().map(|(text, _)| text))?;
        if let Err(error) = self.location.create(MANIFEST, text.clone()).await {
            revision_if_written(&self.location, MANIFEST, &text, error).await?;
        }
        self.location.delete(PROGRESS).await?;
        Ok(manifest)
    }

    /// Deletes the files that earlier writers left behind.
    async fn clean(&self, contents: Contents) -> Result<(), Error> {
        let first = SegmentName::numbered(self.progress.segments.len());
        let left_over = contents.segments.into_iter().filter(|(name, _)| first.is_some_and(|first| *name >= first));
        let left_over: Vec<LocationEntry> = left_over.map(|(_, file)| file).collect();
        delete_all(&self.location, &left_over).await?;
        delete_all(&self.location, &contents.temporary).await
    }

    /// Writes the open segment of a kind.
    async fn cut(&mut self, kind: SegmentKind) -> Result<(), Error> {
        self.check()?;
        let open = match kind {
            SegmentKind::Documents => &mut self.documents,
            SegmentKind::Deletions => &mut self.deletions,
        };
        let Some(writer) = open.take().filter(|writer| !writer.is_empty()) else { return Ok(()) };
        self.broken = true;
        let number = self.progress.segments.len() + self.unrecorded.len();
        let name = SegmentName::numbered(number).ok_or_else(|| {
            let message = format!("more than {} segments", SegmentName::MAX + 1);
            Error::invalid(format!("writing the backup in {}", self.location), message)
        })?;
        let (record, file) = writer.finish(name).map_err(|error| not_compressed(&error))?;
        self.write(&record, file).await?;
        self.unrecorded.push(record);
        self.broken = false;
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if self.broken {
            let message = "an earlier write failed; resume the backup with a new writer";
            let action = format!("writing the backup in {}", self.location);
            return Err(Error::new(ErrorKind::Unavailable, action, message));
        }
        Ok(())
    }

    async fn write(&self, record: &SegmentRecord, file: Bytes) -> Result<(), Error> {
        let name = record.name.to_string();
        let Err(error) = self.location.create(&name, file.clone()).await else { return Ok(()) };
        if error.kind() != ErrorKind::Conflict {
            return Err(error);
        }
        let (found, revision) = self.location.read(&name, MAX_SEGMENT_BYTES).await?;
        if found == file {
            return Ok(());
        }
        // An older writer left it behind, if this writer still owns the backup.
        self.check_owner().await?;
        self.location.delete_if_unchanged(&name, &revision).await?;
        self.location.create(&name, file).await.map(|_| ())
    }

    /// Checks that no other writer has taken over. Files listed before this check are then not those of a newer writer.
    async fn check_owner(&self) -> Result<(), Error> {
        match self.location.read(PROGRESS, MAX_MANIFEST_BYTES).await {
            Ok((text, _)) if Progress::decode(&text).is_ok_and(|found| found.writer == self.progress.writer) => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Err(taken_over(&self.location)),
        }
    }

    async fn record(&mut self) -> Result<(), Error> {
        let text = encoded(self.progress.encode())?;
        self.revision = match self.location.replace(PROGRESS, text.clone(), &self.revision).await {
            Ok(revision) => revision,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                revision_if_written(&self.location, PROGRESS, &text, taken_over(&self.location)).await?
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// Whether a location contains an unfinished backup, even if its `progress.json` is damaged.
///
/// # Errors
/// When the location cannot be read.
pub async fn has_unfinished_backup(location: &BackupLocation) -> Result<bool, Error> {
    let contents = Contents::list(location).await?;
    Ok(contents.has_progress && !contents.has_manifest)
}

/// Checks that a backup can start at a location.
///
/// # Errors
/// `Conflict` when the location is not empty; the message names what exists there.
pub async fn check_empty(location: &BackupLocation) -> Result<(), Error> {
    contents_if_empty(location).await.map(|_| ())
}

async fn contents_if_empty(location: &BackupLocation) -> Result<Contents, Error> {
    let contents = Contents::list(location).await?;
    let occupied =
        |message: String| Err(Error::new(ErrorKind::Conflict, format!("starting a backup in {location}"), message));
    if contents.has_manifest {
        return occupied("there is a backup already; choose an empty location".into());
    }
    if contents.has_progress {
        return occupied("there is an unfinished backup; resume or discard it".into());
    }
    let segment = contents.segments.first().map(|(name, _)| name.to_string());
    if let Some(name) = contents.unexpected().map(str::to_owned).or(segment) {
        return occupied(format!("the location is not empty: it contains {name:?}"));
    }
    Ok(contents)
}

/// After an error, which may only mean that a reply was lost: the revision of the file if it has these bytes, else the error.
async fn revision_if_written(
    location: &BackupLocation,
    name: &str,
    bytes: &Bytes,
    error: Error,
) -> Result<Revision, Error> {
    if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) {
        return Err(error);
    }
    match location.read(name, bytes.len()).await {
        Ok((found, revision)) if found == *bytes => Ok(revision),
        Err(other) if !matches!(other.kind(), ErrorKind::TooLarge | ErrorKind::NotFound | ErrorKind::Conflict) => {
            Err(other)
        }
        _ => Err(error),
    }
}

/// Deletes files as they were listed. A file that was changed since belongs to a newer writer.
async fn delete_all(location: &BackupLocation, files: &[LocationEntry]) -> Result<(), Error> {
    for file in files {
        match &file.revision {
            Some(revision) => location.delete_if_unchanged(&file.name, revision).await?,
            None => location.delete(&file.name).await?,
        }
    }
    Ok(())
}

fn open(open: &mut Option<SegmentWriter>, kind: SegmentKind) -> Result<&mut SegmentWriter, Error> {
    match open {
        Some(writer) => Ok(writer),
        None => Ok(open.insert(SegmentWriter::new(kind).map_err(|error| not_compressed(&error))?)),
    }
}

fn encoded(text: Result<Vec<u8>, serde_json::Error>) -> Result<Bytes, Error> {
    text.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Internal, "writing a backup", error.to_string()))
}

fn not_compressed(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "compressing a segment", error.to_string())
}

fn not_added(id: &str, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidInput => ErrorKind::TooLarge,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("adding document {id:?}"), error.to_string())
}

fn taken_over(location: &BackupLocation) -> Error {
    let message = "another writer has taken over or finished the backup";
    Error::new(ErrorKind::PreconditionFailed, format!("writing the backup in {location}"), message)
}
