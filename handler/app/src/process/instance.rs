//! A running instance: a processor for each source that captures it, one that runs jobs, the retention, the backup policy, and looks at the leases.

use anyhow::{Context, Result};
use changefeed_processor::RunningProcessor;
use futures::future::join_all;

use super::backup_policy::BackingUp;
use super::capture::processor;
use super::containers::check_containers;
use super::health::Health;
use super::jobs::RunningJobs;
use super::options::ProcessOptions;
use super::retention::Sweeping;
use super::start::start_with_retries;
use super::watch::Watching;
use crate::sources::Sources;

/// A running instance.
pub struct Processing {
    /// One for each source: at least one.
    capturing: Vec<RunningProcessor>,
    working: RunningJobs,
    _sweeping: Vec<Sweeping>,
    _watching: Watching,
    _backing_up: Vec<BackingUp>,
}

impl Processing {
    /// Creates missing leases, and starts to capture sources and to run the jobs of `all`. Transient failures are retried. `None` when `stop`
    /// completes before.
    ///
    /// # Errors
    /// When containers are missing, or a processor can never start. Acquired leases are released.
    pub async fn start(
        all: &Sources,
        sources: Sources,
        options: ProcessOptions,
        health: &Health,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Self>> {
        tokio::pin!(stop);
        let mut capturing: Vec<RunningProcessor> = Vec::new();
        let mut options = options;
        for service in sources.all() {
            let capture = start_with_retries(health, async || {
                check_containers(service).await?;
                let capture = processor(service, &options, health).await?.start().await;
                capture.context("starting the change feed processor for capture")
            });
            let started = tokio::select! {
                started = capture => started.map(Some),
                () = &mut stop => Ok(None),
            };
            match started {
                Ok(Some(started)) => {
                    // The processors of an instance have one name.
                    options.instance_name.get_or_insert_with(|| started.instance_name().to_owned());
                    capturing.push(started);
                }
                not_started => {
                    stop_all(capturing).await;
                    return not_started.map(|_| None);
                }
            }
        }
        let instance_name = options.instance_name.clone().unwrap_or_default();
        let work = start_with_retries(health, async || RunningJobs::start(all, &options, &instance_name, health).await);
        let working = tokio::select! {
            working = work => working.map(Some),
            () = &mut stop => Ok(None),
        };
        match working {
            Ok(Some(working)) => {
                health.set_ready(&sources);
                let watching = Watching::start(sources.clone(), health.clone());
                Ok(Some(Self {
                    capturing,
                    working,
                    _sweeping: sources.all().cloned().map(Sweeping::start).collect(),
                    _watching: watching,
                    _backing_up: sources.all().cloned().map(BackingUp::start).collect(),
                }))
            }
            not_started => {
                stop_all(capturing).await;
                not_started.map(|_| None)
            }
        }
    }

    /// The name of this instance in its leases.
    pub fn instance_name(&self) -> &str {
        self.capturing.first().map_or("", RunningProcessor::instance_name)
    }

    /// Finishes batches in progress, saves jobs, and releases the leases.
    pub async fn stop(self, health: &Health) {
        health.set_stopping();
        tokio::join!(stop_all(self.capturing), self.working.stop());
    }
}

async fn stop_all(capturing: Vec<RunningProcessor>) {
    join_all(capturing.into_iter().map(RunningProcessor::stop)).await;
}
