//! What the steps of the capture of a batch know.

use std::sync::Arc;

use changefeed_cosmos::{Container, LazyContainer};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::capture_rules::CheckedRules;
use crate::erasure::ErasedSet;
use crate::history::History;
use crate::observed::Batch;

/// A batch that is being captured.
pub(super) struct Context<'a> {
    pub history: &'a History,
    pub dead_letters: &'a LazyContainer,
    /// Requests in flight for one document each, of one part of the batch.
    pub concurrency: usize,
    pub batch: &'a Batch,
    /// Until then, transient failures are retried.
    pub deadline: Instant,
    /// Permits for the bytes of documents that are stored at the same time.
    pub bytes_in_flight: Semaphore,
    pub monitored: Container,
    /// The documents that are not captured.
    pub erased: Arc<ErasedSet>,
    /// What is never stored.
    pub rules: CheckedRules,
    /// See [`separates_documents`](crate::separates_documents).
    pub separates_documents: bool,
}
