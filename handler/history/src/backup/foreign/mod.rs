//! Documents in files that other tools wrote: JSON arrays, or one JSON object after the other, plain or packed by gzip or
//! zstd. What a file is shows in its first bytes, not in its name.
//!
//! Memory is bounded by the longest document that is allowed, whatever the file holds. Reading can stop after a document and
//! go on from there another time: at once where the file is plain, and after unpacking what comes before where it is packed.

mod mark;
mod split;
mod unpack;

use std::collections::VecDeque;

use futures::TryStreamExt;
use serde_json::Value;

pub use self::mark::ForeignMark;
use self::split::{Piece, Splitter};
use self::unpack::Unpacker;
use super::place::{Chunks, EntryKind, Place};
use crate::cosmos::Error;

/// The endings of the files of a folder that are read, and what may follow them.
const ENDINGS: [&str; 4] = [".json", ".ndjson", ".jsonl", ".jsonlines"];
const PACKED: [&str; 3] = ["", ".gz", ".zst"];

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignDocument {
    /// The file's name.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The byte at which it begins, of the unpacked file.
    pub offset: u64,
    /// As it stands there: an object.
    pub document: Value,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It holds something else.
    #[error("{file}, line {line} (byte {offset}): {message}")]
    Content {
        /// The file's name.
        file: String,
        /// From 1.
        line: u64,
        /// Of the unpacked file.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// There is nothing to read.
    #[error("{place}: no such file, and no folder with files whose names end in {}", endings())]
    NoFiles {
        /// Where.
        place: String,
    },
    /// It could not be reached.
    #[error(transparent)]
    Place(#[from] Error),
}

/// Files that are being read, one after the other.
pub struct ForeignReader {
    place: Place,
    files: VecDeque<String>,
    current: Option<OpenFile>,
}

struct OpenFile {
    name: String,
    chunks: Chunks,
    stamp: String,
    unpacker: Unpacker,
    /// Unpacked bytes before what is wanted.
    skip: u64,
    splitter: Splitter,
    /// Everything has been unpacked.
    ended: bool,
    /// It cannot be unpacked any further. What came out before is given away first.
    failed: Option<String>,
}

impl ForeignReader {
    /// Finds the files: the place itself if it is one, or else those directly below it that are named like one, by name.
    ///
    /// # Errors
    /// When there is none, or the place cannot be reached.
    pub async fn open(place: Place) -> Result<Self, ForeignError> {
        if let Some((above, name)) = place.as_file().await? {
            return Ok(Self { place: above, files: VecDeque::from([name]), current: None });
        }
        let entries = place.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::File);
        let files: VecDeque<String> = entries.map(|entry| entry.name).filter(|name| is_meant(name)).collect();
        if files.is_empty() {
            return Err(ForeignError::NoFiles { place: place.to_string() });
        }
        Ok(Self { place, files, current: None })
    }

    /// Goes on with this file alone, from a mark in it.
    ///
    /// # Errors
    /// When the file was changed since, or cannot be reached.
    pub async fn resume(place: Place, name: String, mark: &ForeignMark) -> Result<Self, ForeignError> {
        let file = OpenFile::resume(&place, name, mark).await?;
        Ok(Self { place, files: VecDeque::new(), current: Some(file) })
    }

    /// Where to go on after the last document: none at the start of a file.
    pub fn mark(&self) -> Option<ForeignMark> {
        self.current.as_ref().map(OpenFile::mark)
    }

    /// The files that are still to be read.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The next document; none at the end.
    ///
    /// # Errors
    /// When a file holds something else, or cannot be reached. The next call goes on with the next file.
    pub async fn next(&mut self) -> Result<Option<ForeignDocument>, ForeignError> {
        loop {
            let mut file = match self.current.take() {
                Some(file) => file,
                None => match self.files.pop_front() {
                    Some(name) => OpenFile::open(&self.place, name).await?,
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
    async fn open(place: &Place, name: String) -> Result<Self, Error> {
        let (chunks, stamp) = place.open_from(&name, 0).await?;
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

    async fn resume(place: &Place, name: String, mark: &ForeignMark) -> Result<Self, Error> {
        let ForeignMark { stamp, is_packed, spot } = mark;
        let (from, skip) = if *is_packed { (0, spot.offset) } else { (spot.offset, 0) };
        let (chunks, found) = place.open_from(&name, from).await?;
        if found != *stamp {
            return Err(Error::invalid(format!("reading {}", place.file(&name)), "it was changed while it was read"));
        }
        let unpacker = if *is_packed { Unpacker::default() } else { Unpacker::plain() };
        let splitter = Splitter::after(*spot);
        Ok(Self { name, chunks, stamp: found, unpacker, skip, splitter, ended: false, failed: None })
    }

    fn mark(&self) -> ForeignMark {
        ForeignMark { stamp: self.stamp.clone(), is_packed: self.unpacker.is_packed(), spot: self.splitter.spot() }
    }

    async fn next(&mut self) -> Result<Option<ForeignDocument>, ForeignError> {
        loop {
            match self.splitter.next() {
                Ok(Some(piece)) => return self.document(piece).map(Some),
                Ok(None) => match self.failed.take() {
                    Some(message) => return Err(self.wrong(message)),
                    None if self.ended => {
                        return self.splitter.end().map(|()| None).map_err(|message| self.wrong(message));
                    }
                    None => self.unpack().await?,
                },
                Err(message) => return Err(self.wrong(message)),
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

    fn document(&self, piece: Piece) -> Result<ForeignDocument, ForeignError> {
        let Piece { text, line, offset } = piece;
        let file = self.name.clone();
        match serde_json::from_slice(&text) {
            Ok(document) => Ok(ForeignDocument { file, line, offset, document }),
            Err(error) => {
                let line = line + (error.line() as u64).saturating_sub(1);
                Err(ForeignError::Content { file, line, offset, message: format!("not JSON: {error}") })
            }
        }
    }

    fn wrong(&self, message: String) -> ForeignError {
        let (line, offset) = self.splitter.position();
        ForeignError::Content { file: self.name.clone(), line, offset, message }
    }
}

fn is_meant(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut endings = ENDINGS.iter().flat_map(|ending| PACKED.map(|packed| format!("{ending}{packed}")));
    !name.starts_with('.') && endings.any(|ending| name.ends_with(&ending))
}

fn endings() -> String {
    format!("{} (or with {} after it)", ENDINGS.join(", "), PACKED[1..].join(", "))
}
