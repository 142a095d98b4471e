//! Reads one lease's range and hands the changes to the handler, batch by batch.
//!
//! The bookmark moves only after the handler has succeeded. A batch whose handler fails is read again from the bookmark
//! after a pause that grows; other leases go on meanwhile. From the second failure in a row on, the lease notes why it
//! does not get on, for whoever looks at the leases.
//!
//! A page that shows that the partition was split or merged is not handed over: other leases take this one's place, start
//! at its bookmark, and read what the page held. The race to mind: an instance is killed when it has made the others and
//! not yet deleted this one. They go on; this lease is taken later, and what it would hand over would be older than what
//! they did.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::builder::Checkpointing;
use crate::checkpoint::Checkpointer;
use crate::context::Context;
use crate::cosmos::{Error, ErrorKind, FeedPage, Position};
use crate::health::ProcessingError;
use crate::instance::Instance;
use crate::lease::{FeedRange, Lease};
use crate::locate::locate;
use crate::mode::ChangeFeedMode;
use crate::renewal::HeldLease;
use crate::start_from::StartFrom;
use crate::topology;

/// Processes the lease until it is lost, replaced by others, or `stop` is cancelled; in the last case it is given back.
pub(crate) async fn process(instance: Arc<Instance>, held: Arc<HeldLease>, stop: &CancellationToken) {
    let token = held.lease().await.lease_token;
    // In a task of its own: a handler that blocks its thread must not hold up the renewal. For the whole run: a handler
    // may still be at work when the processor is told to stop, and the lease must not expire.
    let mut keeping = JoinSet::new();
    keeping.spawn(keep(Arc::clone(&instance), Arc::clone(&held), token.clone()));
    RangeReader { instance: &instance, held: &held, stop, read_up_to: None, pages: 0, is_whole: false }
        .run(&token)
        .await;
    drop(keeping);
    if held.lost().is_cancelled() {
        log::info!("lease {token} was lost: another instance has it, or it was deleted");
    } else if stop.is_cancelled()
        && let Err(error) = held.release().await
    {
        instance.notifications.error(Some(&token), &ProcessingError::Lease(error), "; it will expire");
    }
    instance.notifications.released(&token);
}

async fn keep(instance: Arc<Instance>, held: Arc<HeldLease>, token: String) {
    let not_renewed = |error| {
        instance.notifications.error(Some(&token), &ProcessingError::Lease(error), "; it will be renewed later")
    };
    held.keep(instance.settings.lease_renew_interval, not_renewed).await;
}

struct RangeReader<'a> {
    instance: &'a Instance,
    held: &'a Arc<HeldLease>,
    stop: &'a CancellationToken,
    /// The continuation to go on from; none to go on from the lease's bookmark.
    read_up_to: Option<String>,
    /// How many pages were read.
    pages: u64,
    /// Whether no other lease is known to be within this one's range.
    is_whole: bool,
}

enum Progress {
    More,
    CaughtUp,
    /// The lease is not this instance's any more: other leases have taken its place, or another instance has it.
    Over,
}

