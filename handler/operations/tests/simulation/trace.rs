//! What happened, in its order: two runs of a seed must have the same trace.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

/// Lines that are kept for the report of a failure.
const LAST_LINES: usize = 400;

/// The lines of a run.
#[derive(Debug, Default)]
pub struct Trace {
    lines: u64,
    hash: DefaultHasher,
    last: VecDeque<String>,
    /// Whether all lines are kept.
    pub keeps_all: bool,
}

impl Trace {
    pub fn add(&mut self, time: Duration, text: &str) {
        let line = format!("{:.3} {text}", time.as_secs_f64());
        self.lines += 1;
        self.hash.write(line.as_bytes());
        if self.last.len() == LAST_LINES && !self.keeps_all {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The number of lines, and a hash of all of them.
    pub fn fingerprint(&self) -> String {
        format!("{} lines, {:016x}", self.lines, self.hash.finish())
    }

    /// The lines that were kept: all, or the last ones.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}
