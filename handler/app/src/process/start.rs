//! Starting in spite of transient failures: an instance that ends at the first 503 is down until an operator starts it again.

use std::time::Duration;

use anyhow::Result;
use changefeed_cosmos::{Error, pause_before_retry};

use super::health::Health;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Repeats `start` as long as it fails transiently. Each failure is logged, and `/ready` reports it.
///
/// # Errors
/// The first failure that a later attempt would have too.
pub async fn start_with_retries<T>(health: &Health, start: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut backoff = FIRST_PAUSE;
    loop {
        let error = match start().await {
            Ok(started) => return Ok(started),
            Err(error) => error,
        };
        let Some(failure) = error.downcast_ref::<Error>().filter(|failure| failure.is_transient()) else {
            return Err(error);
        };
        let pause = pause_before_retry(backoff, failure.retry_after());
        log::warn!("could not start: {error:#}; retrying in {:.1} s", pause.as_secs_f64());
        health.set_starting(format!("{error:#}"));
        tokio::time::sleep(pause).await;
        backoff = (backoff * 2).min(LAST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::Context;
    use changefeed_cosmos::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_transient_failure_is_retried_and_a_permanent_one_is_returned() {
        let attempts = Cell::new(0);
        let start = async || {
            attempts.set(attempts.get() + 1);
            let kind = if attempts.get() == 1 { ErrorKind::Unavailable } else { ErrorKind::Forbidden };
            Err::<(), _>(Error::new(kind, "reading", "failed")).context("starting")
        };
        let error = start_with_retries(&Health::new(std::sync::Arc::new(crate::metrics::Metrics::new())), start)
            .await
            .expect_err("permanent");
        assert_eq!((attempts.get(), format!("{error:#}").as_str()), (2, "starting: reading: failed"));
    }
}
