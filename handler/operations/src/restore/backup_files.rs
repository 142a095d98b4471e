//! The files that a restore from a backup reads: the segments of a full backup and the increments after it, or files that
//! other tools wrote.
//!
//! They are read page by page, several files side by side, from wherever an earlier runner came to. Of a chain of backups,
//! each document is met once, as the newest backup that has it says.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use changefeed_backup_format::{BackupLocation, BackupReader, Damage, JsonDocument, JsonFilesError, JsonFilesReader, Line, Manifest, ReadError, ResumePoint, SegmentReader, SegmentRecord, check_chain, verify_segment};
use changefeed_cosmos::{DocumentName, Error, Key, without_system_properties};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::last_words::{LastWords, Word};
use super::restores::Restores;
use crate::backup::{format_error, key_from_components};

/// Lines of the increments of a chain of backups: a restore holds sixteen bytes of each in memory.
const MAX_CHAIN_LINES: u64 = 5_000_000;
/// Bytes of documents of a backup after which a page of a restore is full.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Lines of a file of another tool that are checked in one go.
const CHECKED_LINES: usize = 10_000;

/// Segments that are read side by side.
const SEGMENTS_AT_ONCE: usize = 4;

/// What a restore reads.
pub(super) struct BackupFiles {
    files: Vec<File>,
    chain: Vec<Link>,
    /// What the increments decide.
    last_words: LastWords,
    /// Readers that stand where a page ended.
    open: Mutex<HashMap<usize, Open>>,
}

/// A backup of a chain.
struct Link {
    place: BackupLocation,
    manifest: Manifest,
}

enum File {
    Segment { link: usize, record: SegmentRecord },
    Foreign { above: BackupLocation, name: String },
}

struct Open {
    reader: FileReader,
    /// Lines given away.
    lines: u64,
}

/// Where a page of a file begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// Lines before it.
    lines: u64,
    /// The same, as a file of another tool is opened there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mark: Option<ResumePoint>,
}

enum FileReader {
    Segment(Box<SegmentReader>),
    Foreign(Box<JsonFilesReader>),
}

/// A line of a file.
pub(super) enum Content {
    Document(Value),
    Deletion(DocumentName),
}

/// Lines of a file, by their numbers.
pub(super) struct Lines {
    pub lines: Vec<(u64, Content)>,
    /// Where the next page starts; none at the end.
    pub next: Option<FilePosition>,
    pub processed: u64,
}

impl FilePosition {
    /// As it stands in a cursor; the start of the file where there is nothing.
    pub(super) fn of(continuation: Option<&str>) -> Result<Self, Error> {
        let Some(continuation) = continuation else { return Ok(Self::default()) };
        serde_json::from_str(continuation)
            .map_err(|error| Error::invalid("reading where a restore goes on", error.to_string()))
    }
}

impl fmt::Display for FilePosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

fn damaged(place: impl std::fmt::Display, error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("restoring from {place}"), error.to_string())
}

fn unread(place: &BackupLocation, error: ReadError) -> Error {
    match error {
        ReadError::Damage(damage) => damaged(place, damage),
        ReadError::Location(error) => format_error(error),
    }
}

impl BackupFiles {
    /// Finds the files in these places: a full backup and its increments in order; or files of other tools, in one place.
    ///
    /// # Errors
    /// When there is no backup, it is not whole, or the chain has a gap.
    pub(super) async fn find(restores: &Restores, places: &[String]) -> Result<Self, Error> {
        let mut chain = Vec::new();
        let mut backups = Vec::new();
        for name in places {
            let place = restores.places.open(name).map_err(format_error)?;
            if places.len() == 1 && place.as_file().await.map_err(format_error)?.is_some() {
                return Self::foreign(place).await;
            }
            match BackupReader::open(place.clone()).await {
                Ok(reader) => {
                    backups.push((reader.manifest().clone(), reader.digest()));
                    chain.push(Link { place, manifest: reader.manifest().clone() });
                }
                Err(ReadError::Damage(Damage::NoManifest)) if places.len() == 1 => return Self::foreign(place).await,
                Err(error) => return Err(unread(&place, error)),
            }
        }
        check_chain(&backups).map_err(|message| Error::invalid("restoring from backups", message))?;
        let segments = chain.iter().enumerate().flat_map(|(link, Link { manifest, .. })| {
            manifest.segments.iter().map(move |record| File::Segment { link, record: record.clone() })
        });
        Ok(Self { files: segments.collect(), chain, last_words: LastWords::default(), open: Mutex::default() })
    }

