//! Reads the feed range of one lease and delivers the changes to the handler, batch by batch.
//!
//! The lease is checkpointed only after the handler has succeeded. After it has failed, the reader goes back to the
//! last checkpoint and redelivers, after a delay that increases with each failure. Other leases are not affected. From
//! the second failure in a row on, the lease records the reason, so that the estimator can report it.
//!
//! A page that shows a split or merge of the partition is not delivered. New leases replace this one, start at its
//! continuation token, and read the same changes.
//!
//! The race to mind: an instance dies after it has created the new leases and before it has deleted this one. The new
//! leases make progress. The next owner of this lease must not deliver from it, because its changes are older than
//! those of the new leases.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{Error, ErrorKind, pause_before_retry};
use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpointer;
use crate::context::Context;
use crate::feed::{FeedPage, Position};
use crate::health::ProcessingError;
use crate::instance::{Checkpointing, Instance};
use crate::lease::{FailureOf, FeedRange, Lease};
use crate::locate::{locate, partitions};
use crate::mode::ChangeFeedMode;
use crate::orphan;
use crate::polling::Polling;
use crate::renewal::HeldLease;
use crate::start_from::StartFrom;
use crate::topology;

/// Processes the lease until it is lost or replaced, or until `stop` is cancelled, in which case it is released.
pub(crate) async fn process(instance: Arc<Instance>, held: Arc<HeldLease>, stop: &CancellationToken) {
    let token = held.lease().await.lease_token;
    // A task of its own, because a handler may block its thread. It outlives `stop`, because a handler may still be
    // running then and the lease must not expire.
    let mut renewal = JoinSet::new();
    renewal.spawn(renew(Arc::clone(&instance), Arc::clone(&held), token.clone()));
    let failed = RangeReader {
        instance: &instance,
        held: &held,
        stop,
        read_up_to: None,
        pages: 0,
        is_sole_lease: false,
        polling: Polling::default(),
    }
    .run(&token)
    .await
    .is_err();
    drop(renewal);
    if held.lost().is_cancelled() {
        log::info!("lease {token} was lost: another instance has acquired it, or it was deleted");
    } else if (failed || stop.is_cancelled())
        && let Err(error) = held.release().await
    {
        instance.notifications.error(
            Some(&token),
            &ProcessingError::Lease(error),
            "; the lease remains owned until it expires",
        );
    }
    instance.notifications.released(&token);
}

async fn renew(instance: Arc<Instance>, held: Arc<HeldLease>, token: String) {
    let on_error = |error| {
        instance.notifications.error(Some(&token), &ProcessingError::Lease(error), "; renewing the lease again later")
    };
    held.renew_periodically(instance.settings.lease_renew_interval, on_error).await;
}

struct RangeReader<'a> {
    instance: &'a Instance,
    held: &'a Arc<HeldLease>,
    stop: &'a CancellationToken,
    /// The continuation token of the last page that was read; `None` to continue from the last checkpoint.
    read_up_to: Option<String>,
    /// How many pages were read.
    pages: u64,
    /// Whether it is established that no other lease is within the range of this one.
    is_sole_lease: bool,
    polling: Polling,
}

/// The lease is to be released, as a .NET processor does after a failure.
struct Failed;

enum Progress {
    More,
    CaughtUp,
    /// This instance no longer owns the lease: it was replaced, or another instance has acquired it.
    Ended,
}

