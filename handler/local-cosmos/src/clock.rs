//! The clock of the service: the time of this machine or of the runtime, moved by an offset that a test can set.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The time of the endpoint.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The time that it showed at an instant of the runtime's clock, with which it advances; `None`: it is this machine's clock.
    of_runtime: Option<(DateTime<Utc>, Instant)>,
    /// Milliseconds ahead of that clock.
    offset: AtomicI64,
}

impl Clock {
    /// A clock that shows `now` and advances with the clock of the runtime.
    pub(crate) fn of_runtime(now: DateTime<Utc>) -> Self {
        Self { of_runtime: Some((now, Instant::now())), ..Self::default() }
    }

    /// Milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> i64 {
        let now = match self.of_runtime {
            Some((start, since)) => start + TimeDelta::from_std(since.elapsed()).unwrap_or_default(),
            None => Utc::now(),
        };
        now.timestamp_millis().saturating_add(self.offset.load(Ordering::SeqCst))
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.milliseconds().div_euclid(1000)
    }

    /// The time in the form of the HTTP header `Date`.
    pub(crate) fn http_date(&self) -> String {
        let now = DateTime::from_timestamp_millis(self.milliseconds()).unwrap_or_else(Utc::now);
        now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Sets how far this clock is ahead of that of the machine or the runtime; a negative number of milliseconds is behind.
    pub(crate) fn set_offset(&self, milliseconds: i64) {
        self.offset.store(milliseconds, Ordering::SeqCst);
    }
}
