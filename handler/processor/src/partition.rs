//! Reads one lease's range and hands the changes to the handler, batch by batch.
//!
//! The bookmark moves only after the handler has succeeded. A batch whose handler fails is read again from the bookmark
//! after a pause that grows; other leases go on meanwhile.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use log::Level;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::new_lease;
use crate::context::Context;
use crate::cosmos::{Error, ErrorKind, FeedPage, Position, RangeContinuation};
use crate::instance::Instance;
use crate::lease::{FeedRange, LeaseMode, VERSION_EPK_RANGE};
use crate::locate::locate;
use crate::renewal::HeldLease;
use crate::start_from::StartFrom;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Processes the lease until it is lost, split, or `stop` is cancelled; in the last case it is given back.
pub(crate) async fn process(instance: &Instance, held: &HeldLease, stop: &CancellationToken) {
    let token = held.lease().await.lease_token;
    // The whole run: a handler may still be at work when the processor is told to stop, and the lease must not expire.
    tokio::select! {
        () = held.keep(instance.settings.lease_renew_interval) => {}
        () = read_and_deliver(instance, held, stop) => {}
    }
    if held.lost().is_cancelled() {
        log::info!("lease {token} was lost to another instance");
    } else if stop.is_cancelled()
        && let Err(error) = held.release().await
    {
        log::warn!("lease {token} could not be released and will expire: {error}");
    }
}

async fn read_and_deliver(instance: &Instance, held: &HeldLease, stop: &CancellationToken) {
    let mut retry = FIRST_RETRY;
    loop {
        let step = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = held.lost().cancelled() => return,
            step = next_page(instance, held) => step,
        };
        let result = match step {
            Ok((range, page)) => {
                deliver(instance, held, stop, &range, page).await.map_err(|message| (Level::Warn, message))
            }
            Err(error) => Err(not_read(&error)),
        };
        let pause = match result {
            Ok(Delivered::More) => Duration::ZERO,
            Ok(Delivered::CaughtUp) => instance.settings.poll_delay,
            Ok(Delivered::Split) => return,
            // A handler may give up when it is told to stop.
            Err(_) if stop.is_cancelled() || held.lost().is_cancelled() => return,
            Err((level, message)) => {
                let token = held.lease().await.lease_token;
                log::log!(level, "lease {token}: {message}; tried again in {} s", retry.as_secs());
                let pause = retry;
                retry = (retry * 2).min(LAST_RETRY);
                wait(pause, held, stop).await;
                continue;
            }
        };
        retry = FIRST_RETRY;
        wait(pause, held, stop).await;
    }
}

/// How a page that was not read is reported. One that cannot be read is never skipped: its range waits until it can be.
fn not_read(error: &Error) -> (Level, String) {
    match error.kind() {
        ErrorKind::Invalid => {
            (Level::Error, format!("its range stands still, for the next page cannot be read: {error}"))
        }
        _ => (Level::Warn, error.to_string()),
    }
}

enum Delivered {
    More,
    CaughtUp,
    Split,
}

async fn next_page(instance: &Instance, held: &HeldLease) -> Result<(FeedRange, FeedPage), Error> {
    let lease = held.lease().await;
    let range = match lease.range() {
        Some(range) => range,
        None => {
            let range = locate(&instance.monitored, &lease, instance.settings.mode).await?;
            held.record_range(&range).await?;
            range
        }
    };
    let position = match (lease.continuation_token, instance.settings.start_from) {
        (Some(continuation), _) => Position::Continuation(continuation),
        (None, StartFrom::Now) => Position::Now,
        (None, StartFrom::Beginning) => Position::Beginning,
        (None, StartFrom::Time(time)) => Position::Time(time),
    };
    let page =
        instance.monitored.read_feed(&range, &position, instance.settings.mode, instance.settings.max_items).await?;
    Ok((range, page))
}

async fn deliver(
    instance: &Instance,
    held: &HeldLease,
    stop: &CancellationToken,
    range: &FeedRange,
    page: FeedPage,
) -> Result<Delivered, String> {
    let lease = held.lease().await;
    let caught_up = page.changes.is_empty();
    if !caught_up {
        let context = Context {
            lease_token: lease.lease_token.clone(),
            request_charge: page.request_charge,
            stop: stop.clone(),
            lost: held.lost().clone(),
        };
        let handled = AssertUnwindSafe((instance.handler)(context, page.changes)).catch_unwind().await;
        handled
            .map_err(|_| "the handler panicked".to_owned())?
            .map_err(|error| format!("the handler failed: {error}"))?;
    }
    match page.continuations.as_slice() {
        // An empty page still pins a start from now, so that a restart does not move it.
        [only] if !caught_up || lease.continuation_token.is_none() => {
            held.checkpoint(&only.continuation).await.map_err(|error| error.to_string())?;
        }
        [_] | [] => {}
        parts => {
            log::info!("range {}-{} was split into {}", range.min, range.max, parts.len());
            split(instance, held, parts).await.map_err(|error| error.to_string())?;
            return Ok(Delivered::Split);
        }
    }
    Ok(if caught_up { Delivered::CaughtUp } else { Delivered::More })
}

/// Replaces the lease by one for each part of its range.
async fn split(instance: &Instance, held: &HeldLease, parts: &[RangeContinuation]) -> Result<(), Error> {
    let parent = held.lease().await;
    for part in parts {
        let range = FeedRange { min: part.min_epk.clone(), max: part.max_epk.clone() };
        let mode = parent.mode.unwrap_or(LeaseMode::Incremental);
        let continuation = Some(part.continuation.clone());
        let child = new_lease(&instance.leases, VERSION_EPK_RANGE, range.token(), range, continuation, mode);
        instance.leases.create(&child).await?;
    }
    instance.leases.delete(&parent.id, parent.etag.as_deref()).await?;
    instance.rebalance.notify_one();
    Ok(())
}

async fn wait(pause: Duration, held: &HeldLease, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = held.lost().cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
