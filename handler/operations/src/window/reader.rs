//! Reads the versions of a window, and the records of the restores that wrote some of them.

use changefeed_history::History;

use crate::restore::Restores;

/// Reads the versions of a window, and the records of the restores that wrote some of them.
#[derive(Clone, Debug)]
pub struct WindowReader {
    pub(super) history: History,
    pub(super) restores: Restores,
}

impl WindowReader {
    /// Reads from this history. The records of `restores` are in the jobs container.
    pub(crate) fn new(history: History, restores: Restores) -> Self {
        Self { history, restores }
    }
}
