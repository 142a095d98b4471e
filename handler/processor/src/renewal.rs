//! A lease that this instance holds: renews it, checkpoints it, releases it, and detects its loss.
//!
//! A lock serializes the updates of one lease, so that each update knows the etag of the previous one. A lease is lost
//! once its document is deleted or names another owner; a cancellation token signals this to the running handler.
//!
//! A checkpoint never moves the lease backward. Pages are numbered in the order in which they were read. Checkpointing
//! a page after a later page has no effect. After the reader has gone back to the last checkpoint, checkpointing a page
//! from before that is an error.

use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::lease::{FailureOf, FeedRange, Lease, RangeEnvelope};
use crate::lease_store::LeaseStore;
use crate::mode::ChangeFeedMode;
use changefeed_cosmos::later;

pub(crate) struct HeldLease {
    store: LeaseStore,
    owner: String,
    state: Mutex<State>,
    lost: CancellationToken,
}

struct State {
    lease: Lease,
    /// The number of the page that was checkpointed last.
    checkpointed_page: u64,
    /// Pages up to this number are redelivered: they can no longer be checkpointed.
    last_void_page: u64,
    /// Whether the lease was released or deleted. This instance may have acquired it again as another `HeldLease`, so
    /// this one must not update it.
    ended: bool,
}

impl HeldLease {
    /// Acquires a lease that expires after `expiration` without renewal. `None` when another instance was faster.
    pub(crate) async fn acquire(
        store: &LeaseStore,
        lease: &Lease,
        owner: &str,
        expiration: Duration,
    ) -> Result<Option<Self>, Error> {
        let seen = lease.owner.clone();
        let acquired = store.update(lease, |current| {
            let mut acquired = Lease { owner: Some(owner.to_owned()), ..current.clone() };
            acquired.record_owner(store.clock().now(), expiration);
            // This instance is the owner already if an earlier attempt succeeded and its response was lost.
            (current.owner == seen || current.owner == acquired.owner).then_some(acquired)
        });
        Ok(acquired.await?.map(|lease| Self {
            store: store.clone(),
            owner: owner.to_owned(),
            state: Mutex::new(State { lease, checkpointed_page: 0, last_void_page: 0, ended: false }),
            lost: CancellationToken::new(),
        }))
    }

    /// Cancelled once the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Whether this instance no longer holds the lease: it was lost, released or deleted.
    pub(crate) async fn is_ended(&self) -> bool {
        self.lost.is_cancelled() || self.state.lock().await.ended
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.state.lock().await.lease.clone()
    }

    /// The lease, to read its range from the last checkpoint again after `pages` pages.
    pub(crate) async fn restart_from_checkpoint(&self, pages: u64) -> Lease {
        let mut state = self.state.lock().await;
        state.last_void_page = pages;
        state.lease.clone()
    }

    /// Records that every change up to page number `page`, whose continuation token is `continuation`, was handled.
    pub(crate) async fn checkpoint(&self, page: u64, continuation: &str) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        if page <= state.last_void_page {
            let action = format!("checkpointing lease {}", state.lease.lease_token);
            let message = "the handler has failed since, and its changes are redelivered from the last checkpoint";
            return Err(Error::new(ErrorKind::PreconditionFailed, action, message));
        }
        if page <= state.checkpointed_page {
            return Ok(());
        }
        let now = self.store.clock().now();
        self.update(&mut state, |lease| lease.checkpoint(continuation, now)).await?;
        if !self.lost.is_cancelled() && !state.ended {
            state.checkpointed_page = page;
        }
        Ok(())
    }

    /// Records the feed range of a lease that had none.
    pub(crate) async fn record_range(&self, range: &FeedRange) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        self.update(&mut state, |lease| lease.feed_range = Some(RangeEnvelope { range: range.clone() })).await
    }

    /// Records the continuation token at which a start from now begins.
    pub(crate) async fn record_start_from_now(&self, continuation: &str) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let as_dotnet = self.store.writes_as_dotnet();
        self.update(&mut state, |lease| lease.record_start_from_now(continuation, as_dotnet)).await
    }

    /// Records why the lease makes no progress; `None` once it makes progress again.
    pub(crate) async fn record_failure(&self, failure: Option<(FailureOf, &str)>) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let now = self.store.clock().now();
        self.update(&mut state, |lease| lease.record_failure(failure, now)).await
    }

    /// Releases the lease. It keeps its continuation token.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let as_dotnet = self.store.writes_as_dotnet();
        self.update(&mut state, |lease| {
            lease.owner = None;
            if as_dotnet && lease.mode() == ChangeFeedMode::AllVersionsAndDeletes {
                lease.forget_start_from_now();
            }
        })
        .await?;
        state.ended = true;
        Ok(())
    }

    /// Deletes the lease after other leases have replaced it.
    pub(crate) async fn delete(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        // Gets the latest etag, and detects whether another instance has acquired the lease.
        self.update(&mut state, |_| ()).await?;
        if self.lost.is_cancelled() {
            return Ok(());
        }
        self.store.delete(&state.lease).await?;
        state.ended = true;
        Ok(())
    }

    /// Whether this instance still owns the lease. An instance that was suspended for longer than `expiration` may have
    /// lost it unnoticed, and checks here before it does what only the owner may do.
    pub(crate) async fn confirm_ownership(&self, expiration: Duration) -> Result<bool, Error> {
        let mut state = self.state.lock().await;
        let written = state.lease.timestamp.unwrap_or_default();
        if later(written, expiration) < self.store.clock().now() {
            self.update(&mut state, |_| ()).await?;
        }
        Ok(!self.lost.is_cancelled())
    }

    /// Renews the lease every `interval` while this instance holds it. The first renewal is after half of `interval`.
    pub(crate) async fn renew_periodically(&self, interval: Duration, on_error: impl Fn(Error)) {
        let mut pause = interval / 2;
        while !self.is_ended().await {
            self.store.clock().sleep(pause).await;
            let mut state = self.state.lock().await;
            if let Err(error) = self.update(&mut state, |_| ()).await {
                on_error(error);
            }
            pause = interval;
        }
    }

    async fn update(&self, state: &mut MutexGuard<'_, State>, change: impl Fn(&mut Lease)) -> Result<(), Error> {
        if self.lost.is_cancelled() || state.ended {
            return Ok(());
        }
        let updated = self.store.update(&state.lease, |current| {
            let mut next = current.clone();
            change(&mut next);
            (current.owner.as_deref() == Some(&self.owner)).then_some(next)
        });
        match updated.await? {
            Some(updated) => state.lease = updated,
            None => self.lost.cancel(),
        }
        Ok(())
    }
}
