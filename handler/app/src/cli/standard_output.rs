//! Lines of standard output. A reader that has seen enough (`| head`) is not an error.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::harmless::harmless_lines;

/// Whether the command only reads: then it ends when its output is closed.
static ENDS_WITH_ITS_READER: AtomicBool = AtomicBool::new(false);

/// The reader of the output has closed it.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct OutputClosed;

/// Says that the command only reads: printing fails with [`OutputClosed`] when the reader has closed the output. Other commands finish
/// their work then.
pub fn end_with_the_reader() {
    ENDS_WITH_ITS_READER.store(true, Ordering::Relaxed);
}

/// Prints a line, or several. Control characters are escaped: a value cannot write to the terminal.
pub fn print_line(line: &str) -> Result<()> {
    print_prepared(&harmless_lines(line))
}

/// Prints a line that is harmless, and may have colors.
pub fn print_prepared(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            if ENDS_WITH_ITS_READER.load(Ordering::Relaxed) {
                Err(OutputClosed.into())
            } else {
                Ok(())
            }
        }
        result => Ok(result?),
    }
}
