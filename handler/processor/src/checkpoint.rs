//! Manual checkpoints: the handler says when what it was given is safe.

use std::sync::Arc;

use crate::cosmos::{Error, ErrorKind};
use crate::renewal::HeldLease;

/// Moves a lease's bookmark behind the batch that it came with. It may be kept and used after the handler has returned,
/// also in another task: checkpoints that come in another order than the batches never move a bookmark backward. When the
/// handler fails, everything since the last checkpoint comes again with new checkpointers, and the old ones are refused.
pub struct Checkpointer {
    pub(crate) held: Arc<HeldLease>,
    pub(crate) page: u64,
    /// What the page came with.
    pub(crate) continuation: String,
}

impl Checkpointer {
    /// Records that this batch, and with it every earlier one of the lease, was handled.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when the lease is not held any more, or the handler has failed since: what was
    /// not checkpointed comes again. Any other kind as the service answers.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        self.held.checkpoint(self.page, &self.continuation).await?;
        if self.held.is_over().await {
            let lease = self.held.lease().await;
            let message = "it was given back, lost to another instance, split or merged";
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
