//! A lease that this instance holds: renewed, moved forward, given back, or found to be lost.
//!
//! Checkpoints and renewals of one lease take turns, so that each knows the etag the other left. A lease is lost as soon
//! as its document is gone or names another owner; what runs under it is told by a cancellation token. Bookmarks only
//! move forward: pages are numbered in the order in which they were read, the checkpoint of an earlier page after that of
//! a later one changes nothing, and one of a page from before the range was read anew from the bookmark is refused.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::clock::later;
use crate::cosmos::{Error, ErrorKind, LeaseStore};
use crate::lease::{FeedRange, Lease, RangeEnvelope};

pub(crate) struct HeldLease {
    store: LeaseStore,
    owner: String,
    state: Mutex<State>,
    lost: CancellationToken,
}

struct State {
    lease: Lease,
    /// The number of the page that the bookmark is of.
    page: u64,
    /// Pages up to this one are void: the range was read anew since.
    void: u64,
    /// Whether the lease was given back or deleted: it may be held anew by then, and is not this one's to write.
    over: bool,
}

impl HeldLease {
    /// Takes a lease, to be renewed within `expiration`; `None` when another instance was faster.
    pub(crate) async fn acquire(
        store: &LeaseStore,
        lease: &Lease,
        owner: &str,
        expiration: Duration,
    ) -> Result<Option<Self>, Error> {
        let seen = lease.owner.clone();
        let acquired = store.update(lease, |current| {
            let mut taken = Lease { owner: Some(owner.to_owned()), ..current.clone() };
            taken.note_holder(store.clock().now(), expiration);
            // Its own name is there when it has taken the lease, and the reply was lost.
            (current.owner == seen || current.owner == taken.owner).then_some(taken)
        });
        Ok(acquired.await?.map(|lease| Self {
            store: store.clone(),
            owner: owner.to_owned(),
            state: Mutex::new(State { lease, page: 0, void: 0, over: false }),
            lost: CancellationToken::new(),
        }))
    }

    /// Cancelled once the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Whether the lease is not held any more, for whatever reason.
    pub(crate) async fn is_over(&self) -> bool {
        self.lost.is_cancelled() || self.state.lock().await.over
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.state.lock().await.lease.clone()
    }

    /// The lease, to read its range anew from the bookmark after `pages` pages.
    pub(crate) async fn read_anew(&self, pages: u64) -> Lease {
        let mut state = self.state.lock().await;
        state.void = pages;
        state.lease.clone()
    }

    /// Records that everything up to `continuation`, which page number `page` came with, was handled.
    pub(crate) async fn checkpoint(&self, page: u64, continuation: &str) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        if page <= state.void {
            let action = format!("checkpointing lease {}", state.lease.lease_token);
            let message = "the handler failed since, and what it was given before comes again";
            return Err(Error::new(ErrorKind::PreconditionFailed, action, message));
        }
        if page <= state.page {
            return Ok(());
        }
        let now = self.store.clock().now();
        self.update(&mut state, |lease| lease.move_to(continuation, now)).await?;
        if !self.lost.is_cancelled() && !state.over {
            state.page = page;
        }
        Ok(())
    }

    /// Records the range of a lease that did not tell it.
    pub(crate) async fn record_range(&self, range: &FeedRange) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        self.update(&mut state, |lease| lease.feed_range = Some(RangeEnvelope { range: range.clone() })).await
    }

    /// Records where a start from now begins.
    pub(crate) async fn fix_now(&self, continuation: &str) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        self.update(&mut state, |lease| lease.fix_now(continuation)).await
    }

    /// Records why the lease does not move forward, or that it does again.
    pub(crate) async fn note_failure(&self, failure: Option<&str>) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let now = self.store.clock().now();
        self.update(&mut state, |lease| lease.note_failure(failure, now)).await
    }

    /// Gives the lease back, with its bookmark.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        self.update(&mut state, |lease| lease.owner = None).await?;
        state.over = true;
        Ok(())
    }

    /// Deletes the lease, after others have taken its place.
    pub(crate) async fn delete(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        // The etag must be the newest one, and the lease still this instance's.
        self.update(&mut state, |_| ()).await?;
        if self.lost.is_cancelled() {
            return Ok(());
        }
        self.store.delete(&state.lease).await?;
        state.over = true;
        Ok(())
    }

    /// Whether the lease is still this instance's. One that was held up for longer than `expiration` may have lost it
    /// without knowing: it asks, before it does what only the owner may.
    pub(crate) async fn confirm(&self, expiration: Duration) -> Result<bool, Error> {
        let mut state = self.state.lock().await;
        let written = state.lease.timestamp.unwrap_or_default();
        if later(written, expiration) < self.store.clock().now() {
            self.update(&mut state, |_| ()).await?;
        }
        Ok(!self.lost.is_cancelled())
    }

    /// Renews the lease every `interval`, first after half of it, for as long as it is held.
    pub(crate) async fn keep(&self, interval: Duration, on_error: impl Fn(Error)) {
        let mut pause = interval / 2;
        while !self.is_over().await {
            self.store.clock().sleep(pause).await;
            let mut state = self.state.lock().await;
            if let Err(error) = self.update(&mut state, |_| ()).await {
                on_error(error);
            }
            pause = interval;
        }
    }

    async fn update(&self, state: &mut MutexGuard<'_, State>, change: impl Fn(&mut Lease)) -> Result<(), Error> {
        if self.lost.is_cancelled() || state.over {
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
