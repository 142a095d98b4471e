//! The endpoint with the resources that a recording needs, and what happens to them between the recorded requests.

use std::time::Duration;

use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::wire::{Answer, Wire, headers};

/// The database of the recordings.
pub const DATABASE: &str = "fixdb";

/// What other clients, or the service, do before a recorded request.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// An item is created or replaced in each of these partition keys.
    Upserts(&'static str, &'static [&'static str]),
    /// An item is created, replaced and deleted.
    CreateReplaceDelete(&'static str),
    /// The first range of the container is split.
    Split(&'static str),
    /// The container is deleted and created again, with this partition key.
    Recreate(&'static str, &'static str),
    /// The container is deleted.
    Delete(&'static str),
    /// The following requests are those of a new client, which knows no ranges and no session tokens of the container.
    NewClient(&'static str),
}

pub const ALL_KEYS: &[&str] = &["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"];

/// The event before a line of a recording, numbered from 1. The recordings have the requests of one client only.
pub const EVENTS: &[(&str, usize, Event)] = &[
    ("feed-ranges-and-change-feed.jsonl", 8, Event::Upserts("cf", &["p1"])),
    ("feed-ranges-and-change-feed.jsonl", 26, Event::CreateReplaceDelete("cf")),
    ("feed-ranges-and-change-feed.jsonl", 28, Event::Upserts("cf", ALL_KEYS)),
    ("feed-ranges-and-change-feed.jsonl", 28, Event::Split("cf")),
    ("feed-ranges-and-change-feed.jsonl", 33, Event::NewClient("cf")),
    ("feed-ranges-and-change-feed.jsonl", 33, Event::Upserts("cf", ALL_KEYS)),
    ("processor.jsonl", 24, Event::Upserts("mon", ALL_KEYS)),
    ("processor.jsonl", 29, Event::Upserts("mon", ALL_KEYS)),
    ("processor.jsonl", 46, Event::Split("mon")),
    ("processor.jsonl", 52, Event::Upserts("mon", ALL_KEYS)),
    ("processor.jsonl", 78, Event::Recreate("leases", "/partitionKey")),
    ("processor.jsonl", 78, Event::NewClient("leases")),
    ("processor.jsonl", 93, Event::CreateReplaceDelete("mon2")),
    ("session-and-recreate.jsonl", 12, Event::Split("ses")),
    ("session-and-recreate.jsonl", 16, Event::Recreate("ses", "/pk")),
    ("session-and-recreate.jsonl", 19, Event::Recreate("ses", "/pk")),
    ("session-and-recreate.jsonl", 20, Event::Recreate("ses", "/pk")),
    ("session-and-recreate.jsonl", 22, Event::Recreate("ses", "/pk")),
    ("session-and-recreate.jsonl", 26, Event::Recreate("ses", "/other")),
    ("session-and-recreate.jsonl", 30, Event::Delete("ses")),
];

/// A container of a recording.
struct Container {
    id: &'static str,
    key: &'static [&'static str],
    /// Whether it retains all versions and deletes, for 10 minutes.
    full_fidelity: bool,
    partitions: usize,
}

const fn container(id: &'static str, key: &'static [&'static str], partitions: usize) -> Container {
    Container { id, key, full_fidelity: false, partitions }
}

const fn with_all_versions(id: &'static str) -> Container {
    Container { id, key: &["/pk"], full_fidelity: true, partitions: 4 }
}

fn containers(file: &str) -> Vec<Container> {
    match file {
        "feed-ranges-and-change-feed.jsonl" => vec![with_all_versions("cf")],
        "items.jsonl" => vec![container("items", &["/pk"], 2), container("hier", &["/t", "/u", "/s"], 2)],
        "processor.jsonl" => vec![
            container("mon", &["/pk"], 4),
            with_all_versions("mon2"),
            container("leases", &["/id"], 1),
            container("leases2", &["/id"], 1),
        ],
        "queries.jsonl" => {
            vec![container("q", &["/pk"], 2), container("qid", &["/id"], 2), container("hier", &["/t", "/u", "/s"], 2)]
        }
        "session-and-recreate.jsonl" => vec![container("ses", &["/pk"], 2)],
        _ => Vec::new(),
    }
}

/// A running endpoint with what a recording needs.
pub struct Stage {
    endpoint: Endpoint,
    pub wire: Wire,
    writes: u32,
}

impl Stage {
    /// Starts an endpoint, and makes what the recording of this name needs.
    pub async fn start(file: &str) -> Self {
        let endpoint = Endpoint::start(Options::default()).await.expect("an endpoint");
        let wire = Wire::new(endpoint.url());
        let stage = Self { endpoint, wire, writes: 0 };
        let containers = containers(file);
        if !containers.is_empty() {
            stage.request("POST", "/dbs", &[], json!({"id": DATABASE})).await;
        }
        for container in &containers {
            stage.create_container(container).await;
        }
        match file {
            "feed-ranges-and-change-feed.jsonl" => {
                for n in 0..12 {
                    stage.upsert("cf", &["p1"], json!({"id": format!("c{n:02}"), "pk": "p1", "n": n})).await;
                }
            }
            "queries.jsonl" => {
                for n in 0..60 {
                    let item = query_item(n);
                    let key = item["pk"].as_str().expect("a key").to_owned();
                    stage.upsert("q", &[&key], item).await;
                }
                stage.upsert_at("hier", "[\"t1\",7,true]", json!({"id": "h", "t": "t1", "u": 7, "s": true})).await;
                stage.upsert_at("hier", "[\"t2\",7,true]", json!({"id": "o", "t": "t2", "u": 7, "s": true})).await;
            }
            _ => {}
        }
        stage
    }

    async fn create_container(&self, container: &Container) {
        let mut partition_key = json!({"paths": container.key, "kind": "Hash"});
        if container.key.len() > 1 {
            partition_key["kind"] = json!("MultiHash");
            partition_key["version"] = json!(2);
        }
        let mut definition = json!({"id": container.id, "partitionKey": partition_key});
        if container.id == "q" {
            let composite = json!([{"path": "/cat", "order": "ascending"}, {"path": "/n", "order": "descending"}]);
            definition["indexingPolicy"] = json!({"indexingMode": "consistent", "includedPaths": [{"path": "/*"}], "compositeIndexes": [composite]});
        }
        if container.full_fidelity {
            definition["changeFeedPolicy"] = json!({"retentionDuration": 10});
        }
        self.request("POST", &format!("/dbs/{DATABASE}/colls"), &[], definition).await;
        let set = self.endpoint.set_partition_count(DATABASE, container.id, container.partitions).await;
        set.expect("partitions");
    }

    /// Sends a request that succeeds.
    async fn request(&self, method: &str, path: &str, pairs: &[(&str, &str)], body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.wire.send(method, path, &headers(pairs), body.as_bytes()).await;
        assert!(answer.status < 300, "{method} {path} {body}: {}", answer.summary());
        answer
    }

    async fn upsert(&self, container: &str, key: &[&str], item: Value) {
        self.upsert_at(container, &json!(key).to_string(), item).await;
    }

    async fn upsert_at(&self, container: &str, key: &str, item: Value) {
        let headers = [("x-ms-documentdb-partitionkey", key), ("x-ms-documentdb-is-upsert", "True")];
        self.request("POST", &format!("/dbs/{DATABASE}/colls/{container}/docs"), &headers, item).await;
    }

    /// Replaces an item by itself, so that its etag changes.
    pub async fn touch(&self, path: &str, key: &str) {
        let header = [("x-ms-documentdb-partitionkey", key)];
        let item = self.request("GET", path, &header, Value::Null).await.json();
        self.request("PUT", path, &header, item).await;
    }

    /// Makes an event happen.
    pub async fn happen(&mut self, event: Event) {
        match event {
            Event::Upserts(container, keys) => {
                self.writes += 1;
                for key in keys {
                    let item = json!({"id": format!("w{}", self.writes), "pk": key, "n": self.writes});
                    self.upsert(container, &[key], item).await;
                }
            }
            Event::CreateReplaceDelete(container) => {
                let item = |n: u32| json!({"id": "crd", "pk": "p1", "n": n});
                self.upsert(container, &["p1"], item(1)).await;
                self.upsert(container, &["p1"], item(2)).await;
                let path = format!("/dbs/{DATABASE}/colls/{container}/docs/crd");
                let key = [("x-ms-documentdb-partitionkey", "[\"p1\"]")];
                self.request("DELETE", &path, &key, Value::Null).await;
            }
            Event::Split(container) => {
                let partitions = self.endpoint.partitions(DATABASE, container).await.expect("partitions");
                let first = &partitions.first().expect("a partition").id;
                self.endpoint.split(DATABASE, container, Some(first), Duration::ZERO).await.expect("a split");
            }
            Event::Recreate(container, key) => {
                self.delete(container).await;
                let definition = json!({"id": container, "partitionKey": {"paths": [key], "kind": "Hash"}});
                self.request("POST", &format!("/dbs/{DATABASE}/colls"), &[], definition).await;
            }
            Event::Delete(container) => self.delete(container).await,
            Event::NewClient(_) => {}
        }
    }

    async fn delete(&self, container: &str) {
        self.request("DELETE", &format!("/dbs/{DATABASE}/colls/{container}"), &[], Value::Null).await;
    }
}

/// The items d000 to d059 of the container `q`, with what the recorded queries ask for.
fn query_item(n: usize) -> Value {
    let name = ["Alpha", "beta", "gamma"][n % 3];
    let mut item = json!({
        "id": format!("d{n:03}"),
        "pk": format!("p{}", n % 12),
        "n": n % 10,
        "d": f64::from(n as u32) * 0.5 - 3.0,
        "cat": format!("c{}", n % 3),
        "flag": n.is_multiple_of(2),
        "name": format!("{name}{n}"),
        "tags": [format!("t{}", n % 4), format!("t{}", n % 5)],
        "inner": {"y": format!("y{}", n % 4)},
        "items": [{"x": n % 3, "y": n}, {"x": 1, "y": "z"}],
        "date": format!("2020-01-{:02}T00:00:00Z", n % 28 + 1),
    });
    match n % 4 {
        0 => item["maybe"] = Value::Null,
        1 => item["maybe"] = json!(n),
        _ => {}
    }
    item
}
