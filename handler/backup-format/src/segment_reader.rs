//! Reads a segment line by line, and reports everything that is wrong with it.
//!
//! The compressed file is held in memory, so that its digest is checked before the first line is returned. Of the decompressed
//! text, only about one line is held at a time, whatever the file contains.

use std::collections::VecDeque;

use bytes::Bytes;
use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::damage::{Damage, ReadError};
use crate::deletion::Deletion;
use crate::digest::Digest;
use crate::document::BackupDocument;
use crate::error::{Error, ErrorKind};
use crate::limits::{MAX_LINE_BYTES, MAX_SEGMENT_BYTES, MAX_WINDOW_LOG};
use crate::location::BackupLocation;
use crate::segment::{SegmentKind, SegmentRecord};

/// Bytes that are decompressed at a time.
const STEP_BYTES: usize = 128 * 1024;

/// A line of a segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A document.
    Document(BackupDocument),
    /// A deleted document.
    Deletion(Deletion),
}

/// Reads the lines of a segment.
pub struct SegmentReader {
    record: SegmentRecord,
    file: Bytes,
    decoder: Decoder<'static>,
    /// Bytes of the file that are decompressed.
    consumed: usize,
    /// Decompressed text. It is returned up to `start`, and has no line end between `start` and `searched`.
    text: Vec<u8>,
    start: usize,
    searched: usize,
    unpacked: u64,
    /// The number of lines returned, and of their bytes.
    count: u64,
    offset: u64,
    state: State,
    /// Damages that are not returned yet.
    found: VecDeque<Damage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The file has more to decompress.
    Unpacking,
    /// The whole file is decompressed.
    Unpacked,
    /// There are no more lines and no more damages.
    Done,
}

impl SegmentReader {
    /// Reads the file of a segment.
    ///
    /// # Errors
    /// When it is missing or larger than its record states, or cannot be read.
    pub async fn open(location: &BackupLocation, record: SegmentRecord) -> Result<Self, ReadError> {
        let (segment, stated) = (record.name, record.compressed_bytes);
        let limit = usize::try_from(stated).unwrap_or(usize::MAX).min(MAX_SEGMENT_BYTES);
        match location.read(&segment.to_string(), limit).await {
            Ok((file, _)) => Ok(Self::new(record, file)?),
            Err(error) => Err(match error.kind() {
                ErrorKind::NotFound => Damage::Missing { segment }.into(),
                ErrorKind::Conflict => Damage::NotAFile { name: segment.to_string() }.into(),
                ErrorKind::TooLarge => Damage::TooLong { segment, stated }.into(),
                _ => ReadError::Location(error),
            }),
        }
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// When there is not enough memory to decompress it.
    pub fn new(record: SegmentRecord, file: Bytes) -> Result<Self, Error> {
        let mut decoder = Decoder::new().map_err(|error| out_of_memory(&error))?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(|error| out_of_memory(&error))?;
        let (segment, stated) = (record.name, record.compressed_bytes);
        let found = match (file.len() as u64, Digest::of(&file)) {
            (found, _) if found < stated => Some(Damage::TooShort { segment, stated, found }),
            (found, _) if found > stated => Some(Damage::TooLong { segment, stated }),
            (_, found) if found != record.sha256 => Some(Damage::WrongDigest { segment, stated: record.sha256, found }),
            _ => None,
        };
        Ok(Self {
            record,
            file,
            decoder,
            consumed: 0,
            text: Vec::new(),
            start: 0,
            searched: 0,
            unpacked: 0,
            count: 0,
            offset: 0,
            state: State::Unpacking,
            found: found.into_iter().collect(),
        })
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// The next damage. The caller can continue: later calls return the lines that can still be read.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Line>, Damage> {
        loop {
            if let Some(damage) = self.found.pop_front() {
                return Err(damage);
            }
            if let Some(end) = self.text[self.searched..].iter().position(|byte| *byte == b'\n') {
                return self.take(self.searched + end).map(Some);
            }
            self.searched = self.text.len();
            match self.state {
                State::Done => return Ok(None),
                State::Unpacking if self.text.len() - self.start >= MAX_LINE_BYTES => {
                    let damage = self.damaged_line(format!("the line has more than {MAX_LINE_BYTES} bytes"));
                    self.stop(damage);
                }
                State::Unpacking => self.unpack(),
                State::Unpacked => self.end(),
            }
        }
    }

    /// The line that ends here.
    fn take(&mut self, end: usize) -> Result<Line, Damage> {
        let line = &self.text[self.start..end];
        let line = match std::str::from_utf8(line) {
            Ok(line) => match self.record.kind {
                SegmentKind::Documents => BackupDocument::decode(line).map(Line::Document),
                SegmentKind::Deletions => Deletion::decode(line).map(Line::Deletion),
            },
            Err(error) => Err(format!("not UTF-8 at byte {} of the line", error.valid_up_to())),
        };
        let line = line.map_err(|message| self.damaged_line(message));
        self.count += 1;
        self.offset += (end + 1 - self.start) as u64;
        (self.start, self.searched) = (end + 1, end + 1);
        line
    }

    fn unpack(&mut self) {
        self.text.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let (segment, offset) = (self.record.name, self.consumed as u64);
        let length = self.text.len();
        self.text.resize(length + STEP_BYTES, 0);
        let step = self.decoder.run_on_buffers(&self.file[self.consumed..], &mut self.text[length..]);
        self.text.truncate(length + step.as_ref().map_or(0, |step| step.bytes_written));
        let step = match step {
            Ok(step) => step,
            Err(error) => return self.stop(Damage::NotZstd { segment, offset, message: error.to_string() }),
        };
        self.consumed += step.bytes_read;
        self.unpacked += step.bytes_written as u64;
        let offset = self.consumed as u64;
        if self.unpacked > self.record.bytes {
            self.stop(Damage::UnpacksToMore { segment, stated: self.record.bytes });
        } else if step.remaining == 0 {
            self.state = State::Unpacked;
            if self.consumed < self.file.len() {
                self.found.push_back(Damage::NotZstd {
                    segment,
                    offset,
                    message: "there are more bytes after its end".into(),
                });
            }
        } else if step.bytes_written == 0 && self.consumed == self.file.len() {
            self.stop(Damage::NotZstd { segment, offset, message: "the file is incomplete".into() });
        }
    }

    fn end(&mut self) {
        let (segment, record) = (self.record.name, &self.record);
        let mut found = Vec::new();
        if self.start < self.text.len() {
            found.push(self.damaged_line("the line has no end".into()));
        }
        if self.unpacked < record.bytes {
            found.push(Damage::UnpacksToLess { segment, stated: record.bytes, found: self.unpacked });
        }
        if self.count != record.count {
            found.push(Damage::WrongCount { segment, stated: record.count, found: self.count });
        }
        self.found.extend(found);
        self.state = State::Done;
    }

    fn stop(&mut self, damage: Damage) {
        self.found.push_back(damage);
        self.text.clear();
        (self.start, self.searched) = (0, 0);
        self.state = State::Done;
    }

    fn damaged_line(&self, message: String) -> Damage {
        Damage::Line { segment: self.record.name, line: self.count + 1, offset: self.offset, message }
    }
}

fn out_of_memory(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "decompressing a segment", error.to_string())
}
