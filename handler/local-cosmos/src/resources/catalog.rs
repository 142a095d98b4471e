//! The databases, containers and offers that exist, by name and by resource id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::address::ContainerPath;
use super::container::Container;
use super::offer::{Offer, OfferResource};
use super::refusal::Refusal;
use super::resource_id::{ContainerRid, DatabaseRid, OfferRid};
use super::throughput::Throughput;

/// What exists. Numbers are never used twice, so that a resource that is created again has another resource id.
#[derive(Debug)]
pub(super) struct Catalog<D> {
    pub databases: BTreeMap<DatabaseRid, Database<D>>,
    pub offers: BTreeMap<OfferRid, Offer>,
    pub next_database: u32,
    pub next_offer: u32,
}

#[derive(Debug)]
pub(super) struct Database<D> {
    pub id: String,
    pub rid: DatabaseRid,
    pub etag: String,
    pub timestamp: i64,
    pub containers: BTreeMap<ContainerRid, Arc<Container<D>>>,
    pub next_container: u32,
    names: HashMap<String, ContainerRid>,
}

/// What does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Database(String),
    Container(ContainerPath),
}

impl Missing {
    /// The refusal of a request for the missing resource itself.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Database(database) => Refusal::not_found(format!("The database \"{database}\" does not exist.")),
            Self::Container(ContainerPath { database, container }) => Refusal::not_found(format!(
                "The container \"{container}\" does not exist in the database \"{database}\"."
            )),
        }
    }

    /// The refusal of a request for a container, whose database may be missing too.
    pub(crate) fn refusal_of_container(self) -> Refusal {
        match self {
            Self::Database(_) => self.owner_refusal(),
            Self::Container(_) => self.refusal(),
        }
    }

    /// The refusal of a request for something in the missing resource, with sub-status 1003.
    pub(crate) fn owner_refusal(self) -> Refusal {
        Refusal::owner_not_found(self.refusal().message)
    }
}

impl<D> Default for Catalog<D> {
    fn default() -> Self {
        Self { databases: BTreeMap::new(), offers: BTreeMap::new(), next_database: 1, next_offer: 1 }
    }
}

impl<D> Catalog<D> {
    /// The resource id of the database with this name or, if there is none, with this resource id.
    pub(super) fn find_database(&self, name: &str) -> Result<DatabaseRid, Missing> {
        let by_name = self.databases.values().find(|database| database.id == name).map(|database| database.rid);
        let by_rid = || name.parse().ok().filter(|rid| self.databases.contains_key(rid));
        by_name.or_else(by_rid).ok_or_else(|| Missing::Database(name.to_owned()))
    }

    pub(super) fn database(&self, name: &str) -> Result<&Database<D>, Missing> {
        let rid = self.find_database(name)?;
        self.databases.get(&rid).ok_or_else(|| Missing::Database(name.to_owned()))
    }

    pub(super) fn container(&self, path: &ContainerPath) -> Result<&Arc<Container<D>>, Missing> {
        let database = self.database(&path.database)?;
        database.container(&path.container).ok_or_else(|| Missing::Container(path.clone()))
    }

    pub(super) fn offer_of(&self, resource: OfferResource) -> Option<&Offer> {
        self.offers.values().find(|offer| offer.resource == resource)
    }

    pub(super) fn add_offer(&mut self, resource: OfferResource, throughput: Throughput, etag: String, timestamp: i64) {
        let rid = OfferRid::new(self.next_offer);
        self.next_offer += 1;
        let highest_ever = throughput.highest();
        self.offers.insert(rid, Offer { rid, resource, throughput, highest_ever, etag, timestamp });
    }

    pub(super) fn remove_offer_of(&mut self, resource: OfferResource) {
        self.offers.retain(|_, offer| offer.resource != resource);
    }
}

impl<D> Database<D> {
    pub(super) fn new(id: String, rid: DatabaseRid, etag: String, timestamp: i64) -> Self {
        Self { id, rid, etag, timestamp, containers: BTreeMap::new(), next_container: 1, names: HashMap::new() }
    }

    /// The container with this name or, if there is none, with this resource id.
    pub(super) fn container(&self, name: &str) -> Option<&Arc<Container<D>>> {
        match self.names.get(name) {
            Some(rid) => self.containers.get(rid),
            None => self.containers.get(&name.parse().ok()?),
        }
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn insert(&mut self, container: Arc<Container<D>>) {
        self.names.insert(container.definition().id.clone(), container.rid);
        self.containers.insert(container.rid, container);
    }

    pub(super) fn remove(&mut self, rid: ContainerRid) -> Option<Arc<Container<D>>> {
        let container = self.containers.remove(&rid)?;
        self.names.remove(&container.definition().id);
        Some(container)
    }
}
