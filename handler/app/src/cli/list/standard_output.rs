//! Standard output, whose reader may stop early (`| head`).

use std::io::{ErrorKind, IsTerminal, Write};

use anyhow::Result;

use crate::cli::harmless::harmless_lines;

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
    let written = match std::str::from_utf8(bytes) {
        // A value cannot write to the terminal, whatever the format.
        Ok(text) if std::io::stdout().is_terminal() => {
            std::io::stdout().write_all(harmless_lines(&text.replace("\r\n", "\n")).as_bytes())
        }
        _ => std::io::stdout().write_all(bytes),
    };
    match written {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}
