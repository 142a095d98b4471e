//! Writes a backup, in as many turns as it takes.
//!
//! Segments first, then `progress.json` that names them together with the cursor from which to read on, and at the very end
//! `manifest.json`. A writer may die at any instant: the next one finds the last progress, deletes segments that it does
//! not name, and reads on from its cursor.
//!
//! A writer that was thought dead may still live. It can then still make a segment, which is why segments are only ever
//! created, and what stands under a name is looked at when that fails; but it cannot record one, for `progress.json` is
//! replaced only as the one that the writer saw, and the next writer begins with replacing it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::contents::Contents;
use super::deletion::Deletion;
use super::document::BackupDocument;
use super::manifest::{BackupHeader, MANIFEST, Manifest};
use super::place::{Entry, Place, Revision};
use super::progress::{PROGRESS, Progress};
use super::segment::{SegmentKind, SegmentRecord};
use super::segment_name::SegmentName;
use super::segment_writer::SegmentWriter;
use crate::cosmos::{Error, ErrorKind};
use crate::limits::{MAX_MANIFEST_BYTES, MAX_SEGMENT_BYTES};

/// A backup that is being written.
pub struct BackupWriter {
    place: Place,
    progress: Progress,
    revision: Revision,
    /// Written, and not yet in `progress.json`.
    unrecorded: Vec<SegmentRecord>,
    documents: Option<SegmentWriter>,
    deletions: Option<SegmentWriter>,
    /// A write has failed, or was abandoned: what was pushed is lost, and no later cursor may be recorded.
    broken: bool,
}

/// What was found where a backup was to be continued.
pub enum Resumed {
    /// It goes on.
    Unfinished(Box<BackupWriter>),
    /// It is whole already.
    Finished(Box<Manifest>),
}

impl BackupWriter {
    /// Begins a backup in a place where there is nothing.
    ///
    /// # Errors
    /// `Conflict` when there is something, which the message names.
    pub async fn create(place: Place, header: BackupHeader) -> Result<Self, Error> {
        let contents = check_empty(&place).await?;
        delete_all(&place, &contents.temporary).await?;
        let progress = Progress::new(header);
        let text = encoded(progress.encode())?;
        let revision = match place.create(PROGRESS, text.clone()).await {
            Ok(revision) => revision,
            Err(error) => own(&place, PROGRESS, &text, error).await?,
        };
        Ok(Self::new(place, progress, revision))
    }

    fn new(place: Place, progress: Progress, revision: Revision) -> Self {
        Self { place, progress, revision, unrecorded: Vec::new(), documents: None, deletions: None, broken: false }
    }

    /// Goes on with a backup, alone: a former writer cannot finish it any more.
    ///
    /// # Errors
    /// When there is none, or what is there was not left by a writer.
    pub async fn resume(place: Place) -> Result<Resumed, Error> {
        let action = || format!("continuing the backup in {place}");
        let contents = Contents::list(&place).await?;
        if contents.has_manifest {
            let (text, _) = place.read(MANIFEST, MAX_MANIFEST_BYTES).await?;
            let decoded = Manifest::decode(&text);
            let (manifest, _) = decoded.map_err(|damage| Error::invalid(action(), damage.to_string()))?;
            place.delete(PROGRESS).await?;
            return Ok(Resumed::Finished(Box::new(manifest)));
        }
        if !contents.has_progress {
            return Err(Error::new(ErrorKind::NotFound, action(), "there is no unfinished backup"));
        }
        if let Some(name) = contents.stranger() {
            return Err(Error::new(ErrorKind::Conflict, action(), format!("{name:?} does not belong to it")));
        }
        let (text, revision) = place.read(PROGRESS, MAX_MANIFEST_BYTES).await?;
        let progress = Progress::decode(&text);
        let progress = progress.map_err(|message| Error::invalid(action(), format!("{PROGRESS}: {message}")))?;
        for record in &progress.segments {
            let file = contents.segments.iter().find(|(name, _)| *name == record.name);
            if file.is_none_or(|(_, file)| file.size != record.compressed_bytes) {
                let message = format!("{} is missing, or has not {} bytes", record.name, record.compressed_bytes);
                return Err(Error::invalid(action(), message));
            }
        }
        let mut writer = Self::new(place, progress.taken_over(), revision);
        writer.record().await?;
        writer.clean(contents).await?;
        Ok(Resumed::Unfinished(Box::new(writer)))
    }

