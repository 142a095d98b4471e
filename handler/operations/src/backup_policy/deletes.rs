//! Whether deletes are known: an increment has them from the history.

/// Whether every delete is captured now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletesKnown {
    /// It is.
    Yes,
    /// It is not, for this reason.
    No(String),
}
