//! How a processor is set up. Names and defaults are those of the .NET builder.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use crate::bootstrap::bootstrap;
use crate::change::Change;
use crate::checkpoint::Checkpointer;
use crate::clock::Clock;
use crate::context::Context;
use crate::cosmos::{Container, Error, ErrorKind, LeaseStore};
use crate::health::{HandlerError, Notifications, ProcessingError};
use crate::instance::{Handler, Instance, RunningProcessor};
use crate::lease::DEFAULT_EXPIRATION;
use crate::mode::ChangeFeedMode;
use crate::start_from::StartFrom;

const STARTING: &str = "starting the processor";

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub instance_name: Arc<str>,
    pub start_from: StartFrom,
    pub mode: ChangeFeedMode,
    pub max_items: Option<NonZeroU32>,
    pub poll_delay: Duration,
    pub lease_acquire_interval: Duration,
    pub lease_expiration_interval: Duration,
    pub lease_renew_interval: Duration,
    pub first_retry_delay: Duration,
    pub last_retry_delay: Duration,
    pub checkpointing: Checkpointing,
    pub clock: Clock,
}

/// Who moves bookmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpointing {
    /// The processor, after each batch.
    Automatic,
    /// The handler.
    Manual,
}

/// Sets up a [`ChangeFeedProcessor`].
#[derive(Debug)]
pub struct ProcessorBuilder {
    processor_name: String,
    monitored: Container,
    leases: Container,
    settings: Settings,
    notifications: Notifications,
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
                instance_name: uuid::Uuid::new_v4().to_string().into(),
                start_from: StartFrom::Now,
                mode: ChangeFeedMode::LatestVersion,
                max_items: None,
                poll_delay: Duration::from_secs(5),
                lease_acquire_interval: Duration::from_secs(13),
                lease_expiration_interval: DEFAULT_EXPIRATION,
                lease_renew_interval: Duration::from_secs(17),
                first_retry_delay: Duration::from_secs(1),
                last_retry_delay: Duration::from_secs(60),
                checkpointing: Checkpointing::Automatic,
                clock: Clock::default(),
            },
            notifications: Notifications::default(),
        }
    }

    /// Makes the leases if there are none yet, and starts.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the lease container is not partitioned by `/id` or
    /// `/partitionKey`, when leases would expire before they are renewed, when there are leases of the other mode, and
    /// when [`ChangeFeedMode::AllVersionsAndDeletes`] is to start from anything but now. Any kind when the leases cannot
    /// be made. Once it runs, a processor tries again whatever fails.
    pub async fn start(self) -> Result<RunningProcessor, Error> {
        let ProcessorBuilder { processor_name, monitored, leases, settings, notifications } = self.builder;
        if settings.instance_name.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, STARTING, "the instance's name is empty"));
        }
        if settings.lease_expiration_interval <= settings.lease_renew_interval {
            let message = format!(
                "leases expire after {:?} and are renewed every {:?} only; they must be renewed before they expire",
                settings.lease_expiration_interval, settings.lease_renew_interval
            );
            return Err(Error::new(ErrorKind::Invalid, STARTING, message));
        }
        let leases = LeaseStore::new(leases, monitored.lease_prefix(&processor_name), settings.clock.clone())?;
        bootstrap(&monitored, &leases, settings.start_from, settings.mode).await?;
        Ok(RunningProcessor::start(Instance {
            settings,
            monitored,
            leases,
            handler: self.handler,
            notifications,
            rebalance: tokio::sync::Notify::new(),
        }))
    }
}

impl ProcessorBuilder {
    /// The name that this instance's leases bear; by default a new UUID. Each instance needs its own: an instance takes
    /// the leases that bear its name for its own from before a restart.
    pub fn instance_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.instance_name = name.into();
        self
    }

    /// Where leases without a bookmark start; by default [`StartFrom::Now`].
    pub fn start_from(mut self, start_from: StartFrom) -> Self {
        self.settings.start_from = start_from;
        self
    }

    /// What the feed tells; by default [`ChangeFeedMode::LatestVersion`].
    pub fn mode(mut self, mode: ChangeFeedMode) -> Self {
        self.settings.mode = mode;
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

    /// How long to wait after a failure before trying again, doubled with each further one; by default from 1 second up
    /// to 60.
    pub fn retry_delay(mut self, first: Duration, last: Duration) -> Self {
        (self.settings.first_retry_delay, self.settings.last_retry_delay) = (first, last.max(first));
        self
    }

    /// The clock by which leases are renewed and expire; by default the system's.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.settings.clock = clock.into();
        self
    }

    /// Calls `notify` with the token of each lease that this instance takes.
    pub fn on_lease_acquired(mut self, notify: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notifications.acquired = Some(Box::new(notify));
        self
    }

    /// Calls `notify` with the token of each lease that this instance held and no longer holds: given back, lost, or
    /// replaced after a split or merge.
    pub fn on_lease_released(mut self, notify: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notifications.released = Some(Box::new(notify));
        self
    }

    /// Calls `notify` with everything that fails while the processor runs, and the token of the lease that it holds up,
    /// if it is one.
    pub fn on_error(mut self, notify: impl Fn(Option<&str>, &ProcessingError) + Send + Sync + 'static) -> Self {
        self.notifications.error = Some(Box::new(notify));
        self
    }

    /// Completes the processor with the function that is called with each batch of changes. When it fails, or panics,
    /// the batch is delivered again later; when it succeeds, the lease's bookmark is moved behind the batch.
    pub fn build<F, Fut, E>(self, handler: F) -> ChangeFeedProcessor
    where
        F: Fn(Context, Vec<Change>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerError> + 'static,
    {
        let handler = Arc::new(handler);
        // A handler may panic before it returns its future: it is called within the one that is watched.
        let handler: Handler = Box::new(move |context, changes, _| {
            let handler = Arc::clone(&handler);
            async move { handler(context, changes).await.map_err(Into::into) }.boxed()
        });
        ChangeFeedProcessor { builder: self, handler }
    }

    /// As [`Self::build`], but bookmarks move only where the handler's [`Checkpointer`] moves them: for a handler that
    /// gathers several batches before it stores them. A handler that fails gets everything again since the last
    /// checkpoint.
    pub fn build_with_manual_checkpoint<F, Fut, E>(mut self, handler: F) -> ChangeFeedProcessor
    where
        F: Fn(Context, Vec<Change>, Checkpointer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerError> + 'static,
    {
        self.settings.checkpointing = Checkpointing::Manual;
        let handler = Arc::new(handler);
        let handler: Handler = Box::new(move |context, changes, checkpointer| {
            let handler = Arc::clone(&handler);
            async move { handler(context, changes, checkpointer).await.map_err(Into::into) }.boxed()
        });
        ChangeFeedProcessor { builder: self, handler }
    }
}
