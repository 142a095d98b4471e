//! Counts requests and request units.

use std::sync::Mutex;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// The load on the endpoint since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Requests answered.
    pub requests: u64,
    /// Request units charged, by the emulator's model.
    pub request_units: f64,
    /// Requests of the last full second.
    pub requests_per_second: f64,
    /// Request units of the last full second.
    pub request_units_per_second: f64,
}

#[derive(Debug)]
pub(crate) struct UsageMeter(Mutex<State>);

#[derive(Debug)]
struct State {
    total: Usage,
    window_start: Instant,
    window_requests: u64,
    window_units: f64,
}

impl UsageMeter {
    pub(crate) fn new() -> Self {
        let window_start = Instant::now();
        Self(Mutex::new(State { total: Usage::default(), window_start, window_requests: 0, window_units: 0.0 }))
    }

    pub(crate) fn count(&self, request_units: f64) {
        let mut state = self.lock();
        state.roll(Instant::now());
        state.total.requests += 1;
        state.total.request_units += request_units;
        state.window_requests += 1;
        state.window_units += request_units;
    }

    pub(crate) fn read(&self) -> Usage {
        let mut state = self.lock();
        state.roll(Instant::now());
        state.total
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn roll(&mut self, now: Instant) {
        let elapsed = now - self.window_start;
        if elapsed < WINDOW {
            return;
        }
        self.total.requests_per_second = self.window_requests as f64 / elapsed.as_secs_f64();
        self.total.request_units_per_second = self.window_units / elapsed.as_secs_f64();
        (self.window_start, self.window_requests, self.window_units) = (now, 0, 0.0);
    }
}
