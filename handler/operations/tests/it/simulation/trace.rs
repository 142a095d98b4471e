//! What happened, in its order: two runs of a seed must have the same trace.

use std::collections::{BTreeMap, VecDeque};
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
    /// How often each event has happened.
    pub events: BTreeMap<&'static str, u32>,
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

    pub fn add_event(&mut self, time: Duration, event: &'static str, of: &str) {
        *self.events.entry(event).or_default() += 1;
        self.add(time, &format!("{event}: {of}"));
    }

    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The number of lines, a hash of all of them, and the number of each event.
    pub fn fingerprint(&self) -> String {
        let events: Vec<String> = self.events.iter().map(|(event, count)| format!("{event} {count}")).collect();
        format!("{} lines, {:016x}: {}", self.lines, self.hash.finish(), events.join(", "))
    }

    /// The lines that were kept: all, or the last ones.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}
