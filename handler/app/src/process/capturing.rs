//! A running instance that captures: the processor's handler is the history's capture.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use changefeed_history::{Batch, CaptureReport, ContainerState};
use changefeed_processor::{
    Change, ChangeFeedEstimator, ChangeFeedMode, ChangeFeedProcessor, ProcessorBuilder, RunningProcessor, StartFrom,
};
use serde_json::value::{RawValue, to_raw_value};

use super::health::Health;
use super::metrics::Metrics;
use super::sweeping::Sweeping;
use super::working::RunningJobs;
use crate::feed::Feed;
use crate::service::Service;

/// The function name in dead letters.
const FUNCTION: &str = "process";

/// How an instance works; what is not given is as the processor has it.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    pub instance_name: Option<String>,
    pub mode: ChangeFeedMode,
    pub start_from: StartFrom,
    pub max_items: Option<std::num::NonZeroU32>,
    pub poll_delay: Option<Duration>,
    pub lease_acquire_interval: Option<Duration>,
    pub lease_expiration_interval: Option<Duration>,
    pub lease_renew_interval: Option<Duration>,
    /// Called with every batch that was captured.
    pub on_captured: Option<fn(&[Change])>,
}

impl ProcessOptions {
    /// The intervals that were given.
    pub fn lease_intervals(&self, mut builder: ProcessorBuilder) -> ProcessorBuilder {
        if let Some(interval) = self.lease_acquire_interval {
            builder = builder.lease_acquire_interval(interval);
        }
        if let Some(interval) = self.lease_renew_interval {
            builder = builder.lease_renew_interval(interval);
        }
        if let Some(interval) = self.lease_expiration_interval {
            builder = builder.lease_expiration_interval(interval);
        }
        builder
    }

    /// What tells the lag of a feed's leases.
    pub async fn estimator(&self, service: &Service, feed: Feed) -> Result<ChangeFeedEstimator> {
        let (container, leases) = service.feed_containers(feed).await?;
        let estimator = ChangeFeedEstimator::new(&service.settings().lease_prefix, container, leases)?;
        Ok(match self.lease_expiration_interval {
            Some(interval) => estimator.lease_expiration_interval(interval),
            None => estimator,
        })
    }
}

/// An instance, from its start to its stop.
pub struct Processing {
    capturing: RunningProcessor,
    working: RunningJobs,
    _sweeping: Sweeping,
}

impl Processing {
    /// Makes the leases if there are none, and starts to capture and to work on jobs. `None` when it is told to stop before.
    ///
    /// # Errors
    /// When containers are missing, or a processor cannot be started. Leases that were taken are given back.
    pub async fn start(
        service: Arc<Service>,
        options: ProcessOptions,
        health: &Health,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Self>> {
        tokio::pin!(stop);
        let capture = async {
            containers_exist(&service).await?;
            let capture = capture(&service, &options, health).await?.start().await;
            capture.context("starting the change feed processor, whose name is CHANGEFEED_LEASE_PREFIX")
        };
        let capturing = tokio::select! {
            capturing = capture => capturing?,
            () = &mut stop => return Ok(None),
        };
        let working = tokio::select! {
            working = RunningJobs::start(&service, &options, capturing.instance_name(), health) => working.map(Some),
            () = &mut stop => Ok(None),
        };
        match working {
            Ok(Some(working)) => {
                health.set_ready();
                Ok(Some(Self { capturing, working, _sweeping: Sweeping::start(service) }))
            }
            not_started => {
                capturing.stop().await;
                not_started.map(|_| None)
            }
        }
    }

    /// The name that this instance's leases bear.
    pub fn instance_name(&self) -> &str {
        self.capturing.instance_name()
    }

    /// Finishes the batches under way, has jobs saved, and gives the leases back.
    pub async fn stop(self, health: &Health) {
        health.set_stopping();
        tokio::join!(self.capturing.stop(), self.working.stop());
    }
}

/// The processor that captures.
async fn capture(service: &Arc<Service>, options: &ProcessOptions, health: &Health) -> Result<ChangeFeedProcessor> {
    let (monitored, leases) = service.feed_containers(Feed::Capture).await?;
    let processor_name = service.settings().lease_prefix.clone();
    let mut builder = ChangeFeedProcessor::builder(processor_name, monitored, leases)
        .mode(options.mode)
        .start_from(options.start_from);
    if let Some(name) = &options.instance_name {
        builder = builder.instance_name(name.as_str());
    }
    if let Some(max_items) = options.max_items {
        builder = builder.max_items(max_items);
    }
    if let Some(delay) = options.poll_delay {
        builder = builder.poll_delay(delay);
    }
    let capturing = Arc::new(Capturing {
        service: Arc::clone(service),
        metrics: health.metrics(),
        mode: options.mode,
        on_captured: options.on_captured,
    });
    health.watch(Feed::Capture, options.estimator(service, Feed::Capture).await?);
    let builder = health.metrics().watch(Feed::Capture, options.lease_intervals(builder));
    Ok(builder.build(move |context, changes| {
        let capturing = Arc::clone(&capturing);
        let invocation_id = format!("{}:{}", context.instance_name(), context.lease_token());
        async move { capturing.capture(invocation_id, changes).await }
    }))
}

async fn containers_exist(service: &Service) -> Result<()> {
    for container in service.changefeed.containers.status().await {
        match container.state {
            ContainerState::Ready { .. } => {}
            ContainerState::Missing => {
                let database = &service.changefeed.containers.names().database;
                bail!("container {database}/{} does not exist; run `changefeed provision` first", container.name)
            }
            ContainerState::Failed { message } => bail!("container {} cannot be read: {message}", container.name),
        }
    }
    Ok(())
}

struct Capturing {
    service: Arc<Service>,
    metrics: Arc<Metrics>,
    mode: ChangeFeedMode,
    on_captured: Option<fn(&[Change])>,
}

impl Capturing {
    async fn capture(&self, invocation_id: String, changes: Vec<Change>) -> Result<(), CaptureError> {
        let documents = changes.iter().map(|change| payload(self.mode, change)).collect::<Result<_, _>>()?;
        let batch = Batch { function: FUNCTION.to_owned(), invocation_id, rewritten_by_host: false };
        let captured = self.service.changefeed.capture.capture(&batch, documents).await;
        self.metrics.batch(captured.as_ref().ok());
        let CaptureReport { stored, already_stored, dead_lettered, request_charge } = captured?;
        log::info!(
            "{}: {stored} versions stored, {already_stored} there already, {dead_lettered} dead letters, \
             {request_charge:.1} RU",
            batch.invocation_id
        );
        if let Some(on_captured) = self.on_captured {
            on_captured(&changes);
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error(transparent)]
    Store(#[from] changefeed_cosmos::Error),
    #[error("a change cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A change as the Functions host delivers it: the document, or in AllVersionsAndDeletes mode its envelope.
fn payload(mode: ChangeFeedMode, change: &Change) -> Result<Box<RawValue>, serde_json::Error> {
    match (mode, &change.current) {
        (ChangeFeedMode::LatestVersion, Some(document)) => to_raw_value(document),
        _ => to_raw_value(change),
    }
}