impl RangeReader<'_> {
    async fn run(&mut self, token: &str) -> Result<(), Failed> {
        let settings = &self.instance.settings;
        // Success clears a failure that the previous owner recorded, so it counts as failed more than once.
        let has_failed = self.held.lease().await.failure().is_some();
        let (mut failures, mut retry_delay) = (if has_failed { 2 } else { 0_u32 }, settings.first_retry_delay);
        loop {
            let page = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = self.held.lost().cancelled() => return Ok(()),
                page = self.next_page() => page,
            };
            let progress = match page {
                Ok(Some((range, page))) => self.deliver(&range, page).await,
                Ok(None) => Ok(self.replaced()),
                Err(error) => Err(read_failed(error)),
            };
            let pause = match progress {
                Ok(Progress::Ended) => return Ok(()),
                Ok(progress) => {
                    if failures > 1 {
                        self.record_failure(None).await;
                    }
                    (failures, retry_delay) = (0, settings.first_retry_delay);
                    if matches!(progress, Progress::CaughtUp) {
                        self.polling.pause(settings)
                    } else {
                        self.polling.note_changes(settings);
                        Duration::ZERO
                    }
                }
                // A handler may return an error when it is cancelled.
                Err(_) if self.stop.is_cancelled() || self.held.lost().is_cancelled() => return Ok(()),
                Err(error) if settings.as_dotnet && !error.is_throttling() => {
                    self.instance.notifications.error(Some(token), &error, "; releasing the lease");
                    return Err(Failed);
                }
                Err(error) => {
                    let pause = pause_before_retry(retry_delay, error.retry_after());
                    let next_step = format!("; retrying in {:.1} s", pause.as_secs_f64());
                    self.instance.notifications.error(Some(token), &error, &next_step);
                    if matches!(error, ProcessingError::Handler(_) | ProcessingError::HandlerPanicked) {
                        // With manual checkpoints, earlier batches since the last checkpoint may have failed too.
                        self.read_up_to = None;
                    }
                    failures += 1;
                    if failures > 1 {
                        self.record_failure(Some((error.failure_of(), &error.to_string()))).await;
                    }
                    retry_delay = (retry_delay * 2).min(settings.max_retry_delay);
                    pause
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.held.lost().cancelled() => {}
                () = settings.clock.sleep(pause) => {}
            }
        }
    }

    async fn record_failure(&self, failure: Option<(FailureOf, &str)>) {
        // The record is for monitoring only; processing does not depend on it.
        if let Err(error) = self.held.record_failure(failure).await {
            log::debug!("could not record whether a lease is failing: {error}");
        }
    }

    /// The next page. `None` if the lease was replaced: an instance died while it did so, or the partition of a lease without a
    /// range no longer exists.
    async fn next_page(&mut self) -> Result<Option<(FeedRange, FeedPage)>, Error> {
        if !self.is_sole_lease {
            if topology::finish_replacing(self.instance, self.held).await? {
                return Ok(None);
            }
            self.is_sole_lease = true;
        }
        let lease = match self.read_up_to {
            Some(_) => self.held.lease().await,
            None => self.held.restart_from_checkpoint(self.pages).await,
        };
        let settings = &self.instance.settings;
        let range = match lease.range() {
            Some(range) => range,
            None => {
                let partitions = partitions(&self.instance.monitored, settings.mode).await?;
                let Some(range) = locate(&lease, &partitions) else {
                    orphan::replace(self.instance, self.held, &partitions).await?;
                    return Ok(None);
                };
                self.held.record_range(&range).await?;
                range
            }
        };
        let position = self.position(&lease);
        let page = self.instance.monitored.read_feed(&range, &position, settings.mode, settings.max_items).await?;
        Ok(Some((range, page)))
    }

    fn replaced(&self) -> Progress {
        self.instance.rebalance.notify_one();
        Progress::Ended
    }

    fn position(&self, lease: &Lease) -> Position {
        if let Some(continuation) = self.read_up_to.as_deref().or(lease.checkpointed()) {
            return Position::Continuation(continuation.to_owned());
        }
        match (self.start(lease), lease.start_from_now()) {
            (StartFrom::Now, Some(now)) => Position::Continuation(now.to_owned()),
            (StartFrom::Now, None) => Position::Now,
            (StartFrom::Beginning, _) => Position::Beginning,
            (StartFrom::Time(time), _) => Position::Time(time),
        }
    }

    /// Where a lease without a checkpoint starts.
    fn start(&self, lease: &Lease) -> StartFrom {
        lease.reset_to().map_or(self.instance.settings.start_from, StartFrom::at)
    }

    /// Records that there were no changes up to `continuation`, so that a restart does not move the start. For a start
    /// from now this is not a checkpoint: until the first checkpoint, the operator can choose another start.
    async fn record_start(&self, lease: &Lease, continuation: &str) -> Result<(), Error> {
        let as_dotnet = self.instance.settings.as_dotnet;
        match (self.start(lease), lease.mode()) {
            (StartFrom::Now, ChangeFeedMode::AllVersionsAndDeletes) if as_dotnet => Ok(()),
            // Leases of earlier versions have it in the property only.
            (StartFrom::Now, ChangeFeedMode::LatestVersion)
                if lease.start_from_now().is_some() && (as_dotnet || lease.continuation_token.is_some()) =>
            {
                Ok(())
            }
            (StartFrom::Now, ChangeFeedMode::LatestVersion) => self.held.record_start_from_now(continuation).await,
            _ => self.held.checkpoint(self.pages, continuation).await,
        }
    }

    async fn deliver(&mut self, range: &FeedRange, page: FeedPage) -> Result<Progress, ProcessingError> {
        let lease = self.held.lease().await;
        let continuation = match page.continuation.clone().filter(|_| !topology::is_renamed(&lease, &page)) {
            Some(continuation) => continuation,
            None => {
                topology::replace(self.instance, self.held, &page.parts).await.map_err(ProcessingError::Lease)?;
                return Ok(self.replaced());
            }
        };
        self.pages += 1;
        let caught_up = page.changes.is_empty();
        if !caught_up {
            let expiration = self.instance.settings.lease_expiration_interval;
            if !self.held.confirm_ownership(expiration).await.map_err(ProcessingError::Lease)? {
                return Ok(Progress::Ended);
            }
            let context = Context {
                instance_name: Arc::clone(&self.instance.settings.instance_name),
                lease_token: lease.lease_token.clone(),
                range: range.clone(),
                request_charge: page.request_charge,
                stop: self.stop.clone(),
                lost: self.held.lost().clone(),
            };
            let checkpointer =
                Checkpointer { held: Arc::clone(self.held), page: self.pages, continuation: continuation.clone() };
            let running = AssertUnwindSafe((self.instance.handler)(context, page.changes, checkpointer)).catch_unwind();
            running.await.map_err(|_| ProcessingError::HandlerPanicked)?.map_err(ProcessingError::Handler)?;
        }
        let recorded = if caught_up && self.read_up_to.is_none() && lease.checkpointed().is_none() {
            self.record_start(&lease, &continuation).await
        } else if !caught_up && self.instance.settings.checkpointing == Checkpointing::Automatic {
            self.held.checkpoint(self.pages, &continuation).await
        } else {
            Ok(())
        };
        recorded.map_err(ProcessingError::Lease)?;
        self.read_up_to = Some(continuation);
        Ok(if caught_up { Progress::CaughtUp } else { Progress::More })
    }
}

/// A page that cannot be read is never skipped: its feed range makes no progress until the page can be read.
fn read_failed(error: Error) -> ProcessingError {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::Internal => ProcessingError::UnreadablePage(error),
        _ => ProcessingError::ChangeFeed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_page_is_distinguished_from_an_unavailable_service() {
        let is_unreadable = |kind| {
            let error = Error::new(kind, "reading the change feed", "x");
            matches!(read_failed(error), ProcessingError::UnreadablePage(_))
        };
        assert!([ErrorKind::Invalid, ErrorKind::Corrupt, ErrorKind::Internal].into_iter().all(is_unreadable));
        let transient = [ErrorKind::Throttled, ErrorKind::Gone, ErrorKind::Unavailable];
        assert!(!transient.into_iter().any(is_unreadable));
    }
}
