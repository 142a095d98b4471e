//! The processor that runs jobs. It reads the jobs container and shares the leases container with the capture.

use std::time::Duration;

use anyhow::{Context, Result};
use changefeed_jobs::job_to_run;
use changefeed_processor::{ChangeFeedProcessor, RunningProcessor, StartFrom};
use tokio::sync::watch;

use super::health::Health;
use super::options::ProcessOptions;
use crate::feed::Feed;
use crate::sources::Sources;

/// Wait between polls of an idle feed. Short, because each slice of a job starts with a change.
const POLL_DELAY: Duration = Duration::from_secs(1);

/// The part of an instance that runs jobs.
pub struct RunningJobs {
    running: RunningProcessor,
    stop: watch::Sender<bool>,
}

impl RunningJobs {
    /// Creates missing leases and starts.
    pub async fn start(
        sources: &Sources,
        options: &ProcessOptions,
        instance_name: &str,
        health: &Health,
    ) -> Result<Self> {
        let service = sources.first();
        let (jobs, leases) = service.feed_containers(Feed::Jobs).await?;
        health.watch(service, Feed::Jobs, options.estimator(service, Feed::Jobs).await?);
        let builder = ChangeFeedProcessor::builder(service.settings().lease_prefix(Feed::Jobs), jobs, leases)
            .instance_name(instance_name)
            .start_from(StartFrom::Beginning)
            .poll_delay(options.poll_delay.unwrap_or(POLL_DELAY));
        let builder = health.observe(service, Feed::Jobs, options.lease_intervals(builder));
        let builder = service.metrics().watch(Feed::Jobs, builder);
        let stop = watch::Sender::new(false);
        let stopped = stop.subscribe();
        let sources = sources.clone();
        let processor = builder.build(move |_, changes| {
            let (sources, mut stopped) = (sources.clone(), stopped.clone());
            async move {
                let jobs = changes.iter().filter_map(|change| job_to_run(change.current.as_ref()?)).collect();
                let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
                for line in sources.run_jobs(jobs, stop).await? {
                    log::info!("{line}");
                }
                Ok::<(), changefeed_cosmos::Error>(())
            }
        });
        let running = processor.start().await.context("starting the change feed processor of the jobs")?;
        Ok(Self { running, stop })
    }

    /// Saves slices in progress and releases the leases.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.running.stop().await;
    }
}
