//! What was logged, by all stories together.

use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};

struct LogBook(Mutex<Vec<(Level, String)>>);

static LOG_BOOK: LogBook = LogBook(Mutex::new(Vec::new()));

/// From now on warnings and errors are kept.
pub fn open() {
    // Only the first story to come here opens it.
    if log::set_logger(&LOG_BOOK).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// The entries of this level that contain this text.
pub fn entries(level: Level, text: &str) -> Vec<String> {
    let entries = LOG_BOOK.0.lock().expect("unpoisoned");
    entries
        .iter()
        .filter(|(at, message)| *at == level && message.contains(text))
        .map(|(_, text)| text.clone())
        .collect()
}

impl Log for LogBook {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().expect("unpoisoned").push((record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}
