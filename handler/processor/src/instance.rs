//! What one instance of a processor consists of. Its tasks share it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, Notify};

use crate::change::Change;
use crate::checkpoint::Checkpointer;
use crate::container::Container;
use crate::context::Context;
use crate::health::{HandlerError, Notifications};
use crate::lease_store::LeaseStore;
use crate::mode::ChangeFeedMode;
use crate::start_from::StartFrom;
use changefeed_cosmos::Clock;

pub(crate) type Handler =
    Box<dyn Fn(Context, Vec<Change>, Checkpointer) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

pub(crate) struct Instance {
    pub settings: Settings,
    pub monitored: Container,
    pub leases: LeaseStore,
    pub handler: Arc<Handler>,
    pub notifications: Arc<Notifications>,
    /// Starts the next balancing of the leases without waiting for `lease_acquire_interval`.
    pub rebalance: Notify,
    /// Held while leases are replaced that record no range and have lost their partition.
    pub replacing_orphans: Mutex<()>,
}

impl Instance {
    /// The same instance on other containers: those that have the names of the old ones now.
    pub(crate) fn on(&self, monitored: Container, leases: LeaseStore) -> Self {
        Self {
            settings: self.settings.clone(),
            monitored,
            leases,
            handler: Arc::clone(&self.handler),
            notifications: Arc::clone(&self.notifications),
            rebalance: Notify::new(),
            replacing_orphans: Mutex::default(),
        }
    }
}

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
    pub max_retry_delay: Duration,
    pub checkpointing: Checkpointing,
    /// Whether leases that vanish are created again.
    pub recreates_leases: bool,
    pub as_dotnet: bool,
    pub clock: Clock,
}

/// What checkpoints a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpointing {
    /// The processor, after the handler has succeeded.
    Automatic,
    /// The handler, with its [`Checkpointer`].
    Manual,
}
