//! The documents in the containers, as they are: sample documents, deletes and queries.

use changefeed_history::Containers;

/// The documents in the containers.
#[derive(Clone, Debug)]
pub struct Documents {
    pub(crate) containers: Containers,
    pub(crate) concurrency: usize,
}

impl Documents {
    /// The documents in these containers. `concurrency` is the number of writes in flight.
    pub fn new(containers: Containers, concurrency: usize) -> Self {
        Self { containers, concurrency }
    }
}
