//! Configures a processor. The names and defaults are those of the .NET builder.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::Error;
use futures::FutureExt;

use crate::bootstrap::bootstrap;
use crate::change::Change;
use crate::checkpoint::Checkpointer;
use crate::container::Container;
use crate::context::Context;
use crate::health::{HandlerError, Notifications, ProcessingError};
use crate::instance::{Checkpointing, Handler, Instance, Settings};
use crate::lease::DEFAULT_EXPIRATION;
use crate::lease_store::LeaseStore;
use crate::mode::ChangeFeedMode;
use crate::running::RunningProcessor;
use crate::start_from::StartFrom;
use changefeed_cosmos::Clock;

const STARTING: &str = "starting the processor";
/// The shortest pause between two polls, balancing passes, renewals or retries. Without a pause, they would use all of the
/// container's throughput.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Configures a [`ChangeFeedProcessor`].
#[derive(Debug)]
pub struct ProcessorBuilder {
    processor_name: String,
    monitored: Container,
    leases: Container,
    settings: Settings,
    notifications: Notifications,
}

/// A configured processor, which can be started.
pub struct ChangeFeedProcessor {
    builder: ProcessorBuilder,
    handler: Handler,
}

impl ChangeFeedProcessor {
    /// A processor for the container `monitored` that stores its leases in the container `leases` (partitioned by
    /// `/id`). Instances with the same `processor_name` divide the leases; processors with other names are independent.
    /// The name corresponds to `leaseContainerPrefix` of the Functions trigger.
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
                max_retry_delay: Duration::from_secs(60),
                checkpointing: Checkpointing::Automatic,
                recreates_leases: true,
                as_dotnet: false,
                clock: Clock::default(),
            },
            notifications: Notifications::default(),
        }
    }

    /// Creates the leases if there are none yet, and starts the instance.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when the instance name is empty, when the processor name
    /// contains one of `/ \ ? #`, when the lease container is not partitioned by `/id` or `/partitionKey`, when leases would expire before they are renewed, when existing
    /// leases are in the other mode, and when [`ChangeFeedMode::AllVersionsAndDeletes`] should start from anything but
    /// now. Any kind when the leases cannot be created. A running processor retries whatever fails.
    pub async fn start(self) -> Result<RunningProcessor, Error> {
        let ProcessorBuilder { processor_name, monitored, leases, settings, notifications } = self.builder;
        if settings.instance_name.is_empty() {
            return Err(Error::invalid(STARTING, "the instance name is empty"));
        }
        if settings.lease_expiration_interval <= settings.lease_renew_interval {
            let message = format!(
                "leases expire after {:?} but are renewed every {:?}; the expiration interval must be longer than the \
                 renew interval",
                settings.lease_expiration_interval, settings.lease_renew_interval
            );
            return Err(Error::invalid(STARTING, message));
        }
        let leases = LeaseStore::new(&processor_name, &monitored, leases, settings.clock.clone())?
            .writing_as_dotnet(settings.as_dotnet);
        bootstrap(&monitored, &leases, settings.start_from, settings.mode).await?;
        Ok(RunningProcessor::start(Instance {
            settings,
            monitored,
            leases,
            handler: Arc::new(self.handler),
            notifications: Arc::new(notifications),
            rebalance: tokio::sync::Notify::new(),
            replacing_orphans: tokio::sync::Mutex::default(),
        }))
    }
}

