//! The files that a restore from a backup reads: the segments of a full backup and of its increments, or JSON files of other
//! tools.
//!
//! They are read page by page, several files concurrently, from the position of an earlier slice. Of a chain of backups, each
//! document is read once, from the latest backup that has it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use changefeed_backup_format::{
    BackupLocation, BackupReader, Damage, JsonDocument, JsonFilesError, JsonFilesReader, Line, LocationAccess,
    Manifest, ReadError, ResumePoint, SegmentReader, SegmentRecord, check_chain, verify_segment,
};
use changefeed_cosmos::{DocumentName, Error, Key, KeyPath, display_key_paths, without_system_properties};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::latest_entries::{Entry, LatestEntries};
use super::planned_item::BackupLine;
use crate::backup::{damage_error, format_error, key_from_components, read_error};

/// The most lines of the increments of a chain: a restore has sixteen bytes of each in memory.
const MAX_CHAIN_LINES: u64 = 5_000_000;
/// Bytes of documents after which a page is full.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Lines of a JSON file that are checked in one step.
const CHECKED_LINES: usize = 10_000;
/// Segments that are read concurrently.
const CONCURRENT_SEGMENTS: usize = 4;

/// The bodies of documents of backups, by their lines.
pub(super) type Bodies = HashMap<BackupLine, Value>;

/// The files of a restore.
pub(super) struct BackupFiles {
    files: Vec<File>,
    chain: Vec<Link>,
    /// The entries of the increments.
    latest_entries: LatestEntries,
    /// Readers that are positioned where a page ended.
    open: Mutex<HashMap<usize, OpenFile>>,
}

/// A backup of a chain.
struct Link {
    location: BackupLocation,
    manifest: Manifest,
    /// The paths of the partition key in the manifest.
    key_paths: Vec<KeyPath>,
}

enum File {
    Segment {
        link: usize,
        record: SegmentRecord,
        /// The rank of its first line: see [`Entry::of`]. None in the full backup.
        first_rank: Option<u32>,
    },
    /// A JSON file of another tool.
    Json { folder: BackupLocation, name: String },
}

struct OpenFile {
    reader: FileReader,
    /// Lines that were read.
    lines: u64,
}

/// The position in a file at which a page begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// The number of lines before it.
    lines: u64,
    /// The position at which a JSON file is reopened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mark: Option<ResumePoint>,
}

enum FileReader {
    Segment(Box<SegmentReader>),
    Json(Box<JsonFilesReader>),
}

/// The content of a line.
pub(super) enum LineContent {
    Document(Value),
    Deletion(DocumentName),
}

/// A page of lines, with their numbers.
pub(super) struct Lines {
    pub lines: Vec<(u64, LineContent)>,
    /// Where the next page starts; `None` at the end of the file.
    pub next: Option<FilePosition>,
    /// Lines that were read.
    pub processed: u64,
}

impl FilePosition {
    /// Parses the continuation of a part; without one, the position is the start of the file.
    pub(super) fn parse(continuation: Option<&str>) -> Result<Self, Error> {
        let Some(continuation) = continuation else { return Ok(Self::default()) };
        serde_json::from_str(continuation)
            .map_err(|error| Error::corrupt(format!("reading the position {continuation:?} in a backup file"), error))
    }
}

impl fmt::Display for FilePosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// The action of errors. They name the location after it.
const ACTION: &str = "reading the backup";

impl BackupFiles {
    /// Whether documents can be on several lines: in JSON files of another tool, of which the later one counts.
    pub(super) fn may_repeat_documents(&self) -> bool {
        self.files.iter().any(|file| matches!(file, File::Json { .. }))
    }

    /// Finds the files in these locations: a full backup and its increments in order, or JSON files in one location.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](changefeed_cosmos::ErrorKind::Invalid) when there is no finished backup, or the chain has a gap;
    /// [`ErrorKind::Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when a manifest is damaged; and when a location cannot be
    /// read.
    pub(super) async fn find(access: &LocationAccess, locations: &[String]) -> Result<Self, Error> {
        let mut chain = Vec::new();
        let mut backups = Vec::new();
        for name in locations {
            let location = access.open(name).map_err(format_error)?;
            if locations.len() == 1 && location.as_file().await.map_err(format_error)?.is_some() {
                return Self::find_json(location).await;
            }
            match BackupReader::open(location.clone()).await {
                Ok(reader) => {
                    backups.push((reader.manifest().clone(), reader.digest()));
                    chain.push(Link::new(location, reader.manifest().clone())?);
                }
                Err(ReadError::Damage(Damage::NoManifest)) if locations.len() == 1 => {
                    return Self::find_json(location).await;
                }
                Err(error) => return Err(read_error(&location, ACTION, error)),
            }
        }
        check_chain(&backups).map_err(|message| Error::invalid("restoring from backups", message))?;
        Ok(Self { files: segments(&chain), chain, latest_entries: LatestEntries::default(), open: Mutex::default() })
    }

