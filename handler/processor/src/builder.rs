//! How a processor is set up. Names and defaults are those of the .NET builder.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::FutureExt;

use crate::bootstrap::bootstrap;
use crate::change::Change;
use crate::context::Context;
use crate::cosmos::{Container, Error, LeaseStore};
use crate::instance::{Handler, HandlerError, Instance, RunningProcessor};
use crate::lease::LeaseMode;
use crate::start_from::StartFrom;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub instance_name: String,
    pub start_from: StartFrom,
    pub mode: LeaseMode,
    pub max_items: Option<NonZeroU32>,
    pub poll_delay: Duration,
    pub lease_acquire_interval: Duration,
    pub lease_expiration_interval: Duration,
    pub lease_renew_interval: Duration,
}

/// Sets up a [`ChangeFeedProcessor`].
#[derive(Debug)]
pub struct ProcessorBuilder {
    processor_name: String,
    monitored: Container,
    leases: Container,
    settings: Settings,
}

/// A processor that can be started.
pub struct ChangeFeedProcessor {
    builder: ProcessorBuilder,
    handler: Handler,
}

impl ChangeFeedProcessor {
    /// A processor of `monitored` that keeps its leases in `leases` (partitioned by `/id`). Instances with the same
    /// `processor_name` share the work; others are independent. The Functions trigger's name is its
    /// `leaseContainerPrefix`.
    pub fn builder(processor_name: impl Into<String>, monitored: Container, leases: Container) -> ProcessorBuilder {
        ProcessorBuilder {
            processor_name: processor_name.into(),
            monitored,
            leases,
            settings: Settings {
                instance_name: uuid::Uuid::new_v4().to_string(),
                start_from: StartFrom::Now,
                mode: LeaseMode::Incremental,
                max_items: None,
                poll_delay: Duration::from_secs(5),
                lease_acquire_interval: Duration::from_secs(13),
                lease_expiration_interval: Duration::from_secs(60),
                lease_renew_interval: Duration::from_secs(17),
            },
        }
    }

    /// Makes the leases if there are none yet, and starts.
    ///
    /// # Errors
    /// When the lease container is not partitioned by `/id` or `/partitionKey`, and when the leases cannot be made.
    /// Once it runs, a processor tries again whatever fails.
    pub async fn start(self) -> Result<RunningProcessor, Error> {
        let ProcessorBuilder { processor_name, monitored, leases, settings } = self.builder;
        let prefix = format!("{processor_name}{}", monitored.lease_prefix());
        let leases = LeaseStore::new(leases, prefix)?;
        bootstrap(&monitored, &leases, settings.start_from, settings.mode).await?;
        let instance =
            Instance { settings, monitored, leases, handler: self.handler, rebalance: tokio::sync::Notify::new() };
        Ok(RunningProcessor::start(instance))
    }
}

impl ProcessorBuilder {
    /// The name that this instance's leases bear; by default a new UUID.
    pub fn instance_name(mut self, name: impl Into<String>) -> Self {
        self.settings.instance_name = name.into();
        self
    }

    /// Where leases without a bookmark start; by default [`StartFrom::Now`].
    pub fn start_from(mut self, start_from: StartFrom) -> Self {
        self.settings.start_from = start_from;
        self
    }

    /// The most changes to hand over at once (100 by the service's default). The items of one transaction stay together.
    pub fn max_items(mut self, max_items: NonZeroU32) -> Self {
        self.settings.max_items = Some(max_items);
        self
    }

    /// How long to wait before looking again at a range that had nothing new; by default 5 seconds.
    pub fn poll_delay(mut self, delay: Duration) -> Self {
        self.settings.poll_delay = delay;
        self
    }

    /// How often to look for leases to take; by default every 13 seconds.
    pub fn lease_acquire_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_acquire_interval = interval;
        self
    }

    /// After what time without renewal a lease is free for others; by default 60 seconds.
    pub fn lease_expiration_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_expiration_interval = interval;
        self
    }

    /// How often to renew a lease that is held; by default every 17 seconds.
    pub fn lease_renew_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_renew_interval = interval;
        self
    }

    /// Completes the processor with the function that is called with each batch of changes. When it fails, or panics,
    /// the batch is delivered again later.
    pub fn build<F, Fut, E>(self, handler: F) -> ChangeFeedProcessor
    where
        F: Fn(Context, Vec<Change>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerError> + 'static,
    {
        let handler: Handler = Box::new(move |context, changes| {
            let handled = handler(context, changes);
            async move { handled.await.map_err(Into::into) }.boxed()
        });
        ChangeFeedProcessor { builder: self, handler }
    }
}
