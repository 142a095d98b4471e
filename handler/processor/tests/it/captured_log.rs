//! Captures the log of all tests in this process.

use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};

struct CapturedLog(Mutex<Vec<(Level, String)>>);

static CAPTURED_LOG: CapturedLog = CapturedLog(Mutex::new(Vec::new()));

/// Captures warnings and errors from now on.
pub fn start() {
    // Only the first call succeeds.
    if log::set_logger(&CAPTURED_LOG).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// The captured messages of a level that contain a text.
pub fn entries(level: Level, text: &str) -> Vec<String> {
    let entries = CAPTURED_LOG.0.lock().expect("unpoisoned");
    entries
        .iter()
        .filter(|(at, message)| *at == level && message.contains(text))
        .map(|(_, text)| text.clone())
        .collect()
}

impl Log for CapturedLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().expect("unpoisoned").push((record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}
