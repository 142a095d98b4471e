//! Which failures concern a document itself.

use changefeed_cosmos::{Error, ErrorKind};

/// Whether the document itself is at fault, so that every attempt would fail. Any other failure fails the batch: a wrong
/// setting or a missing permission must not make dead letters.
pub(super) fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Invalid | ErrorKind::Corrupt)
}
