//! Databases, containers and offers: lookup, and every change of them.
//!
//! The race to mind: a container may be deleted and created again while requests for it are under way. A request holds the
//! container that it has found, whose data stays whole until the request ends; the new container is another one, with another
//! resource id. Locks are taken in one order: that of storing, the catalog, then the definition and the data of one container. The data of a
//! container is called without the lock of the catalog, but for its creation and to store its partitions.
//!
//! A change is stored before it is answered, and a new database or container before a client can find it: if the process ends in between, no
//! client has seen its resource id. Stores follow one another, so that an older state never replaces a newer one, and the data of a deleted
//! container is removed after them: if the process ends in between, the container is whole or gone.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value, json};

use super::address::ContainerPath;
use super::catalog::{Catalog, Database, Missing};
use super::container::{Container, StoredDefinition};
use super::container_data::{ContainerData, NewContainer};
use super::definition::ContainerDefinition;
use super::offer::{Offer, OfferResource};
use super::ranges::Ranges;
use super::refusal::Refusal;
use super::resource_id::{ContainerRid, DatabaseRid, OfferRid};
use super::throughput::{Throughput, partitions_for};

/// The time in seconds since 1970.
type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// Stores the directory. The error is a message.
type Save = Box<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// The databases, containers and offers of the account.
pub(crate) struct Directory<D: ContainerData> {
    pub(super) catalog: RwLock<Catalog<D>>,
    /// The number of changes, which makes etags unique.
    pub(super) sequence: AtomicU64,
    clock: Clock,
    pub(super) context: D::Context,
    /// How many physical partitions a new container has; if `None`, as many as its throughput needs.
    partitions: Option<u32>,
    save: Option<Save>,
    /// Held while the directory is stored; no other lock is held when it is taken.
    pub(super) saving: Mutex<()>,
}

/// A resource as clients read it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Representation {
    pub json: Value,
    pub etag: String,
}

impl<D: ContainerData> fmt::Debug for Directory<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Directory").field("changes", &self.changes()).finish_non_exhaustive()
    }
}

