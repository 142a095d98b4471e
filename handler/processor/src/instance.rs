//! One running instance: takes leases, processes them, and gives them back.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::balance::missing_share;
use crate::builder::Settings;
use crate::change::Change;
use crate::checkpoint::Checkpointer;
use crate::context::Context;
use crate::cosmos::{Container, Error, LeaseStore};
use crate::coverage::{gap, overlap};
use crate::health::{HandlerError, Notifications, ProcessingError};
use crate::lease::{FeedRange, Lease};
use crate::partition::process;
use crate::renewal::HeldLease;

pub(crate) type Handler =
    Box<dyn Fn(Context, Vec<Change>, Checkpointer) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

pub(crate) struct Instance {
    pub settings: Settings,
    pub monitored: Container,
    pub leases: LeaseStore,
    pub handler: Handler,
    pub notifications: Notifications,
    /// Asks for the next look at the leases at once.
    pub rebalance: Notify,
}

/// A processor at work. Dropping it stops it too, without waiting.
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

    /// The name that this instance's leases bear.
    pub fn instance_name(&self) -> &str {
        &self.instance_name
    }

    /// Stops reading, waits for the handlers that are at work, records what they finished, and gives the leases back.
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
    let mut faults = Faults::default();
    while !stop.is_cancelled() {
        held.retain(|_, task| !task.is_finished());
        if let Err(error) = take_leases(&instance, &mut held, &mut faults, &stop).await {
            instance.notifications.error(None, &ProcessingError::Lease(error), "; leases are balanced later");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = instance.rebalance.notified() => {}
            () = instance.settings.clock.sleep(instance.settings.lease_acquire_interval) => {}
        }
    }
    join_all(held.into_values()).await;
}

async fn take_leases(
    instance: &Arc<Instance>,
    held: &mut HashMap<String, JoinHandle<()>>,
    faults: &mut Faults,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let settings = &instance.settings;
    let all = instance.leases.all().await?;
    if let Some(gap) = faults.gap.seen(gap(&all)) {
        instance.notifications.error(None, &ProcessingError::Gap(gap), "");
    }
    if let Some(overlap) = faults.overlap.seen(overlap(&all)) {
        instance.notifications.error(None, &ProcessingError::Overlap(overlap), "");
    }
    // Leases in this instance's name that it does not process are from a run before this one, or from a task that died.
    for lease in &all {
        if lease.owner.as_deref() == Some(&*settings.instance_name) && !held.contains_key(&lease.id) {
            take(instance, held, stop, lease).await;
        }
    }
    let now = settings.clock.now();
    let mut share = missing_share(&all, &settings.instance_name, now, settings.lease_expiration_interval);
    for lease in &share.candidates {
        if share.missing == 0 {
            break;
        }
        if held.contains_key(&lease.id) || take(instance, held, stop, lease).await {
            share.missing -= 1;
        }
    }
    Ok(())
}

/// What is wrong with the leases taken together.
#[derive(Default)]
struct Faults {
    gap: Fault,
    overlap: Fault,
}

/// Tells of a range once, when it is seen a second time: the leases are not read at one moment, and one may be replaced by
/// others meanwhile.
#[derive(Default)]
struct Fault {
    last: Option<FeedRange>,
    told: bool,
}

impl Fault {
    fn seen(&mut self, range: Option<FeedRange>) -> Option<FeedRange> {
        let again = range.is_some() && self.last == range;
        let tells = again && !self.told;
        self.told = again;
        self.last.clone_from(&range);
        range.filter(|_| tells)
    }
}

/// Takes a lease and starts to process it. A lease that cannot be had, for whatever reason, does not keep the others
/// waiting.
async fn take(
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
            instance.notifications.error(Some(&lease.lease_token), &error, "; it was not taken");
            false
        }
    }
}
