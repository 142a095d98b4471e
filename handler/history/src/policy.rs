//! The one place that decides what follows from a failed write of a version.

use crate::cosmos::ErrorKind;

/// What to do with a version whose write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is there already: a redelivery, or another writer of the same version.
    AlreadyStored,
    /// Try again while there is time.
    Retry,
    /// It would fail for ever: keep it as a dead letter and go on.
    DeadLetter,
    /// The batch cannot be stored now; it must be delivered again.
    Fail,
}

/// Decides by the kind of the failure. What is not known to be the document's own fault fails the batch: a wrong setting
/// or a missing permission must not send documents to the dead letters.
pub(crate) fn decide(kind: ErrorKind) -> Decision {
    match kind {
        ErrorKind::Conflict => Decision::AlreadyStored,
        ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Gone => Decision::Retry,
        ErrorKind::TooLarge | ErrorKind::Invalid => Decision::DeadLetter,
        ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::PreconditionFailed => Decision::Fail,
    }
}
