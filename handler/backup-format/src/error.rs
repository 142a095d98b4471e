//! Errors of reading and writing backups, by the kind that a caller branches on.

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong, and would fail again.
    Invalid,
    /// There is no such file or backup.
    NotFound,
    /// Another file or backup with this name exists.
    Conflict,
    /// The file was changed since it was read, or another writer has taken over the backup.
    PreconditionFailed,
    /// The token of the identity must not be sent to this location, or it is outside of the account of the connection string.
    PlaceNotAllowed,
    /// Access was denied, or there are no credentials.
    Forbidden,
    /// The storage does not allow the file to be changed or deleted: it is immutable.
    Protected,
    /// The storage account still throttled the request after retries.
    Throttled,
    /// The location cannot be reached now; a later attempt may succeed.
    Unavailable,
    /// A file or listing is larger than the limit.
    TooLarge,
    /// The backup is damaged.
    Corrupt,
    /// A fault of this program or of this machine.
    Internal,
}

/// A failed operation: its kind, the action that failed, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {message}")]
pub struct Error {
    kind: ErrorKind,
    action: String,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, action: action.into(), message: message.into() }
    }

    pub(crate) fn invalid(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, action, message)
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done: `reading manifest.json in /backups/b`.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Why it failed.
    pub fn message(&self) -> &str {
        &self.message
    }
}
