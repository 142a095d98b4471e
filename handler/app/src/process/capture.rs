//! The processor that captures: its handler stores every batch as versions.

use std::sync::Arc;

use anyhow::Result;
use changefeed_history::{Batch, CaptureReport};
use changefeed_processor::{Change, ChangeFeedMode, ChangeFeedProcessor};

use super::health::Health;
use super::options::ProcessOptions;
use crate::feed::Feed;
use crate::memory;
use crate::service::Service;
use crate::telemetry;

/// The name of this function in dead letters.
const FUNCTION: &str = "process";

/// The processor that captures a source.
pub async fn processor(
    service: &Arc<Service>,
    options: &ProcessOptions,
    health: &Health,
) -> Result<ChangeFeedProcessor> {
    let mode = options.mode_of(service);
    let feed = Feed::captured_in(mode);
    let (monitored, leases) = service.feed_containers(feed).await?;
    let processor_name = service.settings().lease_prefix(feed);
    let mut builder = ChangeFeedProcessor::builder(processor_name, monitored, leases)
        .mode(mode)
        .start_from(options.start_from_of(service));
    if let Some(name) = &options.instance_name {
        builder = builder.instance_name(name.as_str());
    }
    if let Some(max_items) = options.max_items {
        builder = builder.max_items(max_items);
    }
    if let Some(delay) = options.poll_delay {
        builder = builder.poll_delay(delay);
    }
    let capturing = Arc::new(Capturing { service: Arc::clone(service), mode, on_captured: options.on_captured });
    health.watch(service, feed, options.estimator(service, feed).await?);
    let builder = health.observe(service, feed, options.lease_intervals(builder));
    let builder = service.metrics().watch(feed, builder);
    Ok(builder.build(move |context, changes| {
        let capturing = Arc::clone(&capturing);
        let invocation_id = format!("{}:{}", context.instance_name(), context.lease_token());
        telemetry::attempt(FUNCTION, async move { capturing.capture(invocation_id, changes).await })
    }))
}

struct Capturing {
    service: Arc<Service>,
    mode: ChangeFeedMode,
    on_captured: Option<fn(&Service, &[Change])>,
}

impl Capturing {
    async fn capture(&self, invocation_id: String, changes: Vec<Change>) -> Result<(), CaptureError> {
        let documents: Vec<_> = changes.iter().map(|change| change.payload(self.mode)).collect::<Result<_, _>>()?;
        let bytes: usize = documents.iter().map(|document| document.get().len()).sum();
        let batch = Batch { function: FUNCTION.to_owned(), invocation_id, rewritten_by_host: false };
        telemetry::note("faas.invocation_id", &batch.invocation_id);
        let captured = self.service.changefeed.capture.capture(&batch, documents).await;
        telemetry::captured(changes.len(), captured.as_ref().ok());
        if bytes > memory::LARGE_BATCH_BYTES {
            memory::return_freed();
        }
        self.service.metrics().batch(captured.as_ref().ok());
        let CaptureReport { stored, already_stored, dead_lettered, erased, excluded, request_charge } = captured?;
        log::info!(
            "{}: stored {stored} versions, {already_stored} already present, {dead_lettered} dead letters, {erased} of erased documents, {excluded} excluded, \
             {request_charge:.1} RU",
            batch.invocation_id
        );
        if let Some(on_captured) = self.on_captured {
            on_captured(&self.service, &changes);
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error(transparent)]
    Store(#[from] changefeed_cosmos::Error),
    #[error("could not write a change as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
