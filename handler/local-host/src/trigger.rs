//! A Cosmos DB trigger: reads the change feed of a container and has a function run on every batch.

use std::time::Duration;

use changefeed_processor::{ChangeFeedMode, ChangeFeedProcessor, Container, ErrorKind, RunningProcessor, connect};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::CosmosTrigger;
use crate::invocation::{Deliverer, Delivery};

const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A trigger at work, or one that tries to get to work.
pub(crate) struct Listener {
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// The batch was not delivered: its lease must not move on.
#[derive(Debug, thiserror::Error)]
enum NotDelivered {
    #[error("the host is being stopped")]
    HostStopped,
    #[error("a change cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Listener {
    /// Starts in the background, and tries again every second as long as a container is missing or the account cannot
    /// be reached. Ends when the deliverer's token says so.
    pub(crate) fn start(trigger: CosmosTrigger, deliverer: Deliverer) -> Self {
        let (announce, listening) = watch::channel(false);
        Self { listening, task: tokio::spawn(listen(trigger, deliverer, announce)) }
    }

    /// Waits until the trigger reads its container.
    pub(crate) async fn listening(&self) {
        // A listener that ended will not get there, nor will anybody wait for it much longer.
        drop(self.listening.clone().wait_for(|listening| *listening).await);
    }

    pub(crate) async fn stopped(self) {
        if let Err(error) = self.task.await {
            log::error!("a trigger ended unexpectedly: {error}");
        }
    }
}

async fn listen(trigger: CosmosTrigger, deliverer: Deliverer, announce: watch::Sender<bool>) {
    let stop = deliverer.stop.clone();
    let running = tokio::select! {
        () = stop.cancelled() => return,
        running = start(&trigger, &deliverer) => running,
    };
    log::info!("function {} listens to {}/{}", deliverer.function, trigger.database, trigger.container);
    announce.send_replace(true);
    stop.cancelled().await;
    running.stop().await;
}

async fn start(trigger: &CosmosTrigger, deliverer: &Deliverer) -> RunningProcessor {
    let mut logged = String::new();
    loop {
        match processor(trigger, deliverer).await {
            Ok(running) => return running,
            Err(message) if message != logged => {
                log::error!("function {} cannot listen, and tries again every second: {message}", deliverer.function);
                logged = message;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn processor(trigger: &CosmosTrigger, deliverer: &Deliverer) -> Result<RunningProcessor, String> {
    let text = |error: changefeed_processor::Error| error.to_string();
    let client = connect(&trigger.connection_string).await.map_err(text)?;
    let lease_client = match &trigger.lease_connection_string {
        same if *same == trigger.connection_string => client.clone(),
        other => connect(other).await.map_err(text)?,
    };
    let monitored = Container::open(&client, &trigger.database, &trigger.container)
        .await
        .map_err(|error| missing(trigger, error, false))?;
    let leases = Container::open(&lease_client, &trigger.lease_database, &trigger.lease_container)
        .await
        .map_err(|error| missing(trigger, error, true))?;

    let mut builder = ChangeFeedProcessor::builder(&trigger.lease_prefix, monitored, leases)
        .start_from(trigger.start_from)
        .mode(trigger.mode);
    if let Some(delay) = trigger.poll_delay {
        builder = builder.poll_delay(delay);
    }
    if let Some(interval) = trigger.lease_acquire_interval {
        builder = builder.lease_acquire_interval(interval);
    }
    if let Some(interval) = trigger.lease_expiration_interval {
        builder = builder.lease_expiration_interval(interval);
    }
    if let Some(interval) = trigger.lease_renew_interval {
        builder = builder.lease_renew_interval(interval);
    }
    if let Some(max_items) = trigger.max_items {
        builder = builder.max_items(max_items);
    }
    let (deliverer, mode) = (deliverer.clone(), trigger.mode);
    let processor = builder.build(move |context, changes| {
        let deliverer = deliverer.clone();
        async move {
            let documents: Vec<_> = match mode {
                ChangeFeedMode::LatestVersion => changes.into_iter().filter_map(|change| change.current).collect(),
                ChangeFeedMode::AllVersionsAndDeletes => {
                    changes.iter().map(serde_json::to_value).collect::<Result<_, _>>()?
                }
            };
            match deliverer.deliver(context.lease_token(), &documents).await {
                Delivery::Succeeded | Delivery::Skipped(_) => Ok(()),
                Delivery::Stopped => Err(NotDelivered::HostStopped),
            }
        }
    });
    processor.start().await.map_err(text)
}

fn missing(trigger: &CosmosTrigger, error: changefeed_processor::Error, lease: bool) -> String {
    if error.kind() != ErrorKind::NotFound {
        return error.to_string();
    }
    let CosmosTrigger { connection, database, container, lease_database, lease_container, .. } = trigger;
    match (lease, trigger.create_lease_container) {
        (true, true) => format!(
            "the lease container {lease_database}/{lease_container} does not exist, and this host does not heed \
             createLeaseContainerIfNotExists: create the container, partitioned by /id"
        ),
        _ => format!(
            "either the container {database}/{container} of connection {connection} or the lease container \
             {lease_database}/{lease_container} does not exist; both must exist before the trigger starts"
        ),
    }
}
