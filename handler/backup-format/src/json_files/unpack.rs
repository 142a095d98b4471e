//! Decompresses a stream of gzip or zstd, and passes other content through. It works in small steps, because a small file
//! can decompress to any size.

use std::io::Write;

use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{DParameter, Decoder, Operation};

use crate::limits::MAX_WINDOW_LOG;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes given to gzip in one step; each can decompress to about a thousand.
const GZIP_STEP_BYTES: usize = 4096;
const ZSTD_STEP_BYTES: usize = 128 * 1024;

/// The content of a file that is not decompressed yet.
#[derive(Default)]
pub(super) struct Unpacker {
    packed: Bytes,
    compression: Compression,
}

#[derive(Default)]
enum Compression {
    /// Too few bytes were added to tell.
    #[default]
    Unknown,
    None,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: Decoder<'static>,
        /// The decoder is between two frames.
        complete: bool,
    },
}

impl Unpacker {
    /// An unpacker for the rest of a file that is not compressed.
    pub(super) fn plain() -> Self {
        Self { packed: Bytes::new(), compression: Compression::None }
    }

    /// Whether the file is compressed, as far as is known.
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.compression, Compression::Gzip(_) | Compression::Zstd { .. })
    }

    pub(super) fn wants_more(&self) -> bool {
        match self.compression {
            Compression::Unknown => self.packed.len() < ZSTD.len(),
            _ => self.packed.is_empty(),
        }
    }

    pub(super) fn add(&mut self, chunk: Bytes) {
        if self.packed.is_empty() {
            self.packed = chunk;
        } else {
            let mut joined = BytesMut::from(self.packed.as_ref());
            joined.extend_from_slice(&chunk);
            self.packed = joined.freeze();
        }
    }

    /// Decompresses one step.
    pub(super) fn step(&mut self, text: &mut Vec<u8>) -> Result<(), String> {
        if matches!(self.compression, Compression::Unknown) {
            self.compression = Compression::of(&self.packed)?;
        }
        match &mut self.compression {
            Compression::Unknown | Compression::None => {
                text.extend_from_slice(&self.packed);
                self.packed.clear();
            }
            Compression::Gzip(decoder) => {
                let step = self.packed.len().min(GZIP_STEP_BYTES);
                let written = decoder.write_all(&self.packed[..step]);
                text.append(decoder.get_mut());
                self.packed.advance(step);
                written.map_err(|error| format!("not gzip: {error}"))?;
            }
            Compression::Zstd { decoder, complete } => {
                let length = text.len();
                text.resize(length + ZSTD_STEP_BYTES, 0);
                let step = decoder.run_on_buffers(&self.packed, &mut text[length..]);
                text.truncate(length + step.as_ref().map_or(0, |step| step.bytes_written));
                let step = step.map_err(|error| format!("not zstd: {error}"))?;
                self.packed.advance(step.bytes_read);
                *complete = step.remaining == 0;
                if *complete && !self.packed.is_empty() {
                    decoder.reinit().map_err(|error| format!("not zstd: {error}"))?;
                }
            }
        }
        Ok(())
    }

    /// Decompresses the rest, after the last bytes were added.
    pub(super) fn end(&mut self, text: &mut Vec<u8>) -> Result<(), String> {
        if matches!(self.compression, Compression::Unknown) {
            while !self.packed.is_empty() {
                self.step(text)?;
            }
        }
        match &mut self.compression {
            Compression::Unknown | Compression::None => Ok(()),
            Compression::Gzip(decoder) => {
                let ended = decoder.try_finish();
                text.append(decoder.get_mut());
                ended.map_err(|error| format!("the gzip file is incomplete: {error}"))
            }
            Compression::Zstd { decoder, complete } => {
                while !*complete {
                    let length = text.len();
                    text.resize(length + ZSTD_STEP_BYTES, 0);
                    let step = decoder.run_on_buffers(&[], &mut text[length..]);
                    text.truncate(length + step.as_ref().map_or(0, |step| step.bytes_written));
                    let step = step.map_err(|error| format!("not zstd: {error}"))?;
                    *complete = step.remaining == 0;
                    if step.bytes_written == 0 && !*complete {
                        return Err("the zstd file is incomplete".into());
                    }
                }
                Ok(())
            }
        }
    }
}

impl Compression {
    fn of(start: &[u8]) -> Result<Self, String> {
        if start.starts_with(&GZIP) {
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))));
        }
        if start.starts_with(&ZSTD) {
            let failed = |error: std::io::Error| format!("not enough memory to decompress zstd: {error}");
            let mut decoder = Decoder::new().map_err(failed)?;
            decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(failed)?;
            return Ok(Self::Zstd { decoder, complete: false });
        }
        Ok(Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("packed");
        encoder.finish().expect("packed")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ::zstd::bulk::compress(text, 3).expect("packed")
    }

    fn unpack(packed: &[u8], step: usize) -> Result<Vec<u8>, String> {
        let mut unpacker = Unpacker::default();
        let mut text = Vec::new();
        for chunk in packed.chunks(step) {
            unpacker.add(Bytes::copy_from_slice(chunk));
            while !unpacker.wants_more() {
                unpacker.step(&mut text)?;
            }
        }
        unpacker.end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_file_is_decompressed_according_to_its_content() {
        let text: Vec<u8> = (0..600_000u32).flat_map(|number| number.to_le_bytes()).collect();
        let short = b"{}".to_vec();
        for text in [text, short, Vec::new()] {
            for packed in [text.clone(), gzip(&text), zstd(&text)] {
                for step in [1, 3, 1000, 100_000] {
                    if step > 3 || packed.len() < 100 {
                        assert_eq!(unpack(&packed, step).expect("text"), text);
                    }
                }
            }
            let twice = [text.clone(), text.clone()].concat();
            assert_eq!(unpack(&[gzip(&text), gzip(&text)].concat(), 1000).expect("text"), twice);
            assert_eq!(unpack(&[zstd(&text), zstd(&text)].concat(), 1000).expect("text"), twice);
        }
    }

    #[test]
    fn an_incomplete_or_damaged_file_is_rejected() {
        let text: Vec<u8> = (0..10_000u32).flat_map(|number| number.to_le_bytes()).collect();
        for packed in [gzip(&text), zstd(&text)] {
            for at in [5, 20, packed.len() / 2, packed.len() - 1] {
                assert!(unpack(&packed[..at], 1000).is_err(), "{at} of {}", packed.len());
            }
        }
        assert!(unpack(&[zstd(&text), b"more".to_vec()].concat(), 1000).expect_err("more").contains("zstd"));
    }

    #[test]
    fn the_output_of_a_step_is_bounded() {
        for packed in [gzip(&vec![0; 50_000_000]), zstd(&vec![0; 50_000_000])] {
            let mut unpacker = Unpacker::default();
            unpacker.add(packed.into());
            while !unpacker.wants_more() {
                let mut text = Vec::new();
                unpacker.step(&mut text).expect("text");
                assert!(text.len() <= 5_000_000, "{}", text.len());
            }
        }
    }
}
