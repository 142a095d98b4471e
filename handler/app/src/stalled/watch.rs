//! Looks at the leases of all feeds, and remembers those that make no progress.

use std::time::Duration;

use anyhow::Result;
use changefeed_history::Role;
use changefeed_processor::{ChangeFeedEstimator, Lease, LeaseLag, LeaseObservation, LeaseSet};
use chrono::Utc;

use super::describe::problem;
use super::record::WatchRecord;
use crate::feed::Feed;
use crate::service::Service;

/// A lease that the trigger has just acquired is released within some of these pauses, if the trigger cannot deliver its next page.
const PAUSE: Duration = Duration::from_millis(300);
const PAUSES: usize = 5;
/// Between two looks at a lease without progress. With a longer pause, nothing is known about the time between.
const MAX_GAP: Duration = Duration::from_secs(600);

/// What a look at the leases has shown.
#[derive(Debug, Default)]
pub struct Look {
    /// The leases of the feeds that could be read.
    pub leases: Vec<(Feed, LeaseLag)>,
    /// The leases with changes to process that have made no progress since the look before.
    pub observations: Vec<LeaseObservation>,
    /// The number of leases that got their first checkpoint, because a failure would have lost changes.
    pub pinned: usize,
    /// What could not be read or written.
    pub errors: Vec<String>,
}

impl Look {
    /// A sentence for each lease that makes no progress, and for each error.
    pub fn problems(&self) -> Vec<String> {
        let leases = self.leases.iter().filter_map(|(feed, lease)| {
            let lag = lease.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
            let (token, feed, state) = (&lease.lease_token, feed.name(), lease.state.name());
            Some(format!("lease {token} of {feed}: {state}, lag {lag}: {}", problem(lease)?))
        });
        leases.chain(self.errors.iter().cloned()).collect()
    }
}

/// Looks at all leases of a source, with what earlier looks have shown, and stores what this one has. With `pin`, leases in
/// AllVersionsAndDeletes mode without a checkpoint get one.
pub async fn look(service: &Service, pin: bool) -> Look {
    let mut look = Look::default();
    let jobs = service.changefeed.containers.of(Role::Jobs);
    let record = match WatchRecord::load(jobs).await {
        Ok(record) => Some(record),
        Err(error) => {
            look.errors.push(format!("could not read what earlier looks at the leases have shown: {error}"));
            None
        }
    };
    let earlier = record.as_ref().map(|record| record.leases.clone()).unwrap_or_default();
    for feed in service.feeds().iter().copied() {
        if let Err(error) = look_at(service, feed, &earlier, pin, &mut look).await {
            look.errors.push(format!("could not read the leases of {}: {error:#}", feed.name()));
        }
    }
    if let Some(record) = record
        && let Err(error) = record.replace(jobs, look.observations.clone()).await
    {
        look.errors.push(format!("could not store what a look at the leases has shown: {error}"));
    }
    look
}

async fn look_at(
    service: &Service,
    feed: Feed,
    earlier: &[LeaseObservation],
    pin: bool,
    look: &mut Look,
) -> Result<()> {
    let (container, leases) = service.feed_containers(feed).await?;
    let prefix = service.settings().lease_prefix(feed);
    let set = LeaseSet::open(prefix, container.clone(), leases.clone())?;
    if pin {
        look.pinned += set.pin_unstarted().await?;
    }
    let observed = observe(&set, earlier).await?;
    let estimator =
        ChangeFeedEstimator::new(prefix, container, leases)?.stalled_after(service.settings().stalled_after);
    let estimated = estimator.estimate_with(&observed).await?;
    let waits = |observation: &LeaseObservation| {
        let lease = estimated.iter().find(|lease| lease.lease_id == observation.lease_id);
        lease.is_some_and(|lease| lease.lag != Some(0))
    };
    look.observations.extend(observed.into_iter().filter(waits));
    look.leases.extend(estimated.into_iter().map(|lease| (feed, lease)));
    Ok(())
}

/// Looks at every lease of a feed. A lease that was free before and has an owner now may be one that the trigger is about to
/// release again, so it is looked at a few times.
async fn observe(set: &LeaseSet, earlier: &[LeaseObservation]) -> Result<Vec<LeaseObservation>> {
    let before = |lease: &Lease| earlier.iter().find(|observation| observation.lease_id == lease.id);
    let mut leases = set.all().await?;
    let was_free = |lease: &Lease| before(lease).is_some_and(|observation| !observation.is_owned);
    for _ in 0..PAUSES {
        if !leases.iter().any(|lease| was_free(lease) && lease.owner.is_some()) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        let again = set.all().await?;
        for lease in leases.iter_mut().filter(|lease| lease.owner.is_some()) {
            if let Some(later) = again.iter().find(|later| later.id == lease.id && later.owner.is_none()) {
                *lease = later.clone();
            }
        }
    }
    let now = Utc::now();
    let next = |lease: &Lease| match before(lease) {
        Some(observation) => observation.next(lease, now, MAX_GAP),
        None => LeaseObservation::first(lease, now),
    };
    Ok(leases.iter().map(next).collect())
}
