//! Why data cannot be read or written.

/// Data cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PersistenceError(pub String);

impl From<fjall::Error> for PersistenceError {
    fn from(error: fjall::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for PersistenceError {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("a record is damaged: {error}"))
    }
}
