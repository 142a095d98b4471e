//! Errors of the service and of the SDK, reduced to what a caller branches on.

use azure_data_cosmos::CosmosError;

/// The SDK's own sub-status for what it cannot ask all partitions for.
const UNSUPPORTED_QUERY: u16 = 20113;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 412: the etag was another one.
    PreconditionFailed,
    /// 429, after the SDK's own retries.
    Throttled,
    /// 413.
    TooLarge,
    /// 410.
    Gone,
    /// 408, 449, 5xx, or no connection: may pass.
    Unavailable,
    /// 401 and 403.
    Forbidden,
    /// 400 and anything else that would fail again.
    Invalid,
}

/// A failed operation: its kind, what was being done, and what the SDK says.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {message}")]
pub struct Error {
    kind: ErrorKind,
    action: String,
    message: String,
    /// Its text is in the message: it is not the source, which would tell it twice.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The SDK's error.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }

    /// Another kind of failure than the service's, in what `action` says.
    pub fn new(kind: ErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, action: action.into(), message: message.into(), cause: None }
    }

    pub(crate) fn invalid(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, action, message)
    }

    pub(super) fn from_sdk(action: impl Into<String>, error: CosmosError) -> Self {
        let kind = match u16::from(error.status().status_code()) {
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            410 => ErrorKind::Gone,
            412 => ErrorKind::PreconditionFailed,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Forbidden,
            408 | 449 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        let unsupported = error.status().sub_status().is_some_and(|code| code.value() == UNSUPPORTED_QUERY);
        let hint = if unsupported {
            " (COUNT and other aggregates are possible within one partition key value: give it)"
        } else {
            ""
        };
        Self { kind, action: action.into(), message: format!("{error}{hint}"), cause: Some(Box::new(error)) }
    }
}
