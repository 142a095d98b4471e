//! A container's provisioned throughput, if one is set: when the request units of a second are spent, requests are answered 429
//! until the second is over. As on the service, the request that exceeds the budget is still executed.

use std::time::Duration;

use tokio::time::Instant;

use crate::reply::{Reply, header};

const WINDOW: Duration = Duration::from_secs(1);

/// The request units of a second, and how many of the current second are spent.
#[derive(Debug)]
pub(crate) struct Budget {
    per_second: f64,
    window_start: Instant,
    spent: f64,
}

impl Budget {
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, window_start: now, spent: 0.0 }
    }

    /// The time that a request received `now` has to wait; `None` if it can be executed.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed >= WINDOW {
            (self.window_start, self.spent) = (now, 0.0);
            return None;
        }
        (self.spent >= self.per_second).then(|| WINDOW - elapsed)
    }

    pub(crate) fn spend(&mut self, request_units: f64) {
        self.spent += request_units;
    }
}

/// The reply to a request that has to wait. 3200 is the service's sub-status for a spent budget.
pub(crate) fn too_many_requests(wait: Duration) -> Reply {
    let milliseconds = wait.as_micros().div_ceil(1000).max(1);
    Reply::error(429, "TooManyRequests", "The request rate is too large: this second's request units are spent.")
        .with(header::SUBSTATUS, "3200")
        .with("x-ms-retry-after-ms", milliseconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_seconds_units_are_spent_requests_wait_until_it_is_over() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut budget = Budget::new(10.0, start);
        assert_eq!(budget.wait(at(0)), None);
        budget.spend(9.0);
        assert_eq!(budget.wait(at(100)), None);
        budget.spend(9.0);
        assert_eq!(budget.wait(at(400)), Some(Duration::from_millis(600)));
        assert_eq!(budget.wait(at(1000)), None);
        budget.spend(100.0);
        assert_eq!(budget.wait(at(1250)), Some(Duration::from_millis(750)));
        assert_eq!(too_many_requests(Duration::from_micros(1)).header("x-ms-retry-after-ms"), Some("1"));
    }
}