    /// Deletes an unfinished backup.
    ///
    /// # Errors
    /// `Conflict` when it is finished.
    pub async fn discard(place: &Place) -> Result<(), Error> {
        let contents = Contents::list(place).await?;
        if contents.has_manifest {
            let action = format!("discarding the unfinished backup in {place}");
            return Err(Error::new(ErrorKind::Conflict, action, "it is finished"));
        }
        if contents.has_progress {
            let segments: Vec<Entry> = contents.segments.into_iter().map(|(_, file)| file).collect();
            delete_all(place, &segments).await?;
        }
        delete_all(place, &contents.temporary).await?;
        place.delete(PROGRESS).await
    }

    /// What is being written.
    pub fn header(&self) -> &BackupHeader {
        &self.progress.backup
    }

    /// Where to read on: what was last recorded, or `null`.
    pub fn cursor(&self) -> &Value {
        &self.progress.cursor
    }

    /// The segments written for good.
    pub fn segments(&self) -> &[SegmentRecord] {
        &self.progress.segments
    }

    /// Adds a document.
    ///
    /// # Errors
    /// When a segment was full and cannot be written; `TooLarge` when the document is longer than any can be.
    pub async fn push(&mut self, document: &BackupDocument) -> Result<(), Error> {
        self.check()?;
        let line = document.encode();
        let writer = opened(&mut self.documents, SegmentKind::Documents)?;
        writer.push(&line).map_err(|error| refused(document.id(), &error))?;
        if writer.is_full() {
            self.cut(SegmentKind::Documents).await?;
        }
        Ok(())
    }

    /// Adds a document that is gone. Only an incremental backup has such.
    ///
    /// # Errors
    /// As [`BackupWriter::push`].
    pub async fn push_deletion(&mut self, deletion: &Deletion) -> Result<(), Error> {
        self.check()?;
        if self.progress.backup.incremental_from.is_none() {
            return Err(Error::invalid("writing a deletion", "the backup continues no other"));
        }
        let line = deletion.encode().map_err(|error| Error::invalid("writing a deletion", error.to_string()))?;
        let writer = opened(&mut self.deletions, SegmentKind::Deletions)?;
        writer.push(&line).map_err(|error| refused(&deletion.id, &error))?;
        if writer.is_full() {
            self.cut(SegmentKind::Deletions).await?;
        }
        Ok(())
    }

    /// Says that everything before this cursor has been pushed. It is recorded if a segment was cut since the last time;
    /// else it is not worth a small segment, and what is recorded is an earlier cursor.
    ///
    /// # Errors
    /// When it cannot be written; `PreconditionFailed` when another writer has gone on with the backup.
    pub async fn mark(&mut self, cursor: Value) -> Result<(), Error> {
        if self.unrecorded.is_empty() { Ok(()) } else { self.suspend(cursor).await }
    }

    /// Says the same, and records it in any case: this writer, or the next one, goes on from here.
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

    /// Makes the backup whole: everything has been pushed, and from this cursor on there is nothing.
    ///
    /// # Errors
    /// When it cannot be written; `PreconditionFailed` when another writer has gone on with the backup.
    pub async fn finish(mut self, end: Value, created_at: DateTime<Utc>) -> Result<Manifest, Error> {
        self.suspend(end).await?;
        let contents = Contents::list(&self.place).await?;
        self.check_alone().await?;
        self.clean(contents).await?;
        let manifest = Manifest::new(self.progress.backup, created_at.into(), self.progress.segments);
        let text = encoded(manifest.encode().map(|(text, _)| text))?;
        if let Err(error) = self.place.create(MANIFEST, text.clone()).await {
            own(&self.place, MANIFEST, &text, error).await?;
        }
        self.place.delete(PROGRESS).await?;
        Ok(manifest)
    }

    /// Deletes what former writers left.
    async fn clean(&self, contents: Contents) -> Result<(), Error> {
        let first = SegmentName::numbered(self.progress.segments.len());
        let left_over = contents.segments.into_iter().filter(|(name, _)| first.is_some_and(|first| *name >= first));
        let left_over: Vec<Entry> = left_over.map(|(_, file)| file).collect();
        delete_all(&self.place, &left_over).await?;
        delete_all(&self.place, &contents.temporary).await
    }

