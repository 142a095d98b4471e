//! A running instance that captures: the processor's handler is the history's capture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use changefeed_history::{Batch, CaptureReport, ContainerState};
use changefeed_processor::{
    Change, ChangeFeedEstimator, ChangeFeedMode, ChangeFeedProcessor, ProcessorBuilder, RunningProcessor, StartFrom,
};
use serde_json::value::{RawValue, to_raw_value};

use super::metrics::Metrics;
use super::sweeping::Sweeping;
use super::working::Working;
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
}

/// An instance, from its start to its stop.
pub struct Processing {
    pub metrics: Arc<Metrics>,
    pub estimator: ChangeFeedEstimator,
    running: RunningProcessor,
    _sweeping: Sweeping,
    working: Working,
    ready: Arc<AtomicBool>,
}

impl Processing {
    /// Makes the leases if there are none, and starts to capture and to work on jobs.
    pub async fn start(service: Arc<Service>, options: ProcessOptions) -> Result<Self> {
        containers_exist(&service).await?;
        let metrics = Arc::new(Metrics::new());
        let (monitored, leases) = service.feed_containers().await?;
        let processor_name = service.settings().lease_prefix.clone();
        let mut estimator = ChangeFeedEstimator::new(&processor_name, monitored.clone(), leases.clone())?;
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
        builder = options.lease_intervals(builder);
        if let Some(interval) = options.lease_expiration_interval {
            estimator = estimator.lease_expiration_interval(interval);
        }
        let (acquired, released, failed) = (Arc::clone(&metrics), Arc::clone(&metrics), Arc::clone(&metrics));
        let capturing = Arc::new(Capturing {
            service: Arc::clone(&service),
            metrics: Arc::clone(&metrics),
            mode: options.mode,
            on_captured: options.on_captured,
        });
        let processor = builder
            .on_lease_acquired(move |token| acquired.lease_acquired(token))
            .on_lease_released(move |token| released.lease_released(token))
            .on_error(move |_, _| failed.lease_failed())
            .build(move |context, changes| {
                let capturing = Arc::clone(&capturing);
                let invocation_id = format!("{}:{}", context.instance_name(), context.lease_token());
                async move { capturing.capture(invocation_id, changes).await }
            });
        let running = processor
            .start()
            .await
            .context("starting the change feed processor, whose name is CHANGEFEED_LEASE_PREFIX")?;
        let working = Working::start(Arc::clone(&service), &options, running.instance_name()).await?;
        let sweeping = Sweeping::start(service);
        Ok(Self { metrics, estimator, running, working, _sweeping: sweeping, ready: Arc::new(AtomicBool::new(true)) })
    }

    /// The name that this instance's leases bear.
    pub fn instance_name(&self) -> &str {
        self.running.instance_name()
    }

    /// Whether it captures: started, and not being stopped.
    pub fn readiness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ready)
    }

    /// Finishes the batches under way, has jobs saved, and gives the leases back.
    pub async fn stop(self) {
        self.ready.store(false, Ordering::SeqCst);
        tokio::join!(self.running.stop(), self.working.stop());
    }
}

async fn containers_exist(service: &Service) -> Result<()> {
    for container in service.store.container_status().await {
        match container.state {
            ContainerState::Ready { .. } => {}
            ContainerState::Missing => {
                let database = &service.store.names().database;
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
        let captured = self.service.store.capture(&batch, documents).await;
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
    Store(#[from] changefeed_history::Error),
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