    async fn find_json(location: BackupLocation) -> Result<Self, Error> {
        let reader = JsonFilesReader::open(location.clone()).await.map_err(|error| match error {
            JsonFilesError::NoFiles { .. } => {
                let message = format!("there is no backup: no manifest.json; {error}");
                Error::invalid(format!("{ACTION} in {location}"), message)
            }
            error => json_error(&location, error),
        })?;
        let folder = location.as_file().await.map_err(format_error)?.map_or(location, |(folder, _)| folder);
        let files = reader.files().map(|name| File::Json { folder: folder.clone(), name: name.to_owned() });
        Ok(Self {
            files: files.collect(),
            chain: Vec::new(),
            latest_entries: LatestEntries::default(),
            open: Mutex::default(),
        })
    }

    /// Checks that the backup can be restored into a container with these key paths.
    pub(super) fn check_target(&self, key_paths: &[KeyPath], delete_created_after: bool) -> Result<(), Error> {
        let refused = |message: String| Err(Error::invalid("restoring from a backup", message));
        let Some(link) = self.chain.first() else {
            return if delete_created_after {
                refused("deleteCreatedAfter needs incremental backups: JSON files do not contain deletions".into())
            } else {
                Ok(())
            };
        };
        let backup = &link.manifest.backup;
        if link.key_paths != key_paths {
            let (paths, expected) = (display_key_paths(&link.key_paths), display_key_paths(key_paths));
            return refused(format!("its partition key is {paths}; it must be that of the container, {expected}"));
        }
        if delete_created_after && !backup.filter.is_empty() {
            // A deletion there may be a document that exists and no longer meets the filter.
            return refused("deleteCreatedAfter cannot be used with a backup that has a filter".into());
        }
        Ok(())
    }

