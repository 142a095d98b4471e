//! A Cosmos DB trigger: reads the change feed of a container and runs a function on every batch.
//!
//! A batch with a document that the real trigger cannot deliver fails before the function is called, whatever the retry policy: the
//! lease is released, acquired again at the next interval, and stalls there. In AllVersionsAndDeletes mode, a lease without a
//! checkpoint starts from now instead, and loses the batch, as with the real trigger.

use std::time::Duration;

use changefeed_processor::{
    ChangeFeedMode, ChangeFeedProcessor, Container, ErrorKind, RunningProcessor, UndeliverableChange, connect,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::CosmosTrigger;
use crate::invocation::{Deliverer, Delivery};

/// The property that the change feed adds to documents of LatestVersion mode.
const LSN: &str = "_lsn";
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
    Undeliverable(UndeliverableChange),
    #[error("cannot write a change as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CosmosListener {
    /// Starts in the background, and retries every second while a container is missing or the account cannot be
    /// reached. Ends when the deliverer's token is cancelled.
    pub(crate) fn start(trigger: CosmosTrigger, deliverer: Deliverer) -> Self {
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

async fn listen(trigger: CosmosTrigger, deliverer: Deliverer, started: watch::Sender<bool>) {
    let stop = deliverer.stop.clone();
    let running = tokio::select! {
        () = stop.cancelled() => return,
        running = start_processor(&trigger, &deliverer) => running,
    };
    log::info!("function {} reads the change feed of {}/{}", deliverer.function, trigger.database, trigger.container);
    started.send_replace(true);
    stop.cancelled().await;
    running.stop().await;
}

async fn start_processor(trigger: &CosmosTrigger, deliverer: &Deliverer) -> RunningProcessor {
    let mut logged = String::new();
    loop {
        match try_start_processor(trigger, deliverer).await {
            Ok(running) => return running,
            Err(message) if message != logged => {
                log::error!(
                    "function {} cannot read its change feed, retrying every second: {message}",
                    deliverer.function
                );
                logged = message;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn try_start_processor(trigger: &CosmosTrigger, deliverer: &Deliverer) -> Result<RunningProcessor, String> {
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
    let (deliverer, mode) = (deliverer.clone(), trigger.mode);
    let processor = builder.build(move |context, changes| {
        let deliverer = deliverer.clone();
        async move {
            if let Some(change) = UndeliverableChange::first(&changes, mode) {
                return Err(NotDelivered::Undeliverable(change));
            }
            let documents: Vec<_> = match mode {
                ChangeFeedMode::LatestVersion => {
                    changes.into_iter().filter_map(|change| change.current).map(with_lsn_last).collect()
                }
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

/// A document as the host's JSON library reads it: of two properties of one name, the feed's and the document's own, the last stays
/// where it is.
fn with_lsn_last(mut document: Value) -> Value {
    if let Some(properties) = document.as_object_mut()
        && let Some(lsn) = properties.shift_remove(LSN)
    {
        properties.insert(LSN.to_owned(), lsn);
    }
    document
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
