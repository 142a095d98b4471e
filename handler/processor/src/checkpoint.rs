//! Manual checkpoints: the handler decides when its changes are stored safely.

use std::sync::Arc;

use changefeed_cosmos::{Error, ErrorKind};

use crate::renewal::HeldLease;

/// Checkpoints the batch that it was delivered with. It may be used after the handler has returned, and in another
/// task. Checkpoints that arrive out of order never move the lease backward. When the handler fails, all changes since
/// the last checkpoint are redelivered with new checkpointers, and the old ones return an error.
pub struct Checkpointer {
    pub(crate) held: Arc<HeldLease>,
    pub(crate) page: u64,
    /// The continuation token that the service sent with the page.
    pub(crate) continuation: String,
}

impl Checkpointer {
    /// Records that this batch and every earlier batch of the lease were handled.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when this instance no longer owns the lease, or when the handler has failed
    /// since: changes that were not checkpointed are redelivered. Any other kind when the service fails.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        self.held.checkpoint(self.page, &self.continuation).await?;
        if self.held.is_ended().await {
            let lease = self.held.lease().await;
            let message = "the lease was released, acquired by another instance, or replaced after a split or merge";
            return Err(Error::new(
                ErrorKind::PreconditionFailed,
                format!("checkpointing lease {}", lease.lease_token),
                message,
            ));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Checkpointer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Checkpointer").field("continuation", &self.continuation).finish_non_exhaustive()
    }
}