    /// Says that a document has a deletion in the backup.
    pub(super) fn absent_message(&self) -> &'static str {
        if self.chain.iter().any(|link| !link.manifest.backup.filter.is_empty()) {
            "it did not exist, or did not meet the filter of the backup, at the time of the backup"
        } else {
            "it did not exist at the time of the backup"
        }
    }

    /// Reads the entries of the increments. Must be called before lines are read.
    pub(super) async fn read_increments(&mut self) -> Result<(), Error> {
        let lines: u64 = self.chain.iter().skip(1).map(|link| link.manifest.documents + link.manifest.deletions).sum();
        if lines > MAX_CHAIN_LINES {
            let message =
                format!("the increments have {lines} lines; allowed are {MAX_CHAIN_LINES}: create a full backup");
            return Err(Error::invalid("restoring from backups", message));
        }
        let mut entries = Vec::with_capacity(lines as usize);
        let mut rank = 0;
        for link in self.chain.iter().skip(1) {
            let reader = BackupReader::open(link.location.clone()).await;
            let mut reader = reader.map_err(|error| read_error(&link.location, ACTION, error))?;
            while let Some(line) = reader.next().await.map_err(|error| read_error(&link.location, ACTION, error))? {
                rank += 1;
                entries.push(link.entry(rank, &line)?);
            }
        }
        self.latest_entries = LatestEntries::of(entries);
        Ok(())
    }

    /// How many files may be read concurrently. Segments are held in memory. JSON files are read in the order of their names,
    /// because the later file counts if a document is in both.
    pub(super) fn concurrent_files(&self) -> usize {
        if self.chain.is_empty() { 1 } else { CONCURRENT_SEGMENTS }
    }

    /// The number of files.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// The number of lines, if it is known.
    pub(super) fn total(&self) -> Option<u64> {
        let lines = self.chain.iter().map(|link| link.manifest.documents + link.manifest.deletions).sum();
        (!self.chain.is_empty()).then_some(lines)
    }

    /// The name of a file, and the number of its backup if the chain has several.
    pub(super) fn name(&self, file: usize) -> (Option<usize>, String) {
        match self.files.get(file) {
            Some(File::Segment { link, record, .. }) => {
                (Some(*link).filter(|_| self.chain.len() > 1), record.name.to_string())
            }
            Some(File::Json { name, .. }) => (None, name.clone()),
            None => (None, String::new()),
        }
    }

    /// Reads a file, or a part of a JSON file, to find damage before anything is written. Returns where to continue.
    pub(super) async fn check(&self, file: usize, from: FilePosition) -> Result<Option<FilePosition>, Error> {
        match self.files.get(file) {
            Some(File::Segment { link, record, .. }) => {
                let location = self.location(*link)?;
                let found = verify_segment(location, record.clone()).await.map_err(format_error)?;
                found.damages.first().map_or(Ok(None), |damage| Err(damage_error(location, ACTION, damage)))
            }
            Some(File::Json { folder, .. }) => {
                let mut open = self.take(file, from).await?;
                for _ in 0..CHECKED_LINES {
                    if open.reader.next(folder).await?.is_none() {
                        return Ok(None);
                    }
                    open.lines += 1;
                }
                Ok(Some(self.leave(file, open)))
            }
            None => Ok(None),
        }
    }

    /// Reads lines of a file from `from` on: at most `max_lines`, or those before `until`, whose inner `None` is the end of the
    /// file.
    pub(super) async fn lines(
        &self,
        file: usize,
        from: FilePosition,
        max_lines: usize,
        until: Option<Option<FilePosition>>,
    ) -> Result<Lines, Error> {
        let location = match self.files.get(file) {
            Some(File::Segment { link, .. }) => self.location(*link)?,
            Some(File::Json { folder, .. }) => folder,
            None => return Ok(Lines { lines: Vec::new(), next: None, processed: 0 }),
        };
        let first = from.lines;
        let mut open = self.take(file, from).await?;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let is_full = match &until {
                Some(until) => until.as_ref().is_some_and(|until| open.lines >= until.lines),
                None => open.lines - first >= max_lines as u64 || bytes >= PAGE_BYTES,
            };
            let processed = open.lines - first;
            if is_full {
                return Ok(Lines { lines, next: Some(self.leave(file, open)), processed });
            }
            let Some(line) = open.reader.next(location).await? else {
                return Ok(Lines { lines, next: None, processed });
            };
            open.lines += 1;
            let content = match line {
                FileLine::Segment(line) if self.is_superseded(file, &line, open.lines)? => continue,
                FileLine::Segment(Line::Document(document)) => LineContent::Document(document.into_body()),
                FileLine::Segment(Line::Deletion(deletion)) => {
                    let partition_key = key_from_components(deletion.partition_key)?;
                    LineContent::Deletion(DocumentName { id: deletion.id, partition_key })
                }
                FileLine::Json(document) => LineContent::Document(without_system_properties(document)),
            };
            if let LineContent::Document(body) = &content {
                bytes += body.to_string().len();
            }
            lines.push((open.lines, content));
        }
    }

    /// A reader at this position: the one that [`Self::leave`] stored, or a new one.
    async fn take(&self, file: usize, from: FilePosition) -> Result<OpenFile, Error> {
        let stored = self.open().remove(&file).filter(|open| open.lines == from.lines);
        match stored {
            Some(open) => Ok(open),
            None => self.open_file(file, from).await,
        }
    }

    /// Stores a reader for the next page. Returns its position.
    fn leave(&self, file: usize, open: OpenFile) -> FilePosition {
        let mark = match &open.reader {
            FileReader::Segment(_) => None,
            FileReader::Json(reader) => reader.resume_point(),
        };
        let position = FilePosition { lines: open.lines, mark };
        self.open().insert(file, open);
        position
    }

    async fn open_file(&self, file: usize, from: FilePosition) -> Result<OpenFile, Error> {
        match self.files.get(file) {
            Some(File::Segment { link, record, .. }) => {
                let location = self.location(*link)?;
                let reader = SegmentReader::open(location, record.clone()).await;
                let mut reader = reader.map_err(|error| read_error(location, ACTION, error))?;
                let mut lines = 0;
                let damaged = |damage| damage_error(location, ACTION, &damage);
                while lines < from.lines && reader.next().map_err(damaged)?.is_some() {
                    lines += 1;
                }
                Ok(OpenFile { reader: FileReader::Segment(Box::new(reader)), lines })
            }
            Some(File::Json { folder, name }) => {
                let reader = match &from.mark {
                    Some(mark) => JsonFilesReader::resume(folder.clone(), name.clone(), mark).await,
                    None => JsonFilesReader::open(folder.child(name).map_err(format_error)?).await,
                };
                let reader = Box::new(reader.map_err(|error| json_error(folder, error))?);
                Ok(OpenFile { reader: FileReader::Json(reader), lines: from.lines })
            }
            None => {
                let message = format!("the job is at file {file}, and the backup has {} files", self.files.len());
                Err(Error::corrupt(ACTION, message))
            }
        }
    }

    /// Whether a later line of the chain is about the same document. `number` is that of the line in its file, from 1 on.
    fn is_superseded(&self, file: usize, line: &Line, number: u64) -> Result<bool, Error> {
        let Some(File::Segment { link, first_rank, .. }) = self.files.get(file) else { return Ok(false) };
        if self.latest_entries.is_empty() {
            return Ok(false);
        }
        let rank = first_rank.map_or(0, |first| first.saturating_add((number - 1) as u32));
        Ok(self.latest_entries.supersede(self.link(*link)?.entry(rank, line)?))
    }

    fn link(&self, number: usize) -> Result<&Link, Error> {
        let missing = || Error::internal(ACTION, format!("the chain has no backup {number}"));
        self.chain.get(number).ok_or_else(missing)
    }

    fn location(&self, link: usize) -> Result<&BackupLocation, Error> {
        self.link(link).map(|link| &link.location)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<usize, OpenFile>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn new(location: BackupLocation, manifest: Manifest) -> Result<Self, Error> {
        let paths = manifest.backup.source.partition_key_paths.iter().map(|path| path.parse());
        let key_paths = paths.collect::<Result<Vec<KeyPath>, String>>();
        let key_paths = key_paths.map_err(|message| Error::corrupt(format!("{ACTION} in {location}"), message))?;
        Ok(Self { location, manifest, key_paths })
    }

    /// The entry of a line of this backup: see [`Entry::of`].
    fn entry(&self, rank: u32, line: &Line) -> Result<Entry, Error> {
        Ok(match line {
            Line::Document(document) => {
                let key = Key::of(document.value(), &self.key_paths)?;
                Entry::of(rank, document.id(), &key)
            }
            Line::Deletion(deletion) => {
                Entry::of(rank, &deletion.id, &key_from_components(deletion.partition_key.clone())?)
            }
        })
    }
}

