//! A running processor instance: balances the leases, processes those that it acquires, and releases them on stop.

use std::collections::HashMap;
use std::sync::Arc;

use changefeed_cosmos::Error;
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::balance::missing_share;
use crate::coverage::{gap, overlap};
use crate::health::ProcessingError;
use crate::instance::Instance;
use crate::lease::{FeedRange, Lease};
use crate::partition::process;
use crate::renewal::HeldLease;

/// A started processor. Dropping it also stops it, without waiting.
#[derive(Debug)]
pub struct RunningProcessor {
    instance_name: Arc<str>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl RunningProcessor {
    pub(crate) fn start(instance: Instance) -> Self {
        let stop = CancellationToken::new();
        let instance_name = Arc::clone(&instance.settings.instance_name);
        let task = tokio::spawn(run(Arc::new(instance), stop.clone()));
        Self { instance_name, stop, task: Some(task) }
    }

    /// The owner that this instance writes into its leases.
    pub fn instance_name(&self) -> &str {
        &self.instance_name
    }

    /// Stops reading, waits for running handlers, checkpoints what they finished, and releases the leases.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(Err(error)) = match self.task.take() {
            Some(task) => Some(task.await),
            None => None,
        } {
            log::error!("the processor ended unexpectedly: {error}");
        }
    }
}

impl Drop for RunningProcessor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(instance: Arc<Instance>, stop: CancellationToken) {
    let mut held: HashMap<String, JoinHandle<()>> = HashMap::new();
    let mut checks = CoverageChecks::default();
    while !stop.is_cancelled() {
        held.retain(|_, task| !task.is_finished());
        if let Err(error) = balance_leases(&instance, &mut held, &mut checks, &stop).await {
            instance.notifications.error(None, &ProcessingError::Lease(error), "; balancing the leases again later");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = instance.rebalance.notified() => {}
            () = instance.settings.clock.sleep(instance.settings.lease_acquire_interval) => {}
        }
    }
    join_all(held.into_values()).await;
}

async fn balance_leases(
    instance: &Arc<Instance>,
    held: &mut HashMap<String, JoinHandle<()>>,
    checks: &mut CoverageChecks,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let settings = &instance.settings;
    let all = instance.leases.all().await?;
    if let Some(gap) = checks.gap.observe(gap(&all)) {
        instance.notifications.error(None, &ProcessingError::Gap(gap), "");
    }
    if let Some(overlap) = checks.overlap.observe(overlap(&all)) {
        instance.notifications.error(None, &ProcessingError::Overlap(overlap), "");
    }
    // This instance owns leases that it does not process if it has restarted, or if a task has died.
    for lease in &all {
        if lease.owner.as_deref() == Some(&*settings.instance_name) && !held.contains_key(&lease.id) {
            acquire(instance, held, stop, lease).await;
        }
    }
    let now = settings.clock.now();
    let mut share = missing_share(&all, &settings.instance_name, now, settings.lease_expiration_interval);
    for lease in &share.candidates {
        if share.missing == 0 {
            break;
        }
        if held.contains_key(&lease.id) || acquire(instance, held, stop, lease).await {
            share.missing -= 1;
        }
    }
    Ok(())
}

/// Acquires a lease and starts to process it. A failure is reported and does not delay the other leases.
async fn acquire(
    instance: &Arc<Instance>,
    held: &mut HashMap<String, JoinHandle<()>>,
    stop: &CancellationToken,
    lease: &Lease,
) -> bool {
    let settings = &instance.settings;
    let acquired =
        HeldLease::acquire(&instance.leases, lease, &settings.instance_name, settings.lease_expiration_interval);
    match acquired.await {
        Ok(Some(acquired)) => {
            instance.notifications.acquired(&lease.lease_token);
            let (instance, stop) = (Arc::clone(instance), stop.clone());
            let task = tokio::spawn(async move { process(instance, Arc::new(acquired), &stop).await });
            held.insert(lease.id.clone(), task);
            true
        }
        Ok(None) => false,
        Err(error) => {
            let error = ProcessingError::Lease(error);
            instance.notifications.error(Some(&lease.lease_token), &error, "; the lease was not acquired");
            false
        }
    }
}

/// Whether the leases cover the monitored container exactly once, over several balancing passes.
#[derive(Default)]
struct CoverageChecks {
    gap: CoverageCheck,
    overlap: CoverageCheck,
}

/// Reports a range once, when it is found for the second time in a row: the query over the leases is not a snapshot,
/// and a lease may be replaced during it.
#[derive(Default)]
struct CoverageCheck {
    last: Option<FeedRange>,
    reported: bool,
}

impl CoverageCheck {
    fn observe(&mut self, found: Option<FeedRange>) -> Option<FeedRange> {
        let again = found.is_some() && self.last == found;
        let reports = again && !self.reported;
        self.reported = again;
        self.last.clone_from(&found);
        found.filter(|_| reports)
    }
}