    /// Writes what is open of a kind.
    async fn cut(&mut self, kind: SegmentKind) -> Result<(), Error> {
        self.check()?;
        let open = match kind {
            SegmentKind::Documents => &mut self.documents,
            SegmentKind::Deletions => &mut self.deletions,
        };
        let Some(writer) = open.take().filter(|writer| !writer.is_empty()) else { return Ok(()) };
        self.broken = true;
        let number = self.progress.segments.len() + self.unrecorded.len();
        let name = SegmentName::numbered(number)
            .ok_or_else(|| Error::invalid(format!("writing the backup in {}", self.place), "too many segments"))?;
        let (record, file) = writer.finish(name).map_err(|error| packing(&error))?;
        self.write(&record, file).await?;
        self.unrecorded.push(record);
        self.broken = false;
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        if self.broken {
            let message = "a write has failed: go on with another writer";
            return Err(Error::new(ErrorKind::Unavailable, format!("writing the backup in {}", self.place), message));
        }
        Ok(())
    }

    async fn write(&self, record: &SegmentRecord, file: Bytes) -> Result<(), Error> {
        let name = record.name.to_string();
        let Err(error) = self.place.create(&name, file.clone()).await else { return Ok(()) };
        if error.kind() != ErrorKind::Conflict {
            return Err(error);
        }
        let (found, revision) = self.place.read(&name, MAX_SEGMENT_BYTES).await?;
        if found == file {
            return Ok(());
        }
        // Left by a former writer, if this one still is the writer.
        self.check_alone().await?;
        self.place.delete_seen(&name, &revision).await?;
        self.place.create(&name, file).await.map(|_| ())
    }

    /// Whether no other writer has gone on: what is older than this look is no newer writer's.
    async fn check_alone(&self) -> Result<(), Error> {
        match self.place.read(PROGRESS, MAX_MANIFEST_BYTES).await {
            Ok((text, _)) if Progress::decode(&text).is_ok_and(|found| found.writer == self.progress.writer) => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Err(overtaken(&self.place)),
        }
    }

    async fn record(&mut self) -> Result<(), Error> {
        let text = encoded(self.progress.encode())?;
        self.revision = match self.place.replace(PROGRESS, text.clone(), &self.revision).await {
            Ok(revision) => revision,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                own(&self.place, PROGRESS, &text, overtaken(&self.place)).await?
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// Looks whether a backup can begin in a place.
///
/// # Errors
/// `Conflict` when there is something, which the message names.
pub async fn check_empty(place: &Place) -> Result<Contents, Error> {
    let contents = Contents::list(place).await?;
    let occupied =
        |message: String| Err(Error::new(ErrorKind::Conflict, format!("beginning a backup in {place}"), message));
    if contents.has_manifest {
        return occupied("there is a backup already".into());
    }
    if contents.has_progress {
        return occupied("there is an unfinished backup: continue it, or discard it".into());
    }
    let segment = contents.segments.first().map(|(name, _)| name.to_string());
    if let Some(name) = contents.stranger().map(str::to_owned).or(segment) {
        return occupied(format!("it is not empty: {name:?} is there"));
    }
    Ok(contents)
}

/// After a failure that may be a lost reply: whether the file is what was to be written.
async fn own(place: &Place, name: &str, bytes: &Bytes, error: Error) -> Result<Revision, Error> {
    if !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) {
        return Err(error);
    }
    match place.read(name, bytes.len()).await {
        Ok((found, revision)) if found == *bytes => Ok(revision),
        Err(other) if !matches!(other.kind(), ErrorKind::TooLarge | ErrorKind::NotFound | ErrorKind::Conflict) => {
            Err(other)
        }
        _ => Err(error),
    }
}

/// Deletes files as they were listed. One that is another one by now is a newer writer's.
async fn delete_all(place: &Place, files: &[Entry]) -> Result<(), Error> {
    for file in files {
        match &file.revision {
            Some(revision) => place.delete_seen(&file.name, revision).await?,
            None => place.delete(&file.name).await?,
        }
    }
    Ok(())
}

fn opened(open: &mut Option<SegmentWriter>, kind: SegmentKind) -> Result<&mut SegmentWriter, Error> {
    match open {
        Some(writer) => Ok(writer),
        None => Ok(open.insert(SegmentWriter::new(kind).map_err(|error| packing(&error))?)),
    }
}

fn encoded(text: Result<Vec<u8>, serde_json::Error>) -> Result<Bytes, Error> {
    text.map(Bytes::from).map_err(|error| Error::invalid("writing a backup", error.to_string()))
}

fn packing(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "packing a segment", error.to_string())
}

fn refused(id: &str, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::InvalidInput => ErrorKind::TooLarge,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("packing document {id:?}"), error.to_string())
}

fn overtaken(place: &Place) -> Error {
    let message = "another writer has gone on with it, or finished it";
    Error::new(ErrorKind::PreconditionFailed, format!("writing the backup in {place}"), message)
}
