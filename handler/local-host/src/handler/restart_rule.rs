//! How many errors of the handler the host tolerates.

use std::time::{Duration, Instant};

/// A longer interval between two errors resets the count.
const WINDOW: Duration = Duration::from_secs(30 * 60);

#[derive(Debug)]
pub(super) struct RestartRule {
    limit: Option<usize>,
    errors: usize,
    last: Option<Instant>,
}

impl RestartRule {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit: limit.map(|limit| limit as usize), errors: 0, last: None }
    }

    /// Counts an error.
    ///
    /// # Errors
    /// The number of errors, if the handler must not be restarted.
    pub(super) fn count(&mut self, now: Instant) -> Result<(), usize> {
        if self.last.is_some_and(|last| now.duration_since(last) > WINDOW) {
            self.errors = 0;
        }
        self.errors += 1;
        self.last = Some(now);
        match self.limit {
            Some(limit) if self.errors >= limit => Err(self.errors),
            _ => Ok(()),
        }
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.limit.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::RestartRule;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_third_error_reaches_the_limit() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 1, 2].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn every_error_restarts_the_window() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 30, 60].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn an_interval_over_half_an_hour_resets_the_count() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 1, 32, 33, 34].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn without_a_limit_every_error_allows_a_restart() {
        let (mut rule, start) = (RestartRule::new(None), Instant::now());
        assert!((0..100).all(|_| rule.count(start).is_ok()));
    }
}
