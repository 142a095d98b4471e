//! Captures the log of all tests in this process.

use std::sync::{Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct CapturedLog(Mutex<Vec<Entry>>);

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub target: String,
    pub level: Level,
    pub message: String,
}

static CAPTURED_LOG: CapturedLog = CapturedLog(Mutex::new(Vec::new()));
static STARTED: Once = Once::new();

/// Captures everything that is logged from now on.
pub fn start() {
    STARTED.call_once(|| {
        log::set_logger(&CAPTURED_LOG).expect("no other logger");
        log::set_max_level(LevelFilter::Info);
    });
}

/// The entries that contain this text.
pub fn entries(text: &str) -> Vec<Entry> {
    let entries = CAPTURED_LOG.0.lock().expect("unpoisoned");
    entries.iter().filter(|entry| entry.message.contains(text)).cloned().collect()
}

impl Log for CapturedLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (target, level, message) = (record.target().to_owned(), record.level(), record.args().to_string());
        self.0.lock().expect("unpoisoned").push(Entry { target, level, message });
    }

    fn flush(&self) {}
}
