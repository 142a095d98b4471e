//! A Cosmos DB trigger: reads the change feed of a container and runs a function on every batch.
//!
//! A batch with a document that the real trigger cannot deliver fails before the function is called, whatever the retry policy: the
//! lease is released, acquired again at the next interval, and stalls there. In AllVersionsAndDeletes mode, a lease without a
//! checkpoint starts from now instead, and loses the batch, as with the real trigger.

use std::time::Duration;

use changefeed_processor::{ChangeFeedProcessor, Container, ErrorKind, RunningProcessor, UndeliverableChange, connect};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::CosmosTrigger;
use crate::cosmos_deliverer::CosmosDeliverer;
use crate::invocation::Delivery;

const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A running trigger, or one that still tries to start.
pub(crate) struct CosmosListener {
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// The batch was not delivered, so it must not be checkpointed.
#[derive(Debug, thiserror::Error)]
enum NotDelivered {
    #[error("the host is stopping")]
    HostStopped,
    #[error("the trigger threw an exception: {0}")]
    Undeliverable(Box<UndeliverableChange>),
}

impl CosmosListener {
    /// Starts in the background, and retries every second while a container is missing or the account cannot be
    /// reached. Ends when the deliverer's token is cancelled.
    pub(crate) fn start(trigger: CosmosTrigger, deliverer: CosmosDeliverer) -> Self {
        let (started, listening) = watch::channel(false);
        Self { listening, task: tokio::spawn(listen(trigger, deliverer, started)) }
    }

    /// Waits until the trigger reads its container.
    pub(crate) async fn listening(&self) {
        // Fails only if the listener ended because the host is stopping.
        drop(self.listening.clone().wait_for(|listening| *listening).await);
    }

    pub(crate) async fn stopped(self) {
        if let Err(error) = self.task.await {
            log::error!("a trigger ended unexpectedly: {error}");
        }
    }
}

async fn listen(trigger: CosmosTrigger, deliverer: CosmosDeliverer, started: watch::Sender<bool>) {
    let stop = deliverer.stop().clone();
    let running = tokio::select! {
        () = stop.cancelled() => return,
        running = start_processor(&trigger, &deliverer) => running,
    };
    log::info!("function {} reads the change feed of {}/{}", deliverer.function(), trigger.database, trigger.container);
    started.send_replace(true);
    stop.cancelled().await;
    running.stop().await;
}

async fn start_processor(trigger: &CosmosTrigger, deliverer: &CosmosDeliverer) -> RunningProcessor {
    let mut logged = String::new();
    loop {
        match try_start_processor(trigger, deliverer).await {
            Ok(running) => return running,
            Err(message) if message != logged => {
                log::error!(
                    "function {} cannot read its change feed, retrying every second: {message}",
                    deliverer.function()
                );
                logged = message;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn try_start_processor(trigger: &CosmosTrigger, deliverer: &CosmosDeliverer) -> Result<RunningProcessor, String> {
    let text = |error: changefeed_processor::Error| error.to_string();
    let client = connect(trigger.connection_string.expose()).await.map_err(text)?;
    let lease_client = match &trigger.lease_connection_string {
        same if *same == trigger.connection_string => client.clone(),
        other => connect(other.expose()).await.map_err(text)?,
    };
    let monitored = Container::open(&client, &trigger.database, &trigger.container)
        .await
        .map_err(|error| open_error(trigger, &error, Role::Monitored))?;
    let leases = Container::open(&lease_client, &trigger.lease_database, &trigger.lease_container)
        .await
        .map_err(|error| open_error(trigger, &error, Role::Leases))?;

    let mut builder = ChangeFeedProcessor::builder(&trigger.lease_prefix, monitored, leases)
        .start_from(trigger.start_from)
        .mode(trigger.mode)
        .as_dotnet();
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
    let deliverer = deliverer.clone();
    let processor = builder.build(move |context, changes| {
        let deliverer = deliverer.clone();
        async move {
            match deliverer.deliver(context.lease_token(), &changes).await {
                Delivery::Succeeded | Delivery::Skipped(_) => Ok(()),
                Delivery::Undeliverable(change) => Err(NotDelivered::Undeliverable(change)),
                Delivery::Stopped => Err(NotDelivered::HostStopped),
            }
        }
    });
    processor.start().await.map_err(text)
}

enum Role {
    Monitored,
    Leases,
}

/// Names the missing container and how to create it.
fn open_error(trigger: &CosmosTrigger, error: &changefeed_processor::Error, role: Role) -> String {
    if error.kind() != ErrorKind::NotFound {
        return error.to_string();
    }
    match role {
        Role::Monitored => format!(
            "the container {}/{} of connection {} does not exist; create it",
            trigger.database, trigger.container, trigger.connection
        ),
        Role::Leases => {
            let ignored = match trigger.create_lease_container {
                true => " (the stand-in host ignores createLeaseContainerIfNotExists)",
                false => "",
            };
            format!(
                "the lease container {}/{} does not exist; create it with partition key /id{ignored}",
                trigger.lease_database, trigger.lease_container
            )
        }
    }
}
