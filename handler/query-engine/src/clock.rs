//! The current time, for the functions that return it.

use std::time::{SystemTime, UNIX_EPOCH};

const TICKS_A_SECOND: u64 = 10_000_000;

/// Units of 100 ns since 1970.
pub(crate) fn ticks() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * TICKS_A_SECOND + u64::from(since.subsec_nanos() / 100)
}
