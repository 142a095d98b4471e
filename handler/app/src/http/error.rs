//! Turns errors into HTTP answers: `{"error":{"code","message","details"}}`. 405 carries `Allow`; 429 and 503 carry
//! `Retry-After`.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_operations::format_error;
use serde_json::json;

use super::error_code::ErrorCode;

/// After how many seconds a caller should retry, unless the service asks for more. Cosmos DB budgets request units by the second,
/// and the SDK has already retried for some seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// An error on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    /// The methods of the path, for 405.
    allowed: Option<String>,
    /// For 429 and 503.
    retry_after_seconds: u64,
}

impl ApiError {
    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// 403 for a function that a setting turns off.
    pub fn turned_off(setting: &str) -> Self {
        let message = format!("this function is for trying out, and {setting}=off turns it off");
        Self::new(ErrorCode::TurnedOff, message)
    }

    /// 404 for an unknown path.
    pub fn no_such_path(path: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("unknown path {path}"))
    }

    /// 405.
    pub fn wrong_method(method: &str, path: &str, allowed: String) -> Self {
        let message = format!("{method} is not supported on {path}; allowed: {allowed}");
        Self { allowed: Some(allowed), ..Self::new(ErrorCode::MethodNotAllowed, message) }
    }

    /// 408: no byte of the body arrived for this time.
    pub fn timed_out(idle: Duration) -> Self {
        let message = format!("no byte of the body arrived for {} seconds", idle.as_secs());
        Self::new(ErrorCode::RequestTimeout, message)
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than the limit of {limit} bytes");
        Self::new(ErrorCode::PayloadTooLarge, message)
    }

    /// 415.
    pub fn wrong_content_type(found: &str) -> Self {
        let message = format!("unsupported content type {found}; use application/json");
        Self::new(ErrorCode::UnsupportedMediaType, message)
    }

    /// 415 for a request that a page of another site makes a browser send.
    pub fn from_another_site() -> Self {
        let message =
            "the request comes from a page of another site, which may send application/json only, where CORS allows it";
        Self::new(ErrorCode::UnsupportedMediaType, message)
    }

    /// What failed, what was found and what is allowed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 503. The caller should retry, as the retry policy of the host does.
    pub fn try_again(error: &Error) -> Self {
        Self::new(ErrorCode::TryAgain, error.to_string()).retry_after(error)
    }

    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), allowed: None, retry_after_seconds: RETRY_AFTER_SECONDS }
    }

    fn retry_after(self, error: &Error) -> Self {
        let asked =
            error.retry_after().map_or(0, |asked| asked.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
        Self { retry_after_seconds: self.retry_after_seconds.max(asked), ..self }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Invalid => ErrorCode::InvalidRequest,
            ErrorKind::PlaceNotAllowed => ErrorCode::PlaceNotAllowed,
            ErrorKind::TooWide => ErrorCode::WindowTooWide,
            ErrorKind::NotFound => ErrorCode::NotFound,
            ErrorKind::Conflict => ErrorCode::Conflict,
            ErrorKind::PreconditionFailed => ErrorCode::PreconditionFailed,
            ErrorKind::TooLarge => ErrorCode::PayloadTooLarge,
            ErrorKind::Throttled => ErrorCode::Throttled,
            ErrorKind::Gone | ErrorKind::Unavailable => ErrorCode::Unavailable,
            ErrorKind::Corrupt => ErrorCode::CorruptData,
            ErrorKind::Internal => ErrorCode::InternalError,
            ErrorKind::Forbidden => ErrorCode::CosmosForbidden,
        };
        Self::new(code, error.to_string()).retry_after(&error)
    }
}

impl From<changefeed_backup_format::Error> for ApiError {
    fn from(error: changefeed_backup_format::Error) -> Self {
        format_error(error).into()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}: {}", self.code.status().as_u16(), self.code, self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(allowed) = &self.allowed {
            error["details"] = json!({"allowed": allowed});
        }
        let mut response = HttpResponse::build(self.code.status());
        if let Some(allowed) = &self.allowed {
            response.insert_header((ALLOW, allowed.as_str()));
        }
        if self.code.asks_for_retry() {
            response.insert_header((RETRY_AFTER, self.retry_after_seconds));
        }
        response.json(json!({"error": error}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(error: impl Into<ApiError>, name: actix_web::http::header::HeaderName) -> Option<String> {
        let response = error.into().error_response();
        response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn answers_that_ask_for_a_retry_say_when_and_others_do_not() {
        let of_kind = |kind| Error::new(kind, "reading", "no");
        for kind in [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Gone] {
            assert_eq!(header(of_kind(kind), RETRY_AFTER).as_deref(), Some("5"), "{kind:?}");
        }
        for (asked_ms, seconds) in [(70, "5"), (5_000, "5"), (5_001, "6"), (60_000, "60")] {
            let error = of_kind(ErrorKind::Throttled).with_retry_after(Some(Duration::from_millis(asked_ms)));
            assert_eq!(header(error, RETRY_AFTER).as_deref(), Some(seconds), "{asked_ms} ms");
        }
        assert_eq!(header(ApiError::try_again(&of_kind(ErrorKind::Invalid)), RETRY_AFTER).as_deref(), Some("5"));
        for kind in [ErrorKind::Invalid, ErrorKind::NotFound, ErrorKind::Forbidden] {
            assert_eq!(header(of_kind(kind), RETRY_AFTER), None, "{kind:?}");
        }
    }

    #[test]
    fn a_window_that_is_too_wide_is_a_wrong_request_with_a_code_of_its_own() {
        let error = ApiError::from(Error::new(ErrorKind::TooWide, "reading a window", "use a narrower window"));
        assert_eq!((error.code, error.status_code()), (ErrorCode::WindowTooWide, StatusCode::BAD_REQUEST));
        assert!(error.message.contains("use a narrower window"), "{error}");
    }

    #[test]
    fn a_wrong_method_is_answered_with_the_allowed_ones() {
        let error = ApiError::wrong_method("PUT", "/api/restores", "GET, POST".to_owned());
        assert_eq!(header(error, ALLOW).as_deref(), Some("GET, POST"));
    }
}
