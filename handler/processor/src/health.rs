//! What a running processor reports: acquired and released leases, and errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind};

use crate::lease::{FailureOf, FeedRange};

/// An error of a handler.
pub(crate) type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Why a lease makes no progress at the moment. The processor retries with increasing delays until it succeeds.
#[derive(Debug, thiserror::Error)]
pub enum ProcessingError {
    /// The handler failed. The batch is redelivered.
    #[error("the handler failed: {0}")]
    Handler(#[source] HandlerError),
    /// The handler panicked. The batch is redelivered.
    #[error("the handler panicked")]
    HandlerPanicked,
    /// The next page of the change feed could not be read.
    #[error("could not read the change feed: {0}")]
    ChangeFeed(#[source] Error),
    /// The next page of the change feed cannot be read, and a retry is expected to fail too. The page is never skipped.
    #[error("the next page of the change feed cannot be read, and its feed range makes no progress: {0}")]
    UnreadablePage(#[source] Error),
    /// No lease covers this feed range of the monitored container, so no instance reads it: leases were deleted. The instance
    /// creates the missing ones, unless it [should not](crate::ProcessorBuilder::recreate_leases).
    #[error("no lease covers the range {0}: its changes are not delivered")]
    Gap(FeedRange),
    /// The monitored container or the lease container of this name was deleted and created again. The leases of the old
    /// container are void.
    #[error("container {0} was deleted and created again: its leases are void")]
    Recreated(String),
    /// More than one lease covers this feed range of the monitored container. This resolves by itself after an instance
    /// died while it replaced a lease; leases that were created by hand remain.
    #[error("more than one lease covers the range {0}: each of them delivers its changes")]
    Overlap(FeedRange),
    /// A lease could not be read, acquired, renewed, checkpointed or released.
    #[error("{0}")]
    Lease(#[source] Error),
}

impl ProcessingError {
    /// Whether an operator has to repair something, which is logged as an error and not as a warning.
    pub(crate) fn needs_repair(&self) -> bool {
        matches!(self, Self::UnreadablePage(_) | Self::Gap(_) | Self::Recreated(_))
    }

    /// What a lease with this error records as failing.
    pub(crate) fn failure_of(&self) -> FailureOf {
        if matches!(self, Self::Handler(_) | Self::HandlerPanicked) { FailureOf::Handler } else { FailureOf::Read }
    }

    pub(crate) fn is_throttling(&self) -> bool {
        matches!(self, Self::ChangeFeed(error) | Self::Lease(error) if error.kind() == ErrorKind::Throttled)
    }

    /// The time that the service asks to wait before the next request.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ChangeFeed(error) | Self::UnreadablePage(error) | Self::Lease(error) => error.retry_after(),
            Self::Handler(_) | Self::HandlerPanicked | Self::Gap(_) | Self::Recreated(_) | Self::Overlap(_) => None,
        }
    }
}

type OnLease = Box<dyn Fn(&str) + Send + Sync>;
type OnChecked = Box<dyn Fn(Result<(), &Error>) + Send + Sync>;
type OnError = Box<dyn Fn(Option<&str>, &ProcessingError) + Send + Sync>;

/// The callbacks of the application.
#[derive(Default)]
pub(crate) struct Notifications {
    pub acquired: Option<OnLease>,
    pub released: Option<OnLease>,
    pub checked: Option<OnChecked>,
    pub error: Option<OnError>,
}

impl Notifications {
    pub(crate) fn acquired(&self, lease_token: &str) {
        log::debug!("lease {lease_token} acquired");
        if let Some(notify) = &self.acquired {
            call("on_lease_acquired", || notify(lease_token));
        }
    }

    pub(crate) fn released(&self, lease_token: &str) {
        log::debug!("lease {lease_token} released");
        if let Some(notify) = &self.released {
            call("on_lease_released", || notify(lease_token));
        }
    }

    pub(crate) fn checked(&self, checked: Result<(), &Error>) {
        if let Some(notify) = &self.checked {
            call("on_leases_checked", || notify(checked));
        }
    }

    /// `next_step` says what the processor does next.
    pub(crate) fn error(&self, lease_token: Option<&str>, error: &ProcessingError, next_step: &str) {
        let level = if error.needs_repair() { log::Level::Error } else { log::Level::Warn };
        let prefix = lease_token.map(|token| format!("lease {token}: ")).unwrap_or_default();
        log::log!(level, "{prefix}{error}{next_step}");
        if let Some(notify) = &self.error {
            call("on_error", || notify(lease_token, error));
        }
    }
}

/// Calls a callback. A panic in it is logged and does not end the task that reports.
fn call(name: &str, callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        log::error!("the callback of {name} panicked");
    }
}

impl std::fmt::Debug for Notifications {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Notifications").finish_non_exhaustive()
    }
}
