//! What was logged, by all stories together.

use std::sync::{Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct LogBook(Mutex<Vec<Entry>>);

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub target: String,
    pub level: Level,
    pub message: String,
}

static LOG_BOOK: LogBook = LogBook(Mutex::new(Vec::new()));
static OPENED: Once = Once::new();

/// From now on everything is kept.
pub fn open() {
    OPENED.call_once(|| {
        log::set_logger(&LOG_BOOK).expect("no other logger");
        log::set_max_level(LevelFilter::Info);
    });
}

/// The entries that contain this text.
pub fn entries(text: &str) -> Vec<Entry> {
    let entries = LOG_BOOK.0.lock().expect("unpoisoned");
    entries.iter().filter(|entry| entry.message.contains(text)).cloned().collect()
}

impl Log for LogBook {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (target, level, message) = (record.target().to_owned(), record.level(), record.args().to_string());
        self.0.lock().expect("unpoisoned").push(Entry { target, level, message });
    }

    fn flush(&self) {}
}
