//! The documents of the containers: sample documents are written, documents are deleted, and queries are run.

use changefeed_history::Containers;
use changefeed_jobs::Jobs;

/// The number of documents that are done, and the number of all. It is called often, by one task at a time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// The documents of the containers.
#[derive(Clone, Debug)]
pub struct Documents {
    pub(crate) containers: Containers,
    pub(crate) jobs: Jobs,
    pub(crate) concurrency: usize,
}

impl Documents {
    /// The documents of these containers. Requests that change documents are recorded in the jobs container. `concurrency` is the number of
    /// concurrent writes.
    pub fn new(containers: Containers, jobs: Jobs, concurrency: usize) -> Self {
        Self { containers, jobs, concurrency }
    }
}
