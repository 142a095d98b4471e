//! What a handler is told beside the changes.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::lease::FeedRange;

/// The circumstances of one batch.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) instance_name: Arc<str>,
    pub(crate) lease_token: String,
    pub(crate) range: FeedRange,
    pub(crate) request_charge: f64,
    pub(crate) stop: CancellationToken,
    pub(crate) lost: CancellationToken,
}

impl Context {
    /// The name of the instance that holds the lease.
    pub fn instance_name(&self) -> &str {
        &self.instance_name
    }

    /// The token of the lease that the batch belongs to.
    pub fn lease_token(&self) -> &str {
        &self.lease_token
    }

    /// The range of the monitored container that the lease is of.
    pub fn feed_range(&self) -> &FeedRange {
        &self.range
    }

    /// Request units that reading the batch cost.
    pub fn request_charge(&self) -> f64 {
        self.request_charge
    }

    /// Whether the lease was lost or the processor is being stopped. A handler may end early with an error then; its
    /// batch is delivered again to whoever owns the lease next.
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.lost.is_cancelled()
    }

    /// Waits until [`Self::is_cancelled`].
    pub async fn cancelled(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.lost.cancelled() => {}
        }
    }
}
