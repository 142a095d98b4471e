//! What a sweep needs.

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::LazyContainer;

use super::pinned::HeldVersions;
use crate::containers::Containers;
use crate::retention_record::Horizon;

/// How long versions are stored.
#[derive(Clone, Debug)]
pub struct RetentionOptions {
    /// For how many days a version is stored after it was superseded; `None` is forever.
    pub days: Option<u32>,
    /// Writes in flight that capture and sweeps share.
    pub concurrency: usize,
    /// How long transient failures of a write are retried.
    pub timeout: Duration,
}

/// Removes versions that were superseded longer ago than they are to be stored.
#[derive(Clone, Debug)]
pub struct Retention {
    pub(super) changes: LazyContainer,
    pub(super) record: Horizon,
    pub(super) held: Arc<dyn HeldVersions>,
    pub(super) options: RetentionOptions,
}

impl Retention {
    /// The retention of the history in these containers; `held` names the versions that unfinished work needs.
    pub fn new(containers: &Containers, held: Arc<dyn HeldVersions>, options: RetentionOptions) -> Self {
        Self { changes: containers.changes.clone(), record: Horizon::new(containers.jobs.clone()), held, options }
    }
}
