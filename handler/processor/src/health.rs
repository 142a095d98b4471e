//! What a processor tells of itself while it runs.

use crate::cosmos::Error;
use crate::lease::FeedRange;

/// An error of a handler.
pub(crate) type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Why a lease does not get on at the moment. What failed is tried again, later and later, until it succeeds.
#[derive(Debug, thiserror::Error)]
pub enum ProcessingError {
    /// The handler failed; it gets the batch again.
    #[error("the handler failed: {0}")]
    Handler(#[source] HandlerError),
    /// The handler panicked; it gets the batch again.
    #[error("the handler panicked")]
    HandlerPanicked,
    /// The next page of the change feed was not read.
    #[error("the change feed was not read: {0}")]
    ChangeFeed(#[source] Error),
    /// The next page of the change feed would not be read the next time either. It is never skipped.
    #[error("its range stands still, for the next page cannot be read: {0}")]
    UnreadablePage(#[source] Error),
    /// No lease covers this range of the monitored container: nobody reads it. Leases were deleted, or others make them.
    #[error("no lease covers the range {0}: what changes there is not delivered; if leases were deleted, start anew")]
    Gap(FeedRange),
    /// More than one lease covers this range of the monitored container. It passes where an instance was killed while it
    /// replaced a lease by others; leases that were made by hand stay so.
    #[error("more than one lease covers the range {0}: what changes there is delivered by each of them")]
    Overlap(FeedRange),
    /// A lease was not read, taken, renewed, moved or given back.
    #[error("{0}")]
    Lease(#[source] Error),
}

impl ProcessingError {
    /// Whether it would fail again without somebody who repairs something: worth an error in the log.
    pub(crate) fn needs_repair(&self) -> bool {
        matches!(self, Self::UnreadablePage(_) | Self::Gap(_))
    }
}

type OnLease = Box<dyn Fn(&str) + Send + Sync>;
type OnError = Box<dyn Fn(Option<&str>, &ProcessingError) + Send + Sync>;

/// Whom to tell.
#[derive(Default)]
pub(crate) struct Notifications {
    pub acquired: Option<OnLease>,
    pub released: Option<OnLease>,
    pub error: Option<OnError>,
}

impl Notifications {
    pub(crate) fn acquired(&self, lease_token: &str) {
        log::debug!("lease {lease_token} acquired");
        if let Some(notify) = &self.acquired {
            notify(lease_token);
        }
    }

    pub(crate) fn released(&self, lease_token: &str) {
        log::debug!("lease {lease_token} no longer held");
        if let Some(notify) = &self.released {
            notify(lease_token);
        }
    }

    /// `note` says what happens next.
    pub(crate) fn error(&self, lease_token: Option<&str>, error: &ProcessingError, note: &str) {
        let level = if error.needs_repair() { log::Level::Error } else { log::Level::Warn };
        let place = lease_token.map(|token| format!("lease {token}: ")).unwrap_or_default();
        log::log!(level, "{place}{error}{note}");
        if let Some(notify) = &self.error {
            notify(lease_token, error);
        }
    }
}

impl std::fmt::Debug for Notifications {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Notifications").finish_non_exhaustive()
    }
}
