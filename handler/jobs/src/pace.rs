//! Keeps the request units of a job within its budget.

use std::time::Duration;

/// The most unused budget that a job saves up, in seconds.
const CREDIT_SECONDS: f64 = 3.0;

/// The request units used so far, as the time that they take at the rate of the budget.
#[derive(Debug)]
pub(crate) struct Pace {
    ru_per_second: f64,
    /// Until when past use is within the budget, in seconds since 1970.
    paid_until: f64,
    /// Request units that `paid_until` includes.
    counted: f64,
}

impl Pace {
    pub(crate) fn new(ru_per_second: f64, paid_until: Option<f64>, now: f64) -> Self {
        Self { ru_per_second, paid_until: paid_until.unwrap_or(now).max(now - CREDIT_SECONDS), counted: 0.0 }
    }

    /// Counts the total use, and returns how long to wait before the next request.
    pub(crate) fn wait(&mut self, used: f64, now: f64) -> Duration {
        self.paid_until = self.paid_until.max(now - CREDIT_SECONDS) + (used - self.counted) / self.ru_per_second;
        self.counted = used;
        Duration::from_secs_f64((self.paid_until - now).clamp(0.0, 3600.0))
    }

    pub(crate) fn paid_until(&self) -> f64 {
        self.paid_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_used_more_than_its_budget_waits_and_saves_up_little() {
        let mut pace = Pace::new(100.0, None, 1000.0);
        assert_eq!(pace.wait(0.0, 1000.0), Duration::ZERO);
        assert_eq!(pace.wait(500.0, 1001.0), Duration::from_secs(4), "five seconds' worth in one");
        assert_eq!(pace.wait(500.0, 1005.0), Duration::ZERO);
        assert_eq!(pace.wait(900.0, 1100.0), Duration::from_secs(1), "three seconds were saved up");
        let resumed = Pace::new(100.0, Some(1130.0), 1100.0).wait(0.0, 1100.0);
        assert_eq!(resumed, Duration::from_secs(30), "the use of the slice before counts");
    }
}
