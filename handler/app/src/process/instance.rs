//! A running instance: one processor that captures, one that runs jobs, the retention, the backup policy, and looks at the leases.

use std::sync::Arc;

use anyhow::{Context, Result};
use changefeed_processor::RunningProcessor;

use super::backup_policy::BackingUp;
use super::capture::processor;
use super::containers::check_containers;
use super::health::Health;
use super::jobs::RunningJobs;
use super::options::ProcessOptions;
use super::retention::Sweeping;
use super::start::start_with_retries;
use super::watch::Watching;
use crate::service::Service;

/// A running instance.
pub struct Processing {
    capturing: RunningProcessor,
    working: RunningJobs,
    _sweeping: Sweeping,
    _watching: Watching,
    _backing_up: BackingUp,
}

impl Processing {
    /// Creates missing leases, and starts to capture and to run jobs. Transient failures are retried. `None` when `stop`
    /// completes before.
    ///
    /// # Errors
    /// When containers are missing, or a processor can never start. Acquired leases are released.
    pub async fn start(
        service: Arc<Service>,
        options: ProcessOptions,
        health: &Health,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Self>> {
        tokio::pin!(stop);
        let capture = start_with_retries(health, async || {
            check_containers(&service).await?;
            let capture = processor(&service, &options, health).await?.start().await;
            capture.context("starting the change feed processor for capture")
        });
        let capturing = tokio::select! {
            capturing = capture => capturing?,
            () = &mut stop => return Ok(None),
        };
        let work = start_with_retries(health, async || {
            RunningJobs::start(&service, &options, capturing.instance_name(), health).await
        });
        let working = tokio::select! {
            working = work => working.map(Some),
            () = &mut stop => Ok(None),
        };
        match working {
            Ok(Some(working)) => {
                health.set_ready(&service);
                let watching = Watching::start(Arc::clone(&service), health.clone());
                let backing_up = BackingUp::start(Arc::clone(&service));
                Ok(Some(Self {
                    capturing,
                    working,
                    _sweeping: Sweeping::start(service),
                    _watching: watching,
                    _backing_up: backing_up,
                }))
            }
            not_started => {
                capturing.stop().await;
                not_started.map(|_| None)
            }
        }
    }

    /// The name of this instance in its leases.
    pub fn instance_name(&self) -> &str {
        self.capturing.instance_name()
    }

    /// Finishes batches in progress, saves jobs, and releases the leases.
    pub async fn stop(self, health: &Health) {
        health.set_stopping();
        tokio::join!(self.capturing.stop(), self.working.stop());
    }
}