impl RangeReader<'_> {
    async fn run(&mut self, token: &str) {
        let settings = &self.instance.settings;
        // A failure that the last owner noted is over when this one succeeds.
        let noted = self.held.lease().await.failure().is_some();
        let (mut failures, mut retry_delay) = (if noted { 2 } else { 0_u32 }, settings.first_retry_delay);
        loop {
            let page = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.held.lost().cancelled() => return,
                page = self.next_page() => page,
            };
            let progress = match page {
                Ok(Some((range, page))) => self.deliver(&range, page).await,
                Ok(None) => Ok(self.replaced()),
                Err(error) => Err(not_read(error)),
            };
            let pause = match progress {
                Ok(Progress::Over) => return,
                Ok(progress) => {
                    if failures > 1 {
                        self.note_failure(None).await;
                    }
                    (failures, retry_delay) = (0, settings.first_retry_delay);
                    if matches!(progress, Progress::CaughtUp) { settings.poll_delay } else { Duration::ZERO }
                }
                // A handler may give up when it is told to stop.
                Err(_) if self.stop.is_cancelled() || self.held.lost().is_cancelled() => return,
                Err(error) => {
                    let note = format!("; tried again in {:.1} s", retry_delay.as_secs_f64());
                    self.instance.notifications.error(Some(token), &error, &note);
                    if matches!(error, ProcessingError::Handler(_) | ProcessingError::HandlerPanicked) {
                        // What the handler was given since the last checkpoint may have failed with this batch.
                        self.read_up_to = None;
                    }
                    failures += 1;
                    if failures > 1 {
                        self.note_failure(Some(&error.to_string())).await;
                    }
                    let pause = retry_delay;
                    retry_delay = (retry_delay * 2).min(settings.last_retry_delay);
                    pause
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.held.lost().cancelled() => {}
                () = settings.clock.sleep(pause) => {}
            }
        }
    }

    async fn note_failure(&self, failure: Option<&str>) {
        // The lease's state is for people to look at; what happens does not depend on it.
        if let Err(error) = self.held.note_failure(failure).await {
            log::debug!("the state of a lease was not noted: {error}");
        }
    }

    /// The next page; none when an instance that was killed had begun to replace the lease, and that is finished now.
    async fn next_page(&mut self) -> Result<Option<(FeedRange, FeedPage)>, Error> {
        if !self.is_whole {
            if topology::finish_replacing(self.instance, self.held).await? {
                return Ok(None);
            }
            self.is_whole = true;
        }
        let lease = match self.read_up_to {
            Some(_) => self.held.lease().await,
            None => self.held.read_anew(self.pages).await,
        };
        let settings = &self.instance.settings;
        let range = match lease.range() {
            Some(range) => range,
            None => {
                let range = locate(&self.instance.monitored, &lease, settings.mode).await?;
                self.held.record_range(&range).await?;
                range
            }
        };
        let position = self.position(lease);
        let page = self.instance.monitored.read_feed(&range, &position, settings.mode, settings.max_items).await?;
        Ok(Some((range, page)))
    }

    fn replaced(&self) -> Progress {
        self.instance.rebalance.notify_one();
        Progress::Over
    }

    fn position(&self, lease: Lease) -> Position {
        let start = self.start(&lease);
        let fixed_now = lease.now().filter(|_| start == StartFrom::Now).map(str::to_owned);
        match (self.read_up_to.clone().or(lease.continuation_token).or(fixed_now), start) {
            (Some(continuation), _) => Position::Continuation(continuation),
            (None, StartFrom::Now) => Position::Now,
            (None, StartFrom::Beginning) => Position::Beginning,
            (None, StartFrom::Time(time)) => Position::Time(time),
        }
    }

    /// Where a lease without a bookmark starts.
    fn start(&self, lease: &Lease) -> StartFrom {
        lease.reset_to().map_or(self.instance.settings.start_from, StartFrom::at)
    }

    /// Records that there was nothing to handle up to `continuation`, so that a restart does not move the start. A start
    /// from now makes no bookmark: until something was handled, another start can be chosen.
    async fn record_start(&self, lease: &Lease, continuation: &str) -> Result<(), Error> {
        match (self.start(lease), lease.mode()) {
            (StartFrom::Now, ChangeFeedMode::LatestVersion) if lease.now().is_some() => Ok(()),
            (StartFrom::Now, ChangeFeedMode::LatestVersion) => self.held.fix_now(continuation).await,
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
            if !self.held.confirm(expiration).await.map_err(ProcessingError::Lease)? {
                return Ok(Progress::Over);
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
        let recorded = if caught_up && self.read_up_to.is_none() && lease.continuation_token.is_none() {
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

/// A page that cannot be read is never skipped: its range waits until it can be.
fn not_read(error: Error) -> ProcessingError {
    match error.kind() {
        ErrorKind::Invalid => ProcessingError::UnreadablePage(error),
        _ => ProcessingError::ChangeFeed(error),
    }
}
