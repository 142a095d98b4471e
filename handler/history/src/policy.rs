//! The one place that decides what follows from a failed operation.

use std::time::{Duration, Instant};

use crate::cosmos::{Error, ErrorKind};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Attempts after failures that are not throttling.
const ATTEMPTS: u32 = 4;

/// What to do with a version whose write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is there already: a redelivery, or another writer of the same version.
    AlreadyStored,
    /// Try again while there is time.
    Retry,
    /// It would fail for ever: keep it as a dead letter and go on.
    DeadLetter,
    /// The batch cannot be stored now; it must be delivered again.
    Fail,
}

/// Decides by the kind of the failure. What is not known to be the document's own fault fails the batch: a wrong setting
/// or a missing permission must not send documents to the dead letters.
pub(crate) fn decide(kind: ErrorKind) -> Decision {
    match kind {
        ErrorKind::Conflict => Decision::AlreadyStored,
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Gone => Decision::Retry,
        ErrorKind::TooLarge | ErrorKind::Invalid => Decision::DeadLetter,
        ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::PreconditionFailed => Decision::Fail,
    }
}

/// Tries again what may pass: throttling, splits and merges until the deadline, other failures a few times.
pub(crate) async fn retry<T, F>(deadline: Instant, operation: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // A split or merge passes, as throttling does.
        attempts += u32::from(!matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Gone));
        let in_time = Instant::now() + pause < deadline;
        if decide(error.kind()) != Decision::Retry || attempts >= ATTEMPTS || !in_time {
            return Err(error);
        }
        log::debug!("tried again in {} ms: {error}", pause.as_millis());
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
