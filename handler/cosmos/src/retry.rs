//! The one retry policy: which failures are retried, how often, and after which pause.

use std::time::Duration;

use super::error::{Error, ErrorKind};
use super::random::random_fraction;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Attempts after failures that are not throttling, a split or a merge.
const ATTEMPTS: u32 = 4;

/// Repeats `operation` after transient failures: throttling, splits and merges until the deadline, other failures a few
/// times. The pause doubles, has jitter, and is never shorter than the service asks for.
///
/// # Errors
/// The last failure, as soon as it is permanent, the attempts are used up, or the next one would start after the deadline.
pub async fn retry<T, F>(deadline: Instant, operation: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut backoff = FIRST_PAUSE;
    let mut attempts = 0;
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempts += u32::from(!matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Gone));
        let pause = pause_before_retry(backoff, error.retry_after());
        if !error.is_transient() || attempts >= ATTEMPTS || Instant::now() + pause >= deadline {
            return Err(error);
        }
        log::debug!("retrying in {} ms: {error}", pause.as_millis());
        tokio::time::sleep(pause).await;
        backoff = (backoff * 2).min(LAST_PAUSE);
    }
}

/// The pause before an operation is retried, for a caller that counts its attempts itself: between half of the backoff and all
/// of it, so that clients that were throttled together do not come back together; added to what the service asks for.
pub fn pause_before_retry(backoff: Duration, retry_after: Option<Duration>) -> Duration {
    pause(backoff, retry_after, random_fraction())
}

fn pause(backoff: Duration, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let spread = backoff.mul_f64(0.5 + jitter / 2.0);
    retry_after.map_or(spread, |asked| asked + spread / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_pause_has_jitter_and_is_never_shorter_than_the_service_asks_for() {
        let backoff = Duration::from_millis(100);
        assert_eq!(pause(backoff, None, 0.0), Duration::from_millis(50));
        assert_eq!(pause(backoff, None, 1.0), Duration::from_millis(100));
        let asked = Duration::from_secs(2);
        assert!(pause(backoff, Some(asked), 0.0) >= asked);
    }

    async fn attempts(kind: ErrorKind, deadline: Duration) -> u32 {
        let count = AtomicU32::new(0);
        let failing = || async {
            count.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Error::new(kind, "trying", "failed"))
        };
        retry(Instant::now() + deadline, failing).await.expect_err("failed");
        count.into_inner()
    }

    #[tokio::test]
    async fn only_transient_failures_are_retried_and_only_until_the_deadline() {
        for permanent in [ErrorKind::Invalid, ErrorKind::Corrupt, ErrorKind::Internal, ErrorKind::Forbidden] {
            assert_eq!(attempts(permanent, Duration::from_secs(60)).await, 1, "{permanent:?}");
        }
        assert_eq!(attempts(ErrorKind::Unavailable, Duration::from_secs(60)).await, ATTEMPTS);
        assert_eq!(attempts(ErrorKind::Throttled, Duration::ZERO).await, 1);
    }
}
