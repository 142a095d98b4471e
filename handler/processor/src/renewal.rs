//! A lease that this instance holds: renewed, moved forward, given back, or found to be lost.
//!
//! Checkpoints and renewals of one lease take turns, so that each knows the etag the other left. A lease is lost as soon
//! as its document is gone or names another owner; what runs under it is told by a cancellation token.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::cosmos::{Error, LeaseStore};
use crate::lease::{FeedRange, Lease, RangeEnvelope};

pub(crate) struct HeldLease {
    store: LeaseStore,
    owner: String,
    lease: Mutex<Lease>,
    lost: CancellationToken,
}

impl HeldLease {
    /// Takes a lease; `None` when another instance was faster.
    pub(crate) async fn acquire(store: &LeaseStore, lease: &Lease, owner: &str) -> Result<Option<Self>, Error> {
        let seen = lease.owner.clone();
        let acquired = store.update(lease, |current| {
            (current.owner == seen).then(|| Lease { owner: Some(owner.to_owned()), ..current.clone() })
        });
        Ok(acquired.await?.map(|lease| Self {
            store: store.clone(),
            owner: owner.to_owned(),
            lease: Mutex::new(lease),
            lost: CancellationToken::new(),
        }))
    }

    /// Cancelled once the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    pub(crate) async fn lease(&self) -> Lease {
        self.lease.lock().await.clone()
    }

    /// Records that everything up to `continuation` was handled.
    pub(crate) async fn checkpoint(&self, continuation: &str) -> Result<(), Error> {
        self.update(|lease| lease.continuation_token = Some(continuation.to_owned())).await
    }

    /// Records the range of a lease that did not tell it.
    pub(crate) async fn record_range(&self, range: &FeedRange) -> Result<(), Error> {
        self.update(|lease| lease.feed_range = Some(RangeEnvelope { range: range.clone() })).await
    }

    /// Gives the lease back, with its bookmark.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        self.update(|lease| lease.owner = None).await
    }

    /// Renews the lease every `interval`, first after half of it, for as long as it is held. Never returns: a handler
    /// that is at work when the lease is lost is told so, not torn down.
    pub(crate) async fn keep(&self, interval: Duration) {
        let mut pause = interval / 2;
        while !self.lost.is_cancelled() {
            tokio::time::sleep(pause).await;
            if let Err(error) = self.update(|_| ()).await {
                log::warn!("lease {} could not be renewed: {error}", self.lease().await.lease_token);
            }
            pause = interval;
        }
        std::future::pending().await
    }

    async fn update(&self, change: impl Fn(&mut Lease)) -> Result<(), Error> {
        let mut lease = self.lease.lock().await;
        let updated = self.store.update(&lease, |current| {
            let mut next = current.clone();
            change(&mut next);
            (current.owner.as_deref() == Some(&self.owner)).then_some(next)
        });
        match updated.await? {
            Some(updated) => *lease = updated,
            None => self.lost.cancel(),
        }
        Ok(())
    }
}