impl ProcessorBuilder {
    /// The name that identifies this instance as the owner of leases; a new UUID by default. Every instance needs a
    /// different name: an instance treats leases with its name as its own from before a restart.
    pub fn instance_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.instance_name = name.into();
        self
    }

    /// Where leases without a continuation token start; [`StartFrom::Now`] by default.
    pub fn start_from(mut self, start_from: StartFrom) -> Self {
        self.settings.start_from = start_from;
        self
    }

    /// The change feed mode; [`ChangeFeedMode::LatestVersion`] by default.
    pub fn mode(mut self, mode: ChangeFeedMode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// The maximum number of changes in a batch; 100 by default. A batch can have more, because the changes of one
    /// transaction stay together.
    pub fn max_items(mut self, max_items: NonZeroU32) -> Self {
        self.settings.max_items = Some(max_items);
        self
    }

    /// The longest wait before a feed range that had no new changes is polled again; 5 seconds by default,
    /// 10 ms at least: a shorter delay counts as 10 ms. After changes, the wait is a tenth of the time since then, 80 ms at least.
    pub fn poll_delay(mut self, delay: Duration) -> Self {
        self.settings.poll_delay = delay.max(MIN_PAUSE);
        self
    }

    /// How often to check whether the leases are divided evenly, and to acquire leases; every 13 seconds by default,
    /// every 10 ms at most: a shorter interval counts as 10 ms.
    pub fn lease_acquire_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_acquire_interval = interval.max(MIN_PAUSE);
        self
    }

    /// How long a lease lives without renewal; 60 seconds by default. Other instances may acquire an expired lease.
    pub fn lease_expiration_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_expiration_interval = interval;
        self
    }

    /// How often to renew the leases that this instance owns; every 17 seconds by default, every 10 ms at most: a shorter
    /// interval counts as 10 ms.
    pub fn lease_renew_interval(mut self, interval: Duration) -> Self {
        self.settings.lease_renew_interval = interval.max(MIN_PAUSE);
        self
    }

    /// The delay before the first retry after a failure, which doubles with each further failure up to `max`; 1 second
    /// and 60 seconds by default. A first delay below 10 ms counts as 10 ms. A retry pauses for between half of the delay and all
    /// of it, or longer if the service asks for that.
    pub fn retry_delay(mut self, first: Duration, max: Duration) -> Self {
        let first = first.max(MIN_PAUSE);
        (self.settings.first_retry_delay, self.settings.max_retry_delay) = (first, max.max(first));
        self
    }

    /// Whether a running instance creates leases again that were deleted, and new leases after a container was deleted and
    /// created again; true by default. New leases start where [`Self::start_from`] says. A .NET processor does not do this.
    pub fn recreate_leases(mut self, recreate: bool) -> Self {
        self.settings.recreates_leases = recreate;
        self
    }

    /// Writes leases only when a .NET processor does, as the Functions trigger is one. After a failure, except throttling,
    /// the lease is released, and acquired again when leases are next balanced. In AllVersionsAndDeletes mode, a lease has
    /// no continuation token before its first batch: if that batch fails, the lease starts from now again. This is for
    /// stand-ins of such programs. [Leases that vanish](Self::recreate_leases) are not created again. By default a lease stays owned during retries, and never skips a change.
    pub fn as_dotnet(mut self) -> Self {
        self.settings.as_dotnet = true;
        self.settings.recreates_leases = false;
        self
    }

    /// The clock by which leases are renewed and expire; the system clock by default.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.settings.clock = clock.into();
        self
    }

    /// Calls `notify` with the token of each lease that this instance acquires. A panic in `notify` is logged, here and in
    /// the other callbacks.
    pub fn on_lease_acquired(mut self, notify: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notifications.acquired = Some(Box::new(notify));
        self
    }

    /// Calls `notify` with the token of each lease that this instance no longer owns: it was released, lost, or
    /// replaced after a split or merge.
    pub fn on_lease_released(mut self, notify: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notifications.released = Some(Box::new(notify));
        self
    }

    /// Calls `notify` with every error of the running processor, and with the token of the affected lease if the error
    /// concerns a single lease.
    pub fn on_error(mut self, notify: impl Fn(Option<&str>, &ProcessingError) + Send + Sync + 'static) -> Self {
        self.notifications.error = Some(Box::new(notify));
        self
    }

    /// Calls `notify` after each check of the containers and leases, which happens every
    /// [acquire interval](Self::lease_acquire_interval): with the error when they cannot be read, or when missing leases cannot
    /// be created. Then some changes or all of them are not delivered.
    pub fn on_leases_checked(mut self, notify: impl Fn(Result<(), &Error>) + Send + Sync + 'static) -> Self {
        self.notifications.checked = Some(Box::new(notify));
        self
    }

    /// Builds the processor with the handler, which is called with each batch of changes. When the handler succeeds,
    /// the processor checkpoints the lease. When it fails or panics, the batch is redelivered later.
    pub fn build<F, Fut, E>(self, handler: F) -> ChangeFeedProcessor
    where
        F: Fn(Context, Vec<Change>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerError> + 'static,
    {
        let handler = Arc::new(handler);
        // A handler may panic before it returns its future, so it is called inside the future that catches panics.
        let handler: Handler = Box::new(move |context, changes, _| {
            let handler = Arc::clone(&handler);
            async move { handler(context, changes).await.map_err(Into::into) }.boxed()
        });
        ChangeFeedProcessor { builder: self, handler }
    }

    /// Like [`Self::build`], but only the handler checkpoints, with its [`Checkpointer`]. This is for a handler that
    /// collects several batches before it stores them. When the handler fails, all changes since the last checkpoint
    /// are redelivered.
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
