//! When a failed invocation is retried.

use std::time::Duration;

use super::fields::Fields;
use crate::error::HostError;

/// The `retry` section of a function.json or host.json.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetryPolicy {
    /// Retries after the first attempt; `None` is no limit.
    pub max_retry_count: Option<u32>,
    strategy: Strategy,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Strategy {
    FixedDelay(Duration),
    ExponentialBackoff { minimum: Duration, maximum: Duration },
}

/// The delays before the retries of one batch.
#[derive(Debug)]
pub(crate) struct Delays {
    strategy: Strategy,
    exponent: i32,
    last: Duration,
}

impl RetryPolicy {
    pub(crate) fn from_fields(section: &Fields) -> Result<Self, HostError> {
        let count = section.integer("maxRetryCount")?;
        let max_retry_count = match count {
            Some(-1) => None,
            Some(count) if count >= 0 => u32::try_from(count).ok(),
            _ => return Err(section.invalid("maxRetryCount", "-1 for no limit, or an integer of at least 0")),
        };
        let required = |name| section.time_span(name)?.ok_or_else(|| section.invalid(name, super::time_span::SYNTAX));
        let exponential = section.choice("strategy", &[("fixedDelay", false), ("exponentialBackoff", true)])?;
        let strategy = match exponential {
            Some(false) => Strategy::FixedDelay(required("delayInterval")?),
            Some(true) => {
                let (minimum, maximum) = (required("minimumInterval")?, required("maximumInterval")?);
                if minimum > maximum {
                    return Err(section.invalid("minimumInterval", "a time span of at most maximumInterval"));
                }
                Strategy::ExponentialBackoff { minimum, maximum }
            }
            None => return Err(section.invalid("strategy", "fixedDelay, exponentialBackoff")),
        };
        Ok(Self { max_retry_count, strategy })
    }

    pub(crate) fn delays(&self) -> Delays {
        Delays { strategy: self.strategy, exponent: 0, last: Duration::ZERO }
    }
}

impl Delays {
    /// An exponential backoff starts at the minimum, doubles its growth with 20 % jitter, and stays at the maximum.
    pub(crate) fn next(&mut self) -> Duration {
        let (minimum, maximum) = match self.strategy {
            Strategy::FixedDelay(delay) => return delay,
            Strategy::ExponentialBackoff { minimum, maximum } => (minimum, maximum),
        };
        if self.last != maximum {
            let growth = match self.exponent {
                0 => 0.0,
                exponent => rand::random_range(0.8..1.2) * 2_f64.powi(exponent - 1),
            };
            let delay = minimum.as_secs_f64() * (1.0 + growth);
            self.last = if delay < maximum.as_secs_f64() { Duration::from_secs_f64(delay) } else { maximum };
            self.exponent += 1;
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RetryPolicy, Strategy};

    #[test]
    fn a_fixed_delay_does_not_change() {
        let strategy = Strategy::FixedDelay(Duration::from_secs(10));
        let mut delays = RetryPolicy { max_retry_count: Some(5), strategy }.delays();
        assert_eq!([delays.next(), delays.next(), delays.next()], [Duration::from_secs(10); 3]);
    }

    #[test]
    fn an_exponential_backoff_doubles_with_jitter_up_to_the_maximum() {
        let strategy =
            Strategy::ExponentialBackoff { minimum: Duration::from_secs(1), maximum: Duration::from_secs(20) };
        let mut delays = RetryPolicy { max_retry_count: None, strategy }.delays();
        let seconds: Vec<f64> = (0..8).map(|_| delays.next().as_secs_f64()).collect();
        assert_eq!(seconds[0], 1.0);
        for (index, (least, most)) in [(1.8, 2.2), (2.6, 3.4), (4.2, 5.8), (7.4, 10.6)].iter().enumerate() {
            assert!((*least..=*most).contains(&seconds[index + 1]), "{seconds:?}");
        }
        assert_eq!(seconds[6..], [20.0, 20.0]);
    }
}