/// The segments of a chain, in the order of the manifests. Ranks follow the order of reading: in each increment, deletions come first.
fn segments(chain: &[Link]) -> Vec<File> {
    let mut files = Vec::new();
    let mut rank: u32 = 1;
    for (link, Link { manifest, .. }) in chain.iter().enumerate() {
        let mut first_ranks = HashMap::new();
        for record in manifest.segments_in_order().into_iter().filter(|_| link > 0) {
            first_ranks.insert(record.name, rank);
            rank = rank.saturating_add(u32::try_from(record.count).unwrap_or(u32::MAX));
        }
        files.extend(manifest.segments.iter().map(|record| File::Segment {
            link,
            record: record.clone(),
            first_rank: first_ranks.get(&record.name).copied(),
        }));
    }
    files
}

/// A line of a file, before it is interpreted.
enum FileLine {
    Segment(Line),
    Json(Value),
}

impl FileReader {
    async fn next(&mut self, location: &BackupLocation) -> Result<Option<FileLine>, Error> {
        match self {
            Self::Segment(reader) => {
                let line = reader.next().map_err(|damage| damage_error(location, ACTION, &damage))?;
                Ok(line.map(FileLine::Segment))
            }
            Self::Json(reader) => {
                let document = reader.next().await.map_err(|error| json_error(location, error))?;
                Ok(document.map(|JsonDocument { document, .. }| FileLine::Json(document)))
            }
        }
    }
}

/// A file that is not what its name says is damaged; a location without such files is the caller's fault.
fn json_error(location: &BackupLocation, error: JsonFilesError) -> Error {
    match error {
        JsonFilesError::Location(error) => format_error(error),
        JsonFilesError::NoFiles { .. } => Error::invalid(format!("{ACTION} in {location}"), error.to_string()),
        JsonFilesError::Content { .. } => Error::corrupt(format!("{ACTION} in {location}"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::ErrorKind;

    #[test]
    fn a_position_is_the_same_as_text_and_a_damaged_one_is_corrupt_data() {
        assert_eq!(FilePosition::parse(None).expect("position"), FilePosition::default());
        let position = FilePosition { lines: 7, mark: None };
        assert_eq!(FilePosition::parse(Some(&position.to_string())).expect("position"), position);
        let error = FilePosition::parse(Some("{lines")).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
