//! How often a handler may end by itself before the host gives up.

use std::time::{Duration, Instant};

/// Errors further apart than this have nothing to do with each other.
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

    /// Counts an error. Fails with the number of errors when the handler must not be started again.
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

    /// Whether an endless cycle of errors would go on without a pause.
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
    fn the_third_error_is_one_too_many() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 1, 2].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn the_window_slides_with_every_error() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 30, 60].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn errors_more_than_half_an_hour_apart_are_forgotten() {
        let (mut rule, start) = (RestartRule::new(Some(3)), Instant::now());
        let counted = [0, 1, 32, 33, 34].map(|minute| rule.count(start + minute * MINUTE));
        assert_eq!(counted, [Ok(()), Ok(()), Ok(()), Ok(()), Err(3)]);
    }

    #[test]
    fn without_a_limit_the_handler_always_comes_back() {
        let (mut rule, start) = (RestartRule::new(None), Instant::now());
        assert!((0..100).all(|_| rule.count(start).is_ok()));
    }
}