    async fn foreign(place: BackupLocation) -> Result<Self, Error> {
        let reader = JsonFilesReader::open(place.clone()).await.map_err(|error| match error {
            JsonFilesError::NoFiles { .. } => damaged(&place, format!("there is no backup: no manifest.json; {error}")),
            JsonFilesError::Location(error) => format_error(error),
            JsonFilesError::Content { .. } => damaged(&place, error),
        })?;
        let above = place.as_file().await.map_err(format_error)?.map_or(place, |(above, _)| above);
        let files = reader.files().map(|name| File::Foreign { above: above.clone(), name: name.to_owned() });
        Ok(Self { files: files.collect(), chain: Vec::new(), last_words: LastWords::default(), open: Mutex::default() })
    }

    /// Checks that they go with a container of these key paths.
    pub(super) fn check_target(&self, key_paths: &[String], deletes: bool) -> Result<(), Error> {
        let refused = |message: String| Err(Error::invalid("restoring from a backup", message));
        let Some(Link { manifest, .. }) = self.chain.first() else {
            return if deletes {
                refused("deleteCreatedAfter goes with incremental backups, which say what was deleted".into())
            } else {
                Ok(())
            };
        };
        let backup = &manifest.backup;
        if backup.source.partition_key_paths != key_paths {
            let paths = backup.source.partition_key_paths.join(", ");
            return refused(format!("its partition key is {paths}; that of the container is {}", key_paths.join(", ")));
        }
        if deletes && !backup.filter.is_empty() {
            // A deletion there may be a document that only meets the conditions no more.
            return refused("deleteCreatedAfter does not go with a backup that has a filter".into());
        }
        Ok(())
    }

    /// Reads what the increments decide. Needed before lines are read.
    pub(super) async fn decide(&mut self) -> Result<(), Error> {
        let lines: u64 = self.chain.iter().skip(1).map(|link| link.manifest.documents + link.manifest.deletions).sum();
        if lines > MAX_CHAIN_LINES {
            let message =
                format!("the increments have {lines} lines; allowed are {MAX_CHAIN_LINES}: make a full backup");
            return Err(Error::invalid("restoring from backups", message));
        }
        let mut words = LastWords::of_at_most(lines);
        for (number, link) in self.chain.iter().enumerate().skip(1) {
            let reader = BackupReader::open(link.place.clone()).await;
            let mut reader = reader.map_err(|error| unread(&link.place, error))?;
            while let Some(line) = reader.next().await.map_err(|error| unread(&link.place, error))? {
                words.add(link.word(number, &line)?);
            }
        }
        self.last_words = words.sorted();
        Ok(())
    }

    /// How many files to read side by side. A segment is held in memory; and of files of other tools the later one, by name,
    /// has the last word on a document that is in both.
    pub(super) fn at_once(&self) -> usize {
        if self.chain.is_empty() { 1 } else { SEGMENTS_AT_ONCE }
    }

    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// How many lines there are, where that is known.
    pub(super) fn total(&self) -> Option<u64> {
        let lines = self.chain.iter().map(|link| link.manifest.documents + link.manifest.deletions).sum();
        (!self.chain.is_empty()).then_some(lines)
    }

    /// The name of a file, and the number of its backup in the chain.
    pub(super) fn name(&self, file: usize) -> (Option<usize>, String) {
        match self.files.get(file) {
            Some(File::Segment { link, record }) => {
                (Some(*link).filter(|_| self.chain.len() > 1), record.name.to_string())
            }
            Some(File::Foreign { name, .. }) => (None, name.clone()),
            None => (None, String::new()),
        }
    }

    /// Reads a file, or a good piece of a long one, to find damage before anything is written. Where to go on.
    pub(super) async fn check(&self, file: usize, from: FilePosition) -> Result<Option<FilePosition>, Error> {
        match self.files.get(file) {
            Some(File::Segment { link, record }) => {
                let place = &self.chain[*link].place;
                let found = verify_segment(place, record.clone()).await.map_err(format_error)?;
                found.damages.first().map_or(Ok(None), |damage| Err(damaged(place, damage)))
            }
            Some(File::Foreign { above, .. }) => {
                let mut open = self.take(file, from).await?;
                for _ in 0..CHECKED_LINES {
                    if open.reader.next(above).await?.is_none() {
                        return Ok(None);
                    }
                    open.lines += 1;
                }
                Ok(Some(self.leave(file, open)))
            }
            None => Ok(None),
        }
    }