impl<D: ContainerData> Directory<D> {
    /// A directory without databases. `clock` is the time in seconds since 1970.
    pub(crate) fn new(context: D::Context, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            catalog: RwLock::default(),
            sequence: AtomicU64::new(0),
            clock: Box::new(clock),
            context,
            partitions: None,
            save: None,
            saving: Mutex::default(),
        }
    }

    /// Gives every new container this many physical partitions.
    pub(crate) fn with_partitions(self, count: u32) -> Self {
        Self { partitions: Some(count), ..self }
    }

    /// Stores the directory with `save` after each change. A change that could not be stored is answered 503.
    pub(crate) fn with_storage(self, save: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { save: Some(Box::new(save)), ..self }
    }

    fn store(&self) -> Result<(), Refusal> {
        let _turn = self.turn();
        self.store_catalog(&self.read())
    }

    /// Waits until no other change is being stored.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store_catalog(&self, catalog: &Catalog<D>) -> Result<(), Refusal> {
        let Some(save) = &self.save else { return Ok(()) };
        let stored = self.catalog_json(catalog).and_then(|json| save(&json));
        stored.map_err(|error| Refusal::unavailable(format!("The change could not be stored: {error}")))
    }

    /// The number of changes since the directory was empty. A directory with the same number is the same.
    pub(crate) fn changes(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    pub(crate) fn container(&self, path: &ContainerPath) -> Result<Arc<Container<D>>, Missing> {
        self.read().container(path).cloned()
    }

    /// The name of the database of a container; `None` after the database was deleted.
    pub(crate) fn database_of(&self, container: ContainerRid) -> Option<String> {
        self.read().databases.get(&container.database()).map(|database| database.id.clone())
    }

    /// All containers with the names of their databases, in the order of their creation.
    pub(crate) fn containers(&self) -> Vec<(String, Arc<Container<D>>)> {
        let catalog = self.read();
        let of_database = |database: &Database<D>| {
            let name = database.id.clone();
            database.containers.values().map(|container| (name.clone(), Arc::clone(container))).collect::<Vec<_>>()
        };
        catalog.databases.values().flat_map(of_database).collect()
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Catalog<D>> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Catalog<D>> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Counts a change, and returns its etag.
    fn next_etag(&self, now: i64) -> String {
        let number = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        format!("\"{number:08x}-0000-0100-0000-{now:08x}0000\"")
    }

    pub(super) fn create_database(
        &self,
        id: String,
        throughput: Option<Throughput>,
    ) -> Result<Representation, Refusal> {
        let _turn = self.turn();
        let mut catalog = self.write();
        if catalog.databases.values().any(|database| database.id == id) {
            return Err(exists("database", &id));
        }
        let now = self.now();
        let rid = DatabaseRid::new(catalog.next_database);
        catalog.next_database += 1;
        let database = Database::new(id, rid, self.next_etag(now), now);
        let created = representation(&database);
        catalog.databases.insert(rid, database);
        if let Some(throughput) = throughput {
            let etag = self.next_etag(now);
            catalog.add_offer(OfferResource::Database(rid), throughput, etag, now);
        }
        if let Err(refusal) = self.store_catalog(&catalog) {
            catalog.databases.remove(&rid);
            catalog.remove_offer_of(OfferResource::Database(rid));
            return Err(refusal);
        }
        Ok(created)
    }

    pub(super) fn read_database(&self, name: &str) -> Result<Representation, Missing> {
        self.read().database(name).map(representation)
    }

    /// Deletes a database with its containers.
    pub(super) fn delete_database(&self, name: &str, if_match: Option<&str>) -> Result<(), Refusal> {
        let mut catalog = self.write();
        let rid = catalog.find_database(name).map_err(Missing::refusal)?;
        let database = catalog.database(name).map_err(Missing::refusal)?;
        check_match(if_match, &database.etag)?;
        let Some(database) = catalog.databases.remove(&rid) else {
            return Err(Missing::Database(name.to_owned()).refusal());
        };
        catalog.remove_offer_of(OfferResource::Database(rid));
        for container in database.containers.values() {
            catalog.remove_offer_of(OfferResource::Container(container.rid));
            container.mark_deleted();
        }
        self.next_etag(self.now());
        drop(catalog);
        self.store()?;
        database.containers.values().for_each(|container| container.data.delete());
        Ok(())
    }

    pub(super) fn create_container(
        &self,
        database: &str,
        definition: ContainerDefinition,
        throughput: Option<Throughput>,
    ) -> Result<Representation, Refusal> {
        D::check(&definition)?;
        let _turn = self.turn();
        let mut catalog = self.write();
        let parent = catalog.find_database(database).map_err(Missing::owner_refusal)?;
        let shared = catalog.offer_of(OfferResource::Database(parent)).map(|offer| offer.throughput);
        let now = self.now();
        let missing = || Missing::Database(database.to_owned()).owner_refusal();
        let entry = catalog.databases.get_mut(&parent).ok_or_else(missing)?;
        if entry.has_name(&definition.id) {
            return Err(exists("container", &definition.id));
        }
        let rid = parent.container(entry.next_container);
        entry.next_container += 1;
        // Without its own throughput, a container shares that of its database, or has the least.
        let own = throughput.or_else(|| shared.is_none().then(Throughput::default));
        let throughput = own.or(shared).unwrap_or_default();
        let count = self.partitions.unwrap_or_else(|| partitions_for(throughput.highest()));
        let definition = Arc::new(definition);
        let stored =
            StoredDefinition { definition: Arc::clone(&definition), etag: self.next_etag(now), timestamp: now };
        let created = Representation { json: stored.to_json(rid), etag: stored.etag.clone() };
        let ranges = Ranges::new(definition.partition_key.hash_space(), count, now);
        let data = D::create(&self.context, NewContainer { rid, definition, ranges });
        entry.insert(Arc::new(Container::new(rid, stored, data)));
        if let Some(own) = own {
            let etag = self.next_etag(now);
            catalog.add_offer(OfferResource::Container(rid), own, etag, now);
        }
        if let Err(refusal) = self.store_catalog(&catalog) {
            if let Some(database) = catalog.databases.get_mut(&parent) {
                database.remove(rid);
            }
            catalog.remove_offer_of(OfferResource::Container(rid));
            return Err(refusal);
        }
        Ok(created)
    }

    /// The container that an offer is of, and how many physical partitions its throughput needs at least.
    pub(crate) fn needed_partitions(&self, offer: &str) -> Option<(Arc<Container<D>>, u32)> {
        let offer = self.read_offer(offer).ok()?;
        let OfferResource::Container(rid) = offer.resource else { return None };
        let container = self.read().databases.get(&rid.database())?.containers.get(&rid).cloned()?;
        Some((container, partitions_for(offer.throughput.highest())))
    }

    pub(super) fn replace_container(
        &self,
        path: &ContainerPath,
        body: &[u8],
        if_match: Option<&str>,
    ) -> Result<Representation, Refusal> {
        let container = self.container(path).map_err(Missing::refusal_of_container)?;
        let mut current = container.lock();
        if container.is_deleted() {
            return Err(Missing::Container(path.clone()).refusal());
        }
        check_match(if_match, &current.etag)?;
        let definition = Arc::new(current.definition.replace(body)?);
        D::check(&definition)?;
        let now = self.now();
        *current = StoredDefinition { definition: Arc::clone(&definition), etag: self.next_etag(now), timestamp: now };
        container.data.replace_definition(definition);
        let replaced = Representation { json: current.to_json(container.rid), etag: current.etag.clone() };
        drop(current);
        self.store()?;
        Ok(replaced)
    }

    pub(super) fn delete_container(&self, path: &ContainerPath, if_match: Option<&str>) -> Result<(), Refusal> {
        let mut catalog = self.write();
        let container = catalog.container(path).map_err(Missing::refusal_of_container)?.clone();
        check_match(if_match, &container.stored().etag)?;
        if let Some(database) = catalog.databases.get_mut(&container.rid.database()) {
            database.remove(container.rid);
        }
        catalog.remove_offer_of(OfferResource::Container(container.rid));
        container.mark_deleted();
        self.next_etag(self.now());
        drop(catalog);
        self.store()?;
        container.data.delete();
        Ok(())
    }

    /// The databases in the order of their creation, with their resource ids.
    pub(super) fn list_databases(&self) -> Vec<(String, Value)> {
        let catalog = self.read();
        catalog.databases.values().map(|database| (database.rid.to_string(), representation(database).json)).collect()
    }

    /// The resource id of a database, and its containers in the order of their creation, with their resource ids.
    pub(super) fn list_containers(&self, database: &str) -> Result<(String, Vec<(String, Value)>), Missing> {
        let catalog = self.read();
        let database = catalog.database(database)?;
        let containers = database.containers.values();
        let list = containers.map(|container| (container.rid.to_string(), container.to_json())).collect();
        Ok((database.rid.to_string(), list))
    }

    /// The offers in the order of their creation, with their resource ids.
    pub(super) fn list_offers(&self) -> Vec<(String, Value)> {
        self.read().offers.values().map(|offer| (offer.rid.to_string(), offer.to_json())).collect()
    }

    pub(super) fn read_offer(&self, rid: &str) -> Result<Offer, Refusal> {
        let parsed: Option<OfferRid> = rid.parse().ok();
        let found = parsed.and_then(|rid| self.read().offers.get(&rid).cloned());
        found.ok_or_else(|| Refusal::not_found(format!("The offer \"{rid}\" does not exist.")))
    }

    pub(super) fn replace_offer(
        &self,
        rid: &str,
        body: &Map<String, Value>,
        flag: impl Fn(&str) -> bool,
        if_match: Option<&str>,
    ) -> Result<Offer, Refusal> {
        let found = self.read_offer(rid)?;
        let mut catalog = self.write();
        let now = self.now();
        let Some(offer) = catalog.offers.get_mut(&found.rid) else {
            return Err(Refusal::not_found(format!("The offer \"{rid}\" does not exist.")));
        };
        check_match(if_match, &offer.etag)?;
        offer.throughput = offer.replacement(body, flag)?;
        offer.highest_ever = offer.highest_ever.max(offer.throughput.highest());
        (offer.etag, offer.timestamp) = (self.next_etag(now), now);
        let replaced = offer.clone();
        drop(catalog);
        self.store()?;
        Ok(replaced)
    }
}

fn representation<D>(database: &Database<D>) -> Representation {
    let json = json!({
        "id": database.id,
        "_rid": database.rid.to_string(),
        "_self": database.rid.link(),
        "_etag": database.etag,
        "_colls": "colls/",
        "_users": "users/",
        "_ts": database.timestamp,
    });
    Representation { json, etag: database.etag.clone() }
}

fn exists(kind: &str, id: &str) -> Refusal {
    Refusal::conflict(format!("Entity with the specified id already exists in the system: the {kind} \"{id}\"."))
}

/// Checks the header `if-match`.
pub(super) fn check_match(if_match: Option<&str>, etag: &str) -> Result<(), Refusal> {
    match if_match {
        Some(expected) if !crate::etag::matches(expected, etag) => Err(Refusal::precondition_failed(format!(
            "One of the specified pre-condition is not met: the etag is {etag}, and if-match is {expected}."
        ))),
        _ => Ok(()),
    }
}
