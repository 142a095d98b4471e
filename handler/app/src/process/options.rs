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
    /// The mode of every source, instead of the one in its settings.
    pub mode: Option<ChangeFeedMode>,
    /// Where a source without leases starts; `None`: see [`default_start`].
    pub start_from: Option<StartFrom>,
    pub max_items: Option<std::num::NonZeroU32>,
    pub poll_delay: Option<Duration>,
    pub lease_acquire_interval: Option<Duration>,
    pub lease_expiration_interval: Option<Duration>,
    pub lease_renew_interval: Option<Duration>,
    /// Called with every captured batch of a source.
    pub on_captured: Option<fn(&Service, &[Change])>,
}

/// The start that misses the fewest changes: the beginning, or now where no other is possible.
pub fn default_start(mode: ChangeFeedMode) -> StartFrom {
    match mode {
        ChangeFeedMode::AllVersionsAndDeletes => StartFrom::Now,
        ChangeFeedMode::LatestVersion => StartFrom::Beginning,
    }
}

impl ProcessOptions {
    /// The mode in which a source is captured.
    pub fn mode_of(&self, service: &Service) -> ChangeFeedMode {
        self.mode.unwrap_or(service.settings().mode)
    }

    /// Where a source without leases starts.
    pub fn start_from_of(&self, service: &Service) -> StartFrom {
        self.start_from.unwrap_or_else(|| default_start(self.mode_of(service)))
    }

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
