//! Standard output, whose reader may stop early (`| head`).

use std::io::{ErrorKind, Write};

use anyhow::Result;

/// Whether what is printed is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reader {
    Reads,
    /// It has closed the pipe. That is not an error, and there is no use in reading more to print it.
    Gone,
}

/// Prints bytes.
pub fn print_bytes(bytes: &[u8]) -> Result<Reader> {
    match std::io::stdout().write_all(bytes) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}
