//! What the handler receives along with a batch of changes.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::lease::FeedRange;

/// The context of one batch of changes.
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
    /// The name of the instance that owns the lease.
    pub fn instance_name(&self) -> &str {
        &self.instance_name
    }

    /// The token of the lease that the changes were read for.
    pub fn lease_token(&self) -> &str {
        &self.lease_token
    }

    /// The feed range of the monitored container that the changes were read from.
    pub fn feed_range(&self) -> &FeedRange {
        &self.range
    }

    /// The request units that reading the batch consumed.
    pub fn request_charge(&self) -> f64 {
        self.request_charge
    }

    /// Whether the lease was lost or the processor is stopping. The handler may then return an error early; the next
    /// owner of the lease receives the batch again.
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled() || self.lost.is_cancelled()
    }

    /// Waits until [`Self::is_cancelled`] is true.
    pub async fn cancelled(&self) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.lost.cancelled() => {}
        }
    }
}
