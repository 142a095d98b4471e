//! Etags: no two writes of the endpoint have the same one.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;

/// Continues above the etags of an earlier process, which wrote fewer than 128 items a millisecond.
static LAST: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new((Utc::now().timestamp_millis() as u64) << 7));

thread_local! {
    /// The number of the next etag of this thread, if it is simulated.
    static SIMULATED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Numbers the etags of this thread from 1: a simulation is to be repeatable.
pub(crate) fn simulate() {
    SIMULATED.set(Some(1));
}

/// The etag of a write at `ts` seconds since 1970, with quotes, in the form of the service.
pub(crate) fn new_etag(ts: i64) -> String {
    let number = match SIMULATED.get() {
        Some(number) => {
            SIMULATED.set(Some(number + 1));
            number
        }
        None => LAST.fetch_add(1, Ordering::Relaxed),
    };
    format!("\"{:08x}-0000-{:04x}-0000-{ts:08x}0000\"", number & 0xFFFF_FFFF, number >> 32 & 0xFFFF)
}

/// Whether an etag that a request names is that of the resource: the same, with or without quotes, or `*`.
pub(crate) fn matches(asked: &str, etag: &str) -> bool {
    asked == "*" || asked.trim_matches('"') == etag.trim_matches('"')
}
