//! The history of a monitored container.

use changefeed_cosmos::{Error, Key, LazyContainer, Meter, display_key_paths};

use crate::containers::Containers;
use crate::retention_record::Horizon;
use crate::service_clock::ServiceClock;

/// The versions of a monitored container's documents, and the documents themselves. Clones share the containers.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) monitored: LazyContainer,
    pub(crate) changes: LazyContainer,
    pub(crate) horizon: Horizon,
    clock: ServiceClock,
}

impl History {
    /// The history in these containers.
    pub fn new(containers: &Containers) -> Self {
        Self {
            monitored: containers.monitored.clone(),
            changes: containers.changes.clone(),
            horizon: Horizon::new(containers.jobs.clone()),
            clock: ServiceClock::new(containers.jobs.clone()),
        }
    }

    /// The same history. Its requests are counted by this meter.
    pub fn metered(&self, meter: &Meter) -> Self {
        Self {
            monitored: self.monitored.metered(meter),
            changes: self.changes.metered(meter),
            horizon: self.horizon.metered(meter),
            clock: self.clock.clone(),
        }
    }

    /// The container whose documents are captured.
    pub fn monitored(&self) -> &LazyContainer {
        &self.monitored
    }

    /// The container of the versions.
    pub fn changes(&self) -> &LazyContainer {
        &self.changes
    }

    /// The clock by which versions are ordered.
    pub fn clock(&self) -> &ServiceClock {
        &self.clock
    }

    /// Checks that a key in a request has as many components as the monitored container's key.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when the numbers differ, and when the container cannot be read.
    pub async fn check_key(&self, key: &Key) -> Result<(), Error> {
        let monitored = self.monitored.open().await?;
        let paths = monitored.key_paths();
        if key.components().len() == paths.len() {
            return Ok(());
        }
        let message = format!(
            "partitionKey {key} has {} components; the container's key has {}: {}",
            key.components().len(),
            paths.len(),
            display_key_paths(paths)
        );
        Err(Error::invalid("reading the request", message))
    }
}
