//! Lines of standard error: errors, warnings and notes. It is not an error if standard error is closed.

use std::fmt::Display;
use std::io::Write;

use super::color::Meaning;
use super::harmless::harmless_lines;
use super::terminal::has_color_of_errors;

/// Prints an error.
pub fn error(message: impl Display) {
    labelled("error:", Meaning::Problem, &message);
}

/// Prints a warning.
pub fn warning(message: impl Display) {
    labelled("warning:", Meaning::Warning, &message);
}

/// Prints a line that is neither.
pub fn note(message: impl Display) {
    write(&format!("{}\n", harmless_lines(&message.to_string())));
}

/// Prints a question. The answer follows on the same line.
pub fn question(message: impl Display) {
    write(&format!("{} ", harmless_lines(&message.to_string())));
}

fn labelled(label: &str, meaning: Meaning, message: &dyn Display) {
    let label = if has_color_of_errors() { meaning.paint(label) } else { label.to_owned() };
    write(&format!("{label} {}\n", harmless_lines(&message.to_string())));
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // There is no better place to report this.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
