//! Moves the checkpoint of a lease past changes that its owner cannot process, while instances run.
//!
//! A lease that is stalled by a change has no owner most of the time: the Functions trigger acquires it, fails, and releases
//! it. Each acquisition starts from the stored continuation token, and every write of the trigger is based on the stored
//! document. So a new continuation token is not overwritten, if it was written while the lease had no owner, under the etag
//! that was read. Everything before the new position must have been processed by the caller first. A crash between the two
//! repeats that work and loses nothing. This was executed with the real trigger.

use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind};

use crate::change::Change;
use crate::feed::Position;
use crate::lease::Lease;
use crate::lease_set::LeaseSet;
use crate::lease_store::Replaced;
use crate::locate::{locate, partitions};
use crate::mode::ChangeFeedMode;
use crate::undeliverable::UndeliverableChange;

/// An acquisition that fails ends within this time.
const PAUSE: Duration = Duration::from_millis(200);
const ATTEMPTS: usize = 10;

/// A page of changes from the position of a lease.
#[derive(Debug)]
pub struct ChangePage {
    /// The changes; empty when there are no further ones.
    pub changes: Vec<Change>,
    /// The continuation token after them; `None` if the range was split, and an instance is to replace the lease first.
    pub continuation_token: Option<String>,
}

/// The outcome for a lease whose checkpoint was to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointMove {
    /// It has the new continuation token.
    Moved,
    /// It has an owner, and was not changed.
    Owned,
    /// It made progress, was replaced or was deleted meanwhile, and was not changed.
    Outdated,
}

impl LeaseSet {
    /// The page that the owner of a lease reads next: after `continuation_token`, or else from the position of the lease. A
    /// lease without a position starts from the beginning. After a split, the page of each part.
    ///
    /// # Errors
    /// When the page cannot be read. [`ErrorKind::Invalid`] for a lease in [`ChangeFeedMode::AllVersionsAndDeletes`] without a
    /// position.
    pub async fn next_page(&self, lease: &Lease, continuation_token: Option<&str>) -> Result<ChangePage, Error> {
        let stored = || lease.continuation_token.as_deref().or(lease.start_from_now());
        let position = match (continuation_token.or_else(stored), lease.mode()) {
            (Some(continuation), _) => Position::Continuation(continuation.to_owned()),
            (None, ChangeFeedMode::LatestVersion) => lease.reset_to().map_or(Position::Beginning, Position::Time),
            (None, ChangeFeedMode::AllVersionsAndDeletes) => {
                let action = format!("reading the changes of lease {}", lease.id);
                return Err(Error::invalid(action, "it has no continuation token, and this mode starts from now"));
            }
        };
        let range = match lease.range() {
            Some(range) => range,
            None => locate(lease, &partitions(&self.monitored, lease.mode()).await?).ok_or_else(|| {
                let action = format!("reading the changes of lease {}", lease.id);
                Error::new(ErrorKind::Gone, action, "its partition was split or merged")
            })?,
        };
        let page = self.monitored.read_feed(&range, &position, lease.mode(), None).await?;
        if page.continuation.is_some() {
            return Ok(ChangePage { changes: page.changes, continuation_token: page.continuation });
        }
        // The page is of one part of the range.
        let (mut parts, mut changes) = (page.parts, Vec::new());
        while let Some(part) = parts.pop() {
            let page = self.monitored.read_feed(&part, &position, lease.mode(), None).await?;
            match page.continuation {
                Some(_) => changes.extend(page.changes),
                // It was split again.
                None => parts.extend(page.parts),
            }
        }
        Ok(ChangePage { changes, continuation_token: None })
    }

    /// The first change of the next page of a lease that the Functions trigger cannot deliver.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub async fn first_undeliverable(&self, lease: &Lease) -> Result<Option<UndeliverableChange>, Error> {
        if lease.continuation_token.is_none() && lease.mode() == ChangeFeedMode::AllVersionsAndDeletes {
            return Ok(None);
        }
        Ok(UndeliverableChange::first(&self.next_page(lease, None).await?.changes, lease.mode()))
    }

    /// Stores `continuation_token` in a lease that still has the continuation token of `lease` and has no owner. Nothing else
    /// in the lease is changed. The caller has processed every change before the new position.
    ///
    /// # Errors
    /// When the lease cannot be read or written. It may have been written, if the reply was lost.
    pub async fn move_checkpoint(&self, lease: &Lease, continuation_token: &str) -> Result<CheckpointMove, Error> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.leases.clock().sleep(PAUSE).await;
            }
            let is_free = |current: &Lease| !current.is_owned();
            match self.store_token(lease, continuation_token, is_free).await? {
                Replaced::Done => return Ok(CheckpointMove::Moved),
                Replaced::Outdated => return Ok(CheckpointMove::Outdated),
                Replaced::Changed | Replaced::Refused => {}
            }
        }
        Ok(CheckpointMove::Owned)
    }

    /// Stores the current position in each lease in [`ChangeFeedMode::AllVersionsAndDeletes`] that has no continuation token,
    /// whether or not it has an owner. In this mode, a .NET processor that fails on the first batch of such a lease starts from
    /// now again, and the batch is lost. With a continuation token it is delivered again. Returns the number of leases written.
    ///
    /// # Errors
    /// When the leases cannot be read or written, or a position cannot be read.
    pub async fn pin_unstarted(&self) -> Result<usize, Error> {
        let mut pinned = 0;
        for lease in self.leases.all().await? {
            if lease.mode() != ChangeFeedMode::AllVersionsAndDeletes || lease.continuation_token.is_some() {
                continue;
            }
            let Some(range) = lease.range() else { continue };
            // A range of several partitions gets its tokens when an instance replaces the lease.
            let page = self.monitored.read_feed(&range, &Position::Now, lease.mode(), Some(std::num::NonZeroU32::MIN));
            let Some(now) = page.await?.continuation else { continue };
            for _ in 0..ATTEMPTS {
                match self.store_token(&lease, &now, |_| true).await? {
                    Replaced::Changed => {}
                    Replaced::Done => {
                        pinned += 1;
                        break;
                    }
                    Replaced::Outdated | Replaced::Refused => break,
                }
            }
        }
        Ok(pinned)
    }

    async fn store_token(
        &self,
        lease: &Lease,
        continuation_token: &str,
        is_allowed: impl Fn(&Lease) -> bool,
    ) -> Result<Replaced, Error> {
        match self.leases.replace_token(lease, continuation_token, is_allowed).await {
            // The write may have been executed: the next attempt finds out.
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(Replaced::Changed),
            result => result,
        }
    }
}
