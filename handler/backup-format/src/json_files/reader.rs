//! Reads the documents of JSON files, one file after another.

use std::collections::VecDeque;

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::split::{Object, Splitter, TextPosition};
use super::unpack::Unpacker;
use crate::error::Error;
use crate::location::{BackupLocation, Chunks, EntryKind};

/// The endings of files that are read in a folder, and the endings of compressed files that may follow.
const ENDINGS: [&str; 4] = [".json", ".ndjson", ".jsonl", ".jsonlines"];
const COMPRESSED: [&str; 3] = ["", ".gz", ".zst"];

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonDocument {
    /// The name of the file.
    pub file: String,
    /// The line where it starts, from 1.
    pub line: u64,
    /// The byte where it starts in the decompressed file.
    pub offset: u64,
    /// The JSON object.
    pub document: Value,
}

/// Where to resume in a file. A job stores it between its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumePoint {
    /// A text that changes when the file is replaced.
    stamp: String,
    /// Whether the file is compressed and has to be decompressed from its start.
    is_packed: bool,
    #[serde(flatten)]
    position: TextPosition,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonFilesError {
    /// The file is damaged, or contains something other than objects.
    #[error("{file}, line {line} (byte {offset}): {message}")]
    Content {
        /// The name of the file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The byte in the decompressed file.
        offset: u64,
        /// What is wrong there.
        message: String,
    },
    /// There is no file to read.
    #[error("{location} is neither a file nor a folder with files whose names end in {}", endings())]
    NoFiles {
        /// The location.
        location: String,
    },
    /// The location cannot be read.
    #[error(transparent)]
    Location(#[from] Error),
}

/// Reads the documents of a file, or of the files in a folder.
pub struct JsonFilesReader {
    location: BackupLocation,
    files: VecDeque<String>,
    current: Option<OpenFile>,
}

struct OpenFile {
    name: String,
    chunks: Chunks,
    stamp: String,
    unpacker: Unpacker,
    /// Decompressed bytes to skip before the resume point.
    skip: u64,
    splitter: Splitter,
    /// The whole file is decompressed.
    ended: bool,
    /// Why it cannot be decompressed further. The documents before are returned first.
    failed: Option<String>,
}

impl JsonFilesReader {
    /// Finds the files: the location itself if it is a file, or else the JSON files directly below it, sorted by name.
    ///
    /// # Errors
    /// When there is none, or the location cannot be read.
    pub async fn open(location: BackupLocation) -> Result<Self, JsonFilesError> {
        if let Some((parent, name)) = location.as_file().await? {
            return Ok(Self { location: parent, files: VecDeque::from([name]), current: None });
        }
        let entries = location.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::File);
        let files: VecDeque<String> = entries.map(|entry| entry.name).filter(|name| is_json_file(name)).collect();
        if files.is_empty() {
            return Err(JsonFilesError::NoFiles { location: location.to_string() });
        }
        Ok(Self { location, files, current: None })
    }

    /// Resumes in this file, and reads no other file.
    ///
    /// # Errors
    /// When the file was changed since, or cannot be read.
    pub async fn resume(location: BackupLocation, name: String, point: &ResumePoint) -> Result<Self, JsonFilesError> {
        let file = OpenFile::resume(&location, name, point).await?;
        Ok(Self { location, files: VecDeque::new(), current: Some(file) })
    }

    /// Where to resume after the last document; none at the start of a file.
    pub fn resume_point(&self) -> Option<ResumePoint> {
        self.current.as_ref().map(OpenFile::resume_point)
    }

    /// The files that are not opened yet.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The next document; none at the end.
    ///
    /// # Errors
    /// When a file is damaged or cannot be read. The next call continues with the next file.
    pub async fn next(&mut self) -> Result<Option<JsonDocument>, JsonFilesError> {
        loop {
            let mut file = match self.current.take() {
                Some(file) => file,
                None => match self.files.pop_front() {
                    Some(name) => OpenFile::open(&self.location, name).await?,
                    None => return Ok(None),
                },
            };
            if let Some(document) = file.next().await? {
                self.current = Some(file);
                return Ok(Some(document));
            }
        }
    }
}

impl OpenFile {
    async fn open(location: &BackupLocation, name: String) -> Result<Self, Error> {
        let (chunks, stamp) = location.open_from(&name, 0).await?;
        Ok(Self {
            name,
            chunks,
            stamp,
            unpacker: Unpacker::default(),
            skip: 0,
            splitter: Splitter::default(),
            ended: false,
            failed: None,
        })
    }

    async fn resume(location: &BackupLocation, name: String, point: &ResumePoint) -> Result<Self, Error> {
        let ResumePoint { stamp, is_packed, position } = point;
        let (from, skip) = if *is_packed { (0, position.offset) } else { (position.offset, 0) };
        let (chunks, found) = location.open_from(&name, from).await?;
        if found != *stamp {
            let action = format!("reading {}", location.file(&name));
            return Err(Error::invalid(action, "the file was changed while it was being read"));
        }
        let unpacker = if *is_packed { Unpacker::default() } else { Unpacker::plain() };
        let splitter = Splitter::after(*position);
        Ok(Self { name, chunks, stamp: found, unpacker, skip, splitter, ended: false, failed: None })
    }

    fn resume_point(&self) -> ResumePoint {
        let (is_packed, position) = (self.unpacker.is_compressed(), self.splitter.resume_position());
        ResumePoint { stamp: self.stamp.clone(), is_packed, position }
    }

    async fn next(&mut self) -> Result<Option<JsonDocument>, JsonFilesError> {
        loop {
            match self.splitter.next() {
                Ok(Some(object)) => return self.document(object).map(Some),
                Ok(None) => match self.failed.take() {
                    Some(message) => return Err(self.damaged(message)),
                    None if self.ended => {
                        return self.splitter.end().map(|()| None).map_err(|message| self.damaged(message));
                    }
                    None => self.unpack().await?,
                },
                Err(message) => return Err(self.damaged(message)),
            }
        }
    }

    async fn unpack(&mut self) -> Result<(), Error> {
        let mut text = Vec::new();
        let unpacked = if self.unpacker.wants_more() {
            match self.chunks.try_next().await? {
                Some(chunk) => {
                    self.unpacker.add(chunk);
                    Ok(())
                }
                None => {
                    self.ended = true;
                    self.unpacker.end(&mut text)
                }
            }
        } else {
            self.unpacker.step(&mut text)
        };
        let skipped = text.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        self.splitter.add(&text[skipped..]);
        self.failed = unpacked.err();
        Ok(())
    }

    fn document(&self, object: Object) -> Result<JsonDocument, JsonFilesError> {
        let Object { text, line, offset } = object;
        let file = self.name.clone();
        match serde_json::from_slice(&text) {
            Ok(document) => Ok(JsonDocument { file, line, offset, document }),
            Err(error) => {
                let line = line + (error.line() as u64).saturating_sub(1);
                Err(JsonFilesError::Content { file, line, offset, message: format!("not JSON: {error}") })
            }
        }
    }

    fn damaged(&self, message: String) -> JsonFilesError {
        let (line, offset) = self.splitter.position();
        JsonFilesError::Content { file: self.name.clone(), line, offset, message }
    }
}

fn is_json_file(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut endings = ENDINGS.iter().flat_map(|ending| COMPRESSED.map(|compressed| format!("{ending}{compressed}")));
    !name.starts_with('.') && endings.any(|ending| name.ends_with(&ending))
}

fn endings() -> String {
    format!("{} (optionally followed by {})", ENDINGS.join(", "), COMPRESSED[1..].join(" or "))
}
