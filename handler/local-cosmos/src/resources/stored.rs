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
    #[cfg(test)]
    pub(crate) fn to_json(&self) -> Result<Value, String> {
        self.catalog_json(&self.read())
    }

    /// The same, of a catalog whose lock the caller holds.
    pub(super) fn catalog_json(&self, catalog: &Catalog<D>) -> Result<Value, String> {
        let database = |database: &Database<D>| StoredDatabase {
            id: database.id.clone(),
            rid: database.rid,
            etag: database.etag.clone(),
            timestamp: database.timestamp,
            next_container: database.next_container,
            containers: database.containers.values().map(|container| stored_container(container)).collect(),
        };
        let stored = StoredDirectory {
            changes: self.changes(),
            next_database: catalog.next_database,
            next_offer: catalog.next_offer,
            databases: catalog.databases.values().map(database).collect(),
            offers: catalog.offers.values().cloned().collect(),
        };
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::*;
    use crate::resources::ContainerPath;
    use crate::resources::fake_account::{Account, CONTAINER, Data, Log, account, json, text};
    use serde_json::json;

    #[test]
    fn a_directory_is_stored_and_restored() {
        let account = account();
        account.created("/dbs", &[("x-ms-offer-throughput", "500")], r#"{"id":"db"}"#);
        account.created("/dbs", &[], r#"{"id":"gone"}"#);
        account.created("/dbs/db/colls", &[], CONTAINER);
        let autoscale = ("x-ms-cosmos-offer-autopilot-settings", r#"{"maxThroughput":20000}"#);
        let hierarchical =
            r#"{"id":"c2","defaultTtl":5,"partitionKey":{"paths":["/t","/u"],"kind":"MultiHash","version":2}}"#;
        account.created("/dbs/db/colls", &[autoscale], hierarchical);
        account.send("DELETE", "/dbs/gone", &[], "");
        let found = account.directory.container(&ContainerPath { database: "db".into(), container: "c2".into() });
        found.expect("a container").data.ranges.lock().expect("a lock").split(0, None, 7).expect("a split");
        let stored = account.directory.to_json().expect("JSON");

        let log = Log::default();
        let restored =
            Directory::<Data>::new(Arc::clone(&log), || 1_800_000_000).restored(stored.clone()).expect("restored");
        let restored = Account { directory: restored, log };
        assert_eq!(restored.directory.to_json().expect("JSON"), stored);
        assert_eq!(restored.directory.changes(), account.directory.changes());
        let created = ["c1: created", "c2: created"];
        assert_eq!(restored.events(), created);
        for path in ["/dbs", "/dbs/db", "/dbs/db/colls", "/dbs/db/colls/c2", "/dbs/db/colls/c2/pkranges", "/offers"] {
            assert_eq!(json(&restored.get(path)), json(&account.get(path)), "{path}");
        }
        for account in [&account, &restored] {
            let next = account.created("/dbs", &[], r#"{"id":"next"}"#);
            assert_eq!(next["_rid"], json!(DatabaseRid::new(3).to_string()));
        }
        let names: Vec<String> =
            restored.directory.containers().iter().map(|(_, found)| found.definition().id.clone()).collect();
        assert_eq!(names, ["c1", "c2"]);
        Directory::<Data>::new(Log::default(), || 0).restored(json!({"changes": 1})).expect_err("refused");
    }

    #[test]
    fn every_change_is_stored_before_it_is_answered() {
        let log = Log::default();
        let newest = Arc::new(Mutex::new(Value::Null));
        let (stores, stored) = (Arc::clone(&log), Arc::clone(&newest));
        let directory = Directory::new(Arc::clone(&log), || 7).with_storage(move |json| {
            *stored.lock().expect("a lock") = json.clone();
            stores.lock().expect("a lock").push("stored".into());
            Ok(())
        });
        let account = Account { directory, log };
        account.created("/dbs", &[], r#"{"id":"db"}"#);
        account.created("/dbs/db/colls", &[], CONTAINER);
        assert_eq!(account.send("PUT", "/dbs/db/colls/c1", &[], CONTAINER).status, 200);
        let offer = text(&json(&account.get("/offers"))["Offers"][0]["_self"]);
        account.send("PUT", &format!("/{offer}"), &[], r#"{"content":{"offerThroughput":600}}"#);
        account.query("/offers", "SELECT * FROM o", json!([]));
        account.send("DELETE", "/dbs/db/colls/c1", &[], "");
        let expected = ["stored", "c1: created", "stored", "c1: ttl None", "stored", "stored", "stored", "c1: deleted"];
        assert_eq!(account.events(), expected);
        assert_eq!(*newest.lock().expect("a lock"), account.directory.to_json().expect("JSON"));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let account = &account;
                scope.spawn(move || {
                    for turn in 0..50 {
                        account.created("/dbs", &[], &json!({"id": format!("{worker}-{turn}")}).to_string());
                    }
                });
            }
        });
        assert_eq!(*newest.lock().expect("a lock"), account.directory.to_json().expect("JSON"));
    }

    #[test]
    fn a_change_that_cannot_be_stored_is_answered_503() {
        let is_full = Arc::new(AtomicBool::new(false));
        let fullness = Arc::clone(&is_full);
        let directory = Directory::new(Log::default(), || 7).with_storage(move |_| {
            if fullness.load(Ordering::SeqCst) { Err("the disk is full".into()) } else { Ok(()) }
        });
        let account = Account { directory, log: Log::default() };
        account.created("/dbs", &[], r#"{"id":"db"}"#);
        is_full.store(true, Ordering::SeqCst);
        let reply = account.send("POST", "/dbs", &[], r#"{"id":"other"}"#);
        assert_eq!(reply.status, 503);
        assert!(text(&json(&reply)["message"]).ends_with("the disk is full"));
        assert_eq!(account.send("DELETE", "/dbs/db", &[], "").status, 503);
    }

    /// The process can end before or after a new resource is stored. Whatever could be found until then, another resource never gets its id.
    #[test]
    fn the_id_of_a_resource_that_could_be_found_is_not_given_again() {
        let stored = Arc::new(Mutex::new(Value::Null));
        // 0: stores; 1: ends before the change is stored; 2: ends after it.
        let end = Arc::new(AtomicU64::new(0));
        let (states, ends) = (Arc::clone(&stored), Arc::clone(&end));
        let save = move |json: &Value| {
            if ends.load(Ordering::SeqCst) != 1 {
                *states.lock().expect("a lock") = json.clone();
            }
            if ends.load(Ordering::SeqCst) == 0 { Ok(()) } else { Err("the process ended".into()) }
        };
        let throughput = ("x-ms-offer-throughput", "500");
        let names = ["/dbs", "/dbs/db/colls", "/offers"];
        let rids = |account: &Account| -> Vec<String> {
            let list = |path: &&str| {
                let list = json(&account.get(path));
                let members = ["Databases", "DocumentCollections", "Offers"].map(|member| list[member].clone());
                members.iter().filter_map(Value::as_array).flatten().map(|each| text(&each["_rid"])).collect::<Vec<_>>()
            };
            names.iter().flat_map(list).collect()
        };
        for kind in [1, 2] {
            for (path, body) in [("/dbs", r#"{"id":"x"}"#.to_owned()), ("/dbs/db/colls", CONTAINER.to_owned())] {
                end.store(0, Ordering::SeqCst);
                let directory = Directory::<Data>::new(Log::default(), || 7).with_storage(save.clone());
                let account = Account { directory, log: Log::default() };
                account.created("/dbs", &[], r#"{"id":"db"}"#);
                let before = rids(&account);
                end.store(kind, Ordering::SeqCst);
                assert_eq!(account.send("POST", path, &[throughput], &body).status, 503, "{path}");
                let found = rids(&account);
                assert_eq!(found, before, "{path} could be found before it was stored");

                let state = stored.lock().expect("a lock").clone();
                let restored = Directory::<Data>::new(Log::default(), || 7).restored(state).expect("restored");
                let restored = Account { directory: restored, log: Log::default() };
                let after = rids(&restored);
                assert_eq!(after.len() > before.len(), kind == 2, "{path}: {after:?}");
                restored.created("/dbs", &[throughput], r#"{"id":"new"}"#);
                let container = CONTAINER.replace("\"c1\"", "\"new\"");
                restored.created("/dbs/db/colls", &[throughput], &container);
                let new: Vec<String> = rids(&restored).into_iter().filter(|rid| !after.contains(rid)).collect();
                assert_eq!(new.len(), 4, "{new:?}");
                assert!(new.iter().all(|rid| !found.contains(rid)), "{path}: {new:?}, {found:?}");
            }
        }
    }
}
