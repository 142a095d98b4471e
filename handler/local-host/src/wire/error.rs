//! Why a request to the handler got no response.

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("{0}")]
    Connect(std::io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    /// The connection was closed before the response was complete.
    #[error("the response ended prematurely")]
    Ended,
    #[error("nothing arrived for {0:?}")]
    Silent(std::time::Duration),
    #[error("received an invalid response: {0}")]
    Malformed(&'static str),
}
