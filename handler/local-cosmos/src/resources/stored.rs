//! The directory as JSON, without the data of its containers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::catalog::{Catalog, Database};
use super::container::{Container, StoredDefinition};
use super::container_data::{ContainerData, NewContainer};
use super::definition::ContainerDefinition;
use super::directory::Directory;
use super::offer::Offer;
use super::ranges::Ranges;
use super::resource_id::{ContainerRid, DatabaseRid};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredDirectory {
    changes: u64,
    next_database: u32,
    next_offer: u32,
    databases: Vec<StoredDatabase>,
    offers: Vec<Offer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredDatabase {
    id: String,
    rid: DatabaseRid,
    etag: String,
    timestamp: i64,
    next_container: u32,
    containers: Vec<StoredContainer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredContainer {
    rid: ContainerRid,
    etag: String,
    timestamp: i64,
    definition: Map<String, Value>,
    ranges: Ranges,
}

impl<D: ContainerData> Directory<D> {
    /// Everything but the data of the containers.
    pub(crate) fn to_json(&self) -> Result<Value, String> {
        let catalog = self.read();
        let mut containers = Vec::<Arc<Container<D>>>::new();
        let mut databases = Vec::new();
        for database in catalog.databases.values() {
            databases.push((
                StoredDatabase {
                    id: database.id.clone(),
                    rid: database.rid,
                    etag: database.etag.clone(),
                    timestamp: database.timestamp,
                    next_container: database.next_container,
                    containers: Vec::new(),
                },
                database.containers.len(),
            ));
            containers.extend(database.containers.values().cloned());
        }
        let mut stored = StoredDirectory {
            changes: self.changes(),
            next_database: catalog.next_database,
            next_offer: catalog.next_offer,
            databases: Vec::new(),
            offers: catalog.offers.values().cloned().collect(),
        };
        drop(catalog);
        // The data is asked for its partitions without the lock of the catalog.
        let mut containers = containers.iter().map(|container| stored_container(container));
        for (mut database, count) in databases {
            database.containers = containers.by_ref().take(count).collect();
            stored.databases.push(database);
        }
        serde_json::to_value(stored).map_err(|error| error.to_string())
    }

    /// Fills a directory that is still empty with what [`Self::to_json`] wrote, and creates the data of each container.
    pub(crate) fn restored(mut self, json: Value) -> Result<Self, String> {
        let stored: StoredDirectory = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let mut catalog = Catalog {
            next_database: stored.next_database,
            next_offer: stored.next_offer,
            offers: stored.offers.into_iter().map(|offer| (offer.rid, offer)).collect(),
            ..Catalog::default()
        };
        for database in stored.databases {
            let mut entry = Database::new(database.id, database.rid, database.etag, database.timestamp);
            entry.next_container = database.next_container;
            for container in database.containers {
                let definition =
                    Arc::new(ContainerDefinition::from_json(&container.definition).map_err(|refusal| {
                        format!("the definition of the container {} is invalid: {}", container.rid, refusal.message)
                    })?);
                let new =
                    NewContainer { rid: container.rid, definition: Arc::clone(&definition), ranges: container.ranges };
                let data = D::create(&self.context, new);
                let stored = StoredDefinition { definition, etag: container.etag, timestamp: container.timestamp };
                entry.insert(Arc::new(Container::new(container.rid, stored, data)));
            }
            catalog.databases.insert(entry.rid, entry);
        }
        self.catalog = catalog.into();
        self.sequence.store(stored.changes, Ordering::SeqCst);
        Ok(self)
    }
}

fn stored_container<D: ContainerData>(container: &Container<D>) -> StoredContainer {
    let StoredDefinition { definition, etag, timestamp } = container.stored();
    StoredContainer {
        rid: container.rid,
        etag,
        timestamp,
        definition: definition.to_json(),
        ranges: container.data.ranges(),
    }
}
