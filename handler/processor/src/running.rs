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
use crate::instance::{Instance, Settings};
use crate::lease::Lease;
use crate::partition::process;
use crate::recovery::{leases_without_gap, on_recreated_containers};
use crate::renewal::HeldLease;

/// Leases that are acquired at once.
const ACQUIRED_TOGETHER: usize = 16;

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
    let is_own = |lease: &&Lease| lease.owner.as_deref() == Some(&*settings.instance_name);
    let unprocessed: Vec<&Lease> =
        all.iter().filter(is_own).filter(|lease| !work.held.contains_key(&lease.id)).collect();
    acquire(instance, work, unprocessed.len(), &unprocessed).await;
    let (now, expiration) = (settings.clock.now(), settings.lease_expiration_interval);
    let share = missing_share(&all, &settings.instance_name, now, expiration, settings.as_dotnet);
    let (held, free): (Vec<&Lease>, Vec<&Lease>) =
        share.candidates.iter().partition(|lease| work.held.contains_key(&lease.id));
    acquire(instance, work, share.missing.saturating_sub(held.len()), &free).await;
    Ok(())
}

/// Acquires this many of the leases, a few at a time, and starts to process them. Where another instance is faster, tries the next one.
async fn acquire(instance: &Arc<Instance>, work: &mut Work, mut count: usize, leases: &[&Lease]) {
    let Settings { instance_name, lease_expiration_interval, .. } = &instance.settings;
    let mut leases = leases.iter().copied();
    loop {
        let together: Vec<&Lease> = leases.by_ref().take(count.min(ACQUIRED_TOGETHER)).collect();
        if together.is_empty() {
            return;
        }
        let mut acquiring = Vec::with_capacity(together.len());
        for lease in &together {
            acquiring.push(HeldLease::acquire(&instance.leases, lease, instance_name, *lease_expiration_interval));
        }
        let acquired = join_all(acquiring).await;
        for (lease, acquired) in together.into_iter().zip(acquired) {
            count -= usize::from(begin(instance, work, lease, acquired));
        }
    }
}

/// Starts to process a lease, if it was acquired. A failure is reported and does not delay the other leases.
fn begin(instance: &Arc<Instance>, work: &mut Work, lease: &Lease, acquired: Result<Option<HeldLease>, Error>) -> bool {
    match acquired {
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
