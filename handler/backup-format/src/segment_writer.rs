//! Compresses lines into a segment in memory. A segment is small, and its file is written in one piece.
//!
//! Compression is faster than reading from the service and runs one line at a time, so it does not block other tasks and
//! needs no thread of its own.

use std::io::{self, Write};

use bytes::Bytes;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use crate::digest::Digest;
use crate::limits::{MAX_LINE_BYTES, SEGMENT_BYTES, SEGMENT_LINES, SEGMENT_UNPACKED_BYTES};
use crate::segment::{SegmentKind, SegmentName, SegmentRecord};

const LEVEL: i32 = 3;
/// The window that this level uses for long texts.
const WINDOW_LOG: u32 = 21;

/// A segment that is being filled.
pub struct SegmentWriter {
    kind: SegmentKind,
    encoder: Encoder<'static, Vec<u8>>,
    bytes: u64,
    count: u64,
}

impl SegmentWriter {
    /// An empty segment.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(kind: SegmentKind) -> io::Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self { kind, encoder, bytes: 0, count: 0 })
    }

    /// Adds a line, given without its end.
    ///
    /// # Errors
    /// `InvalidInput` when it is too long or contains a line end.
    pub fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if line.len() >= MAX_LINE_BYTES {
            let message = format!("the line has {} bytes; the limit is {MAX_LINE_BYTES}", line.len() + 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if line.contains(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the line contains a line end"));
        }
        self.encoder.write_all(line)?;
        self.encoder.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        self.count += 1;
        Ok(())
    }

    /// Whether it has no lines.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it has reached the size at which a writer ends a segment.
    pub fn is_full(&self) -> bool {
        self.count >= SEGMENT_LINES
            || self.bytes >= SEGMENT_UNPACKED_BYTES
            || self.encoder.get_ref().len() >= SEGMENT_BYTES
    }

    /// The record and the file of the segment.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn finish(self, name: SegmentName) -> io::Result<(SegmentRecord, Bytes)> {
        let file = self.encoder.finish()?;
        let record = SegmentRecord {
            name,
            kind: self.kind,
            compressed_bytes: file.len() as u64,
            bytes: self.bytes,
            count: self.count,
            sha256: Digest::of(&file),
        };
        Ok((record, file.into()))
    }
}
