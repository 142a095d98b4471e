//! Errors of the service and of the SDK, reduced to what a caller branches on.

use azure_data_cosmos::{CosmosError, SubStatusCode};

/// The SDK's own sub-status of a 500: what the service sent cannot be read.
const RESPONSE_BODY_INVALID: SubStatusCode = SubStatusCode::new(20020);

/// The SDK's own sub-status of a 500: a partition that is being split or merged is not there yet.
const SPLIT_RETRIES_EXHAUSTED: SubStatusCode = SubStatusCode::new(20206);

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
    /// 410: the range was split or merged.
    Gone,
    /// 408, 449, 5xx, or no connection: may pass.
    Unavailable,
    /// 401 and 403.
    Forbidden,
    /// Anything else, and answers that cannot be read: the same request would fail again.
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

    pub(crate) fn new(kind: ErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, action: action.into(), message: message.into(), cause: None }
    }

    pub(crate) fn from_sdk(action: impl Into<String>, error: CosmosError) -> Self {
        let status = error.status();
        let kind = match u16::from(status.status_code()) {
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            410 => ErrorKind::Gone,
            412 => ErrorKind::PreconditionFailed,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::Throttled,
            401 | 403 => ErrorKind::Forbidden,
            500 if status.sub_status() == Some(RESPONSE_BODY_INVALID) => ErrorKind::Invalid,
            500 if status.sub_status() == Some(SPLIT_RETRIES_EXHAUSTED) => ErrorKind::Gone,
            408 | 449 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        Self { kind, action: action.into(), message: error.to_string(), cause: Some(Box::new(error)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::StatusCode;
    use azure_data_cosmos::CosmosStatus;

    #[test]
    fn an_answer_that_cannot_be_read_is_told_from_a_service_that_fails() {
        let kind = |status: CosmosStatus| {
            Error::from_sdk("reading", CosmosError::builder().with_status(status).with_message("x").build()).kind()
        };
        let failed = CosmosStatus::new(StatusCode::InternalServerError);
        assert_eq!(kind(failed), ErrorKind::Unavailable);
        assert_eq!(kind(failed.with_sub_status(20020)), ErrorKind::Invalid);
    }
}
