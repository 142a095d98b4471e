//! Which documents are erased: they are not captured, replayed, repaired or restored until the erasure is lifted.
//!
//! Only an HMAC of a document's name is stored, so the jobs container does not tell which documents were erased. Decision 11 in
//! `docs/decisions` says why it is stored there.
//!
//! Properties wanted: capture reads nothing for each document; a batch that began before a document was erased cannot bring it back.
//! Every process reads the set again after [`ErasureOptions::refresh`], so an erasure that is registered is known everywhere after that
//! time, and writes that were under way end within [`ErasureOptions::longest_write`]. An erasure removes what it finds, waits for
//! [`ErasureOptions::settle`], and removes again.

mod delivered;
mod document_set;
mod erased;
mod erased_record;
mod register;

use std::time::Duration;

pub(crate) use delivered::images;
pub use document_set::DocumentSet;
pub use erased::{Erased, ErasedSet};

/// What messages say of a document that is erased.
pub const ERASED: &str = "the document is erased";

/// How long it takes until an erasure is known everywhere.
#[derive(Clone, Copy, Debug)]
pub struct ErasureOptions {
    /// A process reads again which documents are erased when this time has passed since the last read.
    pub refresh: Duration,
    /// The longest time from the check of a document to the end of its write.
    pub longest_write: Duration,
}

impl ErasureOptions {
    /// The options where no write takes longer than this.
    pub fn new(longest_write: Duration) -> Self {
        Self { refresh: MAX_REFRESH.min(longest_write / 4), longest_write }
    }

    /// After this time, nothing that was under way when a document was erased can still write it.
    pub fn settle(&self) -> Duration {
        self.refresh + self.longest_write
    }
}

/// The longest time for which a process remembers which documents are erased.
const MAX_REFRESH: Duration = Duration::from_secs(10);
