//! The containers of the endpoint, by name.
//!
//! The race to mind: a container may be deleted and created again while requests for it are under way. A request uses its
//! [`Container`] only while it shares the registry, and a creation or deletion has exclusive access, so that every write is
//! logged for the container that stores it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::container::Container;
use crate::emulator::Emulator;
use crate::operation::ContainerName;

#[derive(Debug)]
pub(crate) struct Registry {
    containers: Mutex<BTreeMap<ContainerName, Arc<Container>>>,
    access: RwLock<()>,
    /// Whether a new container keeps previous images.
    previous_images: bool,
}

/// Shared access, for requests that use containers. A request takes it once: taking it again could wait for a deletion that
/// waits for the first.
pub(crate) struct Shared<'a> {
    registry: &'a Registry,
    _guard: RwLockReadGuard<'a, ()>,
}

/// Exclusive access, for requests that create or delete containers.
pub(crate) struct Exclusive<'a> {
    registry: &'a Registry,
    _guard: RwLockWriteGuard<'a, ()>,
}

impl Registry {
    pub(crate) fn new(previous_images: bool) -> Self {
        Self { containers: Mutex::default(), access: RwLock::default(), previous_images }
    }

    pub(crate) fn list(&self) -> Vec<(ContainerName, Arc<Container>)> {
        self.lock().iter().map(|(name, container)| (name.clone(), Arc::clone(container))).collect()
    }

    pub(crate) async fn shared(&self) -> Shared<'_> {
        Shared { registry: self, _guard: self.access.read().await }
    }

    pub(crate) async fn exclusive(&self) -> Exclusive<'_> {
        Exclusive { registry: self, _guard: self.access.write().await }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContainerName, Arc<Container>>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared<'_> {
    /// The container of this name; `None` if there is none.
    pub(crate) async fn container(&self, emulator: &Emulator, name: &ContainerName) -> Option<Arc<Container>> {
        let known = self.registry.lock().get(name).cloned();
        if known.is_some() {
            return known;
        }
        let loaded = Arc::new(Container::load(emulator, name).await?);
        loaded.log().keep_previous_images(self.registry.previous_images);
        Some(Arc::clone(self.registry.lock().entry(name.clone()).or_insert(loaded)))
    }
}

impl Exclusive<'_> {
    pub(crate) fn forget_container(&self, name: &ContainerName) {
        self.registry.lock().remove(name);
    }

    pub(crate) fn forget_database(&self, database: &str) {
        self.registry.lock().retain(|name, _| name.database != database);
    }
}
