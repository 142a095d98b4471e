//! A running processor instance: balances the leases, processes those that it acquires, and releases them on stop.

use std::collections::HashMap;
use std::sync::Arc;

use changefeed_cosmos::Error;
use futures::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::balance::missing_share;
use crate::coverage::overlap;
use crate::coverage_check::CoverageCheck;
use crate::health::ProcessingError;
use crate::instance::Instance;
use crate::lease::Lease;
use crate::partition::process;
use crate::recovery::{leases_without_gap, on_recreated_containers};
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

/// The leases that the instance processes.
struct Work {
    held: HashMap<String, JoinHandle<()>>,
    /// Tasks of leases on containers that were deleted. Their handlers may still run.
    ending: Vec<JoinHandle<()>>,
    /// Cancelled when the processor stops, and when a container was deleted and created again.
    stop: CancellationToken,
    checks: CoverageChecks,
}

async fn run(mut instance: Arc<Instance>, stop: CancellationToken) {
    let mut work =
        Work { held: HashMap::new(), ending: Vec::new(), stop: stop.child_token(), checks: CoverageChecks::default() };
    while !stop.is_cancelled() {
        work.held.retain(|_, task| !task.is_finished());
        work.ending.retain(|task| !task.is_finished());
        let checked = check_leases(&mut instance, &mut work, &stop).await;
        instance.notifications.checked(checked.as_ref().copied());
        if let Err(error) = checked {
            instance.notifications.error(None, &ProcessingError::Lease(error), "; checking the leases again later");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = instance.rebalance.notified() => {}
            () = instance.settings.clock.sleep(instance.settings.lease_acquire_interval) => {}
        }
    }
    join_all(work.held.into_values().chain(work.ending)).await;
}

/// Finds out whether the containers and the leases are still there, creates what is missing, and balances the leases.
async fn check_leases(instance: &mut Arc<Instance>, work: &mut Work, stop: &CancellationToken) -> Result<(), Error> {
    if instance.settings.recreates_leases
        && let Some(recreated) = on_recreated_containers(instance).await?
    {
        work.stop.cancel();
        work.stop = stop.child_token();
        work.ending.extend(work.held.drain().map(|(_, task)| task));
        work.checks = CoverageChecks::default();
        *instance = Arc::new(recreated);
        // There are no leases now. The next check confirms that and creates them.
        instance.rebalance.notify_one();
    }
    balance_leases(instance, work, stop).await
}

async fn balance_leases(instance: &Arc<Instance>, work: &mut Work, stop: &CancellationToken) -> Result<(), Error> {
    let settings = &instance.settings;
    let all = leases_without_gap(instance, &mut work.checks.gap, stop).await?;
    if let Some(overlap) = work.checks.overlap.observe(overlap(&all)) {
        instance.notifications.error(None, &ProcessingError::Overlap(overlap), "");
    }
    // This instance owns leases that it does not process if it has restarted, or if a task has died.
    for lease in &all {
        if lease.owner.as_deref() == Some(&*settings.instance_name) && !work.held.contains_key(&lease.id) {
            acquire(instance, work, lease).await;
        }
    }
    let now = settings.clock.now();
    let mut share = missing_share(&all, &settings.instance_name, now, settings.lease_expiration_interval);
    for lease in &share.candidates {
        if share.missing == 0 {
            break;
        }
        if work.held.contains_key(&lease.id) || acquire(instance, work, lease).await {
            share.missing -= 1;
        }
    }
    Ok(())
}

/// Acquires a lease and starts to process it. A failure is reported and does not delay the other leases.
async fn acquire(instance: &Arc<Instance>, work: &mut Work, lease: &Lease) -> bool {
    let settings = &instance.settings;
    let acquired =
        HeldLease::acquire(&instance.leases, lease, &settings.instance_name, settings.lease_expiration_interval);
    match acquired.await {
        Ok(Some(acquired)) => {
            instance.notifications.acquired(&lease.lease_token);
            let (instance, stop) = (Arc::clone(instance), work.stop.clone());
            let task = tokio::spawn(async move { process(instance, Arc::new(acquired), &stop).await });
            work.held.insert(lease.id.clone(), task);
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
