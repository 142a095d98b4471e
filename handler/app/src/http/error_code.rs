//! The codes of errors, for programs: each has its HTTP status and its meaning.

use actix_web::http::StatusCode;
use serde::Serialize;

/// The code of an error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ErrorCode {
    InvalidRequest,
    WindowTooWide,
    PlaceNotAllowed,
    TurnedOff,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    Throttled,
    CorruptData,
    InternalError,
    CosmosForbidden,
    Unavailable,
    TryAgain,
}

impl ErrorCode {
    /// The status of an answer with this code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::WindowTooWide | Self::PlaceNotAllowed => StatusCode::BAD_REQUEST,
            Self::TurnedOff => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::CorruptData | Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            // Cosmos DB refused this program, not its caller.
            Self::CosmosForbidden => StatusCode::BAD_GATEWAY,
            Self::Unavailable | Self::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::InvalidRequest => "the message says what was found and what is allowed",
            Self::WindowTooWide => {
                "the window has more versions than one request reads; the message has a window that fits"
            }
            Self::PlaceNotAllowed => "the location of a backup is not allowed by the settings",
            Self::TurnedOff => "a setting turns this function off",
            Self::NotFound => "no such path, record, document or container",
            Self::MethodNotAllowed => "the path does not have this method",
            Self::RequestTimeout => "no byte of the body arrived for 30 seconds",
            Self::Conflict => "the state of what the request is about does not allow it",
            Self::PreconditionFailed => "the item changed since it was read",
            Self::PayloadTooLarge => "the body or an item is too large",
            Self::UnsupportedMediaType => {
                "the body is not JSON, or a page of another site makes a browser send the request"
            }
            Self::Throttled => "Cosmos DB throttled the request, after retries",
            Self::CorruptData => "a stored record is damaged; the message names it",
            Self::InternalError => "a fault of this program",
            Self::CosmosForbidden => "Cosmos DB, or the storage of a backup, refused the app's own key or identity",
            Self::Unavailable => "Cosmos DB did not answer in time; send the request again",
            Self::TryAgain => "the batch could not be stored; send it again",
        }
    }

    /// Whether the answer says after how many seconds to send the request again.
    pub fn asks_for_retry(self) -> bool {
        matches!(self.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }
}