    /// Lines of a file from `from` on: so many, or those before `until`.
    pub(super) async fn lines(
        &self,
        file: usize,
        from: FilePosition,
        most: usize,
        until: Option<Option<FilePosition>>,
    ) -> Result<Lines, Error> {
        let place = match self.files.get(file) {
            Some(File::Segment { link, .. }) => &self.chain[*link].place,
            Some(File::Foreign { above, .. }) => above,
            None => return Ok(Lines { lines: Vec::new(), next: None, processed: 0 }),
        };
        let first = from.lines;
        let mut open = self.take(file, from).await?;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let is_full = match &until {
                Some(until) => until.as_ref().is_some_and(|until| open.lines >= until.lines),
                None => open.lines - first >= most as u64 || bytes >= PAGE_BYTES,
            };
            let processed = open.lines - first;
            if is_full {
                return Ok(Lines { lines, next: Some(self.leave(file, open)), processed });
            }
            let Some(line) = open.reader.next(place).await? else {
                return Ok(Lines { lines, next: None, processed });
            };
            open.lines += 1;
            let content = match line {
                Read::Line(line) if self.is_superseded(file, &line)? => continue,
                Read::Line(Line::Document(document)) => Content::Document(document.into_body()),
                Read::Line(Line::Deletion(gone)) => {
                    let partition_key = key_from_components(gone.partition_key)?;
                    Content::Deletion(DocumentName { id: gone.id, partition_key })
                }
                Read::Foreign(document) => Content::Document(without_system_properties(document)),
            };
            if let Content::Document(body) = &content {
                bytes += body.to_string().len();
            }
            lines.push((open.lines, content));
        }
    }

    /// A reader that stands there: the one that was left, or another.
    async fn take(&self, file: usize, from: FilePosition) -> Result<Open, Error> {
        let left = self.open().remove(&file).filter(|open| open.lines == from.lines);
        match left {
            Some(open) => Ok(open),
            None => self.open_file(file, from).await,
        }
    }

    /// Leaves a reader for the next page; where it stands.
    fn leave(&self, file: usize, open: Open) -> FilePosition {
        let mark = match &open.reader {
            FileReader::Segment(_) => None,
            FileReader::Foreign(reader) => reader.resume_point(),
        };
        let position = FilePosition { lines: open.lines, mark };
        self.open().insert(file, open);
        position
    }

    async fn open_file(&self, file: usize, from: FilePosition) -> Result<Open, Error> {
        match self.files.get(file) {
            Some(File::Segment { link, record }) => {
                let place = &self.chain[*link].place;
                let reader = SegmentReader::open(place, record.clone()).await;
                let mut reader = reader.map_err(|error| unread(place, error))?;
                let mut lines = 0;
                while lines < from.lines && reader.next().map_err(|damage| damaged(place, damage))?.is_some() {
                    lines += 1;
                }
                Ok(Open { reader: FileReader::Segment(Box::new(reader)), lines })
            }
            Some(File::Foreign { above, name }) => {
                let reader = match &from.mark {
                    Some(mark) => JsonFilesReader::resume(above.clone(), name.clone(), mark).await,
                    None => JsonFilesReader::open(above.child(name).map_err(format_error)?).await,
                };
                let reader = Box::new(reader.map_err(|error| wrong(above, error))?);
                Ok(Open { reader: FileReader::Foreign(reader), lines: from.lines })
            }
            None => Err(Error::invalid("restoring from a backup", "it has no such file")),
        }
    }

    /// Whether a later line of the chain says what becomes of the document.
    fn is_superseded(&self, file: usize, line: &Line) -> Result<bool, Error> {
        let Some(File::Segment { link, .. }) = self.files.get(file) else { return Ok(false) };
        if self.last_words.is_empty() {
            return Ok(false);
        }
        Ok(self.last_words.supersede(self.chain[*link].word(*link, line)?))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<usize, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// What a line of this backup, of this number in the chain, says.
    fn word(&self, number: usize, line: &Line) -> Result<Word, Error> {
        Ok(match line {
            Line::Document(document) => {
                let key = Key::of(document.value(), &self.manifest.backup.source.partition_key_paths)?;
                Word::of(number, true, document.id(), &key)
            }
            Line::Deletion(gone) => {
                Word::of(number, false, &gone.id, &key_from_components(gone.partition_key.clone())?)
            }
        })
    }
}

/// A line as its file has it.
enum Read {
    Line(Line),
    Foreign(Value),
}

impl FileReader {
    async fn next(&mut self, place: &BackupLocation) -> Result<Option<Read>, Error> {
        match self {
            Self::Segment(reader) => {
                reader.next().map(|line| line.map(Read::Line)).map_err(|damage| damaged(place, damage))
            }
            Self::Foreign(reader) => {
                let document = reader.next().await.map_err(|error| wrong(place, error))?;
                Ok(document.map(|JsonDocument { document, .. }| Read::Foreign(document)))
            }
        }
    }
}

fn wrong(place: &BackupLocation, error: JsonFilesError) -> Error {
    match error {
        JsonFilesError::Location(error) => format_error(error),
        other => damaged(place, other),
    }
}
