//! Why an invocation failed, in the words of the real host. The handler receives them in `RetryContext.Exception`.

use std::net::SocketAddr;
use std::time::Duration;

use super::invalid_response::InvalidResponse;
use crate::error::HostFailure;

/// A failed invocation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvocationError {
    /// The handler responded with a status other than 2xx.
    #[error("Response status code does not indicate success: {status} ({reason}).")]
    Status {
        /// The status code.
        status: u16,
        /// The reason phrase that the handler sent with it.
        reason: String,
    },
    /// The handler does not listen.
    #[error("Connection refused ({address})")]
    Refused {
        /// Where it was expected to listen.
        address: SocketAddr,
    },
    /// No response arrived, or the connection broke.
    #[error("An error occurred while sending the request: {0}")]
    Transport(String),
    /// The response is not a JSON object of the expected shape, or has another media type.
    #[error("Invalid HttpResponseMessage:\n{0}")]
    InvalidResponse(Box<InvalidResponse>),
    /// The function timeout expired; the handler was killed.
    #[error("Timeout value of {0:?} exceeded by function. Initiating cancellation.")]
    Timeout(Duration),
    /// The host has shut down.
    #[error("{0}")]
    NoHandler(#[from] HostFailure),
}
