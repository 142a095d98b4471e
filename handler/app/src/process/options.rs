//! The options of an instance.

use std::time::Duration;

use anyhow::Result;
use changefeed_processor::{Change, ChangeFeedEstimator, ChangeFeedMode, ProcessorBuilder, StartFrom};

use crate::feed::Feed;
use crate::service::Service;

/// The options of an instance. Options that are not given have the defaults of the processor.
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
    /// Called with every captured batch.
    pub on_captured: Option<fn(&[Change])>,
}

impl ProcessOptions {
    /// Applies the given intervals.
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

    /// The estimator of the lag of a feed's leases.
    pub async fn estimator(&self, service: &Service, feed: Feed) -> Result<ChangeFeedEstimator> {
        let (container, leases) = service.feed_containers(feed).await?;
        let settings = service.settings();
        let estimator = ChangeFeedEstimator::new(settings.lease_prefix(feed), container, leases)?;
        let estimator = estimator.stalled_after(settings.stalled_after);
        Ok(match self.lease_expiration_interval {
            Some(interval) => estimator.lease_expiration_interval(interval),
            None => estimator,
        })
    }
}
