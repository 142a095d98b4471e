//! Packs lines into a segment, in memory: a segment is small, and is written whole or not at all.
//!
//! Compressing is no slower than reading from the service, and a line at a time does not hold up other tasks; so it needs
//! no thread of its own.

use std::io::{self, Write};

use bytes::Bytes;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use super::digest::Digest;
use super::segment::{SegmentKind, SegmentRecord};
use super::segment_name::SegmentName;
use crate::limits::{MAX_LINE_BYTES, SEGMENT_BYTES, SEGMENT_LINES, SEGMENT_UNPACKED_BYTES};

const LEVEL: i32 = 3;
/// What the level takes for long texts anyway.
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
    /// When there is no memory for it.
    pub fn new(kind: SegmentKind) -> io::Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
        encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self { kind, encoder, bytes: 0, count: 0 })
    }

    /// Adds a line, given without its end.
    ///
    /// # Errors
    /// When it is too long, or several.
    pub fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if line.len() >= MAX_LINE_BYTES {
            let message = format!("a line of {} bytes; allowed are {MAX_LINE_BYTES}", line.len() + 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if line.contains(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line with a line end"));
        }
        self.encoder.write_all(line)?;
        self.encoder.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        self.count += 1;
        Ok(())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it should be cut here.
    pub fn is_full(&self) -> bool {
        self.count >= SEGMENT_LINES
            || self.bytes >= SEGMENT_UNPACKED_BYTES
            || self.encoder.get_ref().len() >= SEGMENT_BYTES
    }

    /// The segment under a name, and its record.
    ///
    /// # Errors
    /// When there is no memory for it.
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
