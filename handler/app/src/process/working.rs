//! A running instance that works on jobs: a second processor, on the jobs container, with the same leases container.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use changefeed_jobs::job_to_run;
use changefeed_processor::{ChangeFeedProcessor, RunningProcessor, StartFrom};
use tokio::sync::watch;

use super::capturing::ProcessOptions;
use super::health::Health;
use crate::feed::Feed;
use crate::jobs::run_jobs;
use crate::service::Service;

/// How long to wait where there was nothing new: each slice of a job begins with an event.
const POLL_DELAY: Duration = Duration::from_secs(1);

/// The part of an instance that works on jobs.
pub struct RunningJobs {
    running: RunningProcessor,
    stop: watch::Sender<bool>,
}

impl RunningJobs {
    /// Makes the leases if there are none, and starts.
    pub async fn start(
        service: &Arc<Service>,
        options: &ProcessOptions,
        instance_name: &str,
        health: &Health,
    ) -> Result<Self> {
        let (jobs, leases) = service.feed_containers(Feed::Jobs).await?;
        health.watch(Feed::Jobs, options.estimator(service, Feed::Jobs).await?);
        let builder = ChangeFeedProcessor::builder(service.settings().lease_prefix.clone(), jobs, leases)
            .instance_name(instance_name)
            .start_from(StartFrom::Beginning)
            .poll_delay(options.poll_delay.unwrap_or(POLL_DELAY));
        let builder = health.metrics().watch(Feed::Jobs, options.lease_intervals(builder));
        let stop = watch::Sender::new(false);
        let stopped = stop.subscribe();
        let service = Arc::clone(service);
        let processor = builder.build(move |_, changes| {
            let (service, mut stopped) = (Arc::clone(&service), stopped.clone());
            async move {
                let ids = changes.iter().filter_map(|change| job_to_run(change.current.as_ref()?)).map(str::to_owned);
                let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
                for said in run_jobs(&service.changefeed, ids.collect(), stop).await? {
                    log::info!("{said}");
                }
                Ok::<(), changefeed_cosmos::Error>(())
            }
        });
        let running = processor.start().await.context("starting the change feed processor of the jobs")?;
        Ok(Self { running, stop })
    }

    /// Has the slices under way saved, and gives the leases back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.running.stop().await;
    }
}
