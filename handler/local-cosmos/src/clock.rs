//! The clock of the service: the time of this machine, moved by an offset that a test can set.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// The time of the endpoint.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds ahead of this machine's clock.
    offset: AtomicI64,
}

impl Clock {
    /// Milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> i64 {
        Utc::now().timestamp_millis().saturating_add(self.offset.load(Ordering::SeqCst))
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

    /// Sets how far this clock is ahead of the machine's; a negative number of milliseconds is behind.
    pub(crate) fn set_offset(&self, milliseconds: i64) {
        self.offset.store(milliseconds, Ordering::SeqCst);
    }
}
