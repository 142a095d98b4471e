//! Definitions of databases and containers that the service refuses.

use serde_json::{Value, json};

use super::{QUOTAS, Row, Scene, row};

const CREATE_CONTAINER: &str = "REST: Create a collection";
const CREATE_DATABASE: &str = "REST: Create a database";
const HIERARCHICAL: &str = "Hierarchical partition keys in Azure Cosmos DB";
const TTL: &str = ".NET reference: ContainerProperties.DefaultTimeToLive";
const UNIQUE_KEYS: &str = "Unique key constraints in Azure Cosmos DB";

fn container(source: &'static str, definition: &Value) -> Row {
    row("POST", "/dbs/db/colls", source).body(definition)
}

fn with_key(id: &str, paths: &[&str]) -> Value {
    match paths {
        [_] => json!({"id": id, "partitionKey": {"paths": paths, "kind": "Hash", "version": 2}}),
        _ => json!({"id": id, "partitionKey": {"paths": paths, "kind": "MultiHash", "version": 2}}),
    }
}

fn with(id: &str, member: &str, value: Value) -> Value {
    let mut definition = with_key(id, &["/pk"]);
    definition[member] = value;
    definition
}

#[tokio::test]
async fn names_of_databases_and_containers() {
    let scene = Scene::start().await;
    let database = |id: Value| row("POST", "/dbs", CREATE_DATABASE).body(&json!({"id": id}));
    let mut rows = vec![
        database(json!("")).is(400),
        database(json!(null)).is(400),
        database(json!(1)).is(400),
        database(json!("x".repeat(255))).is(201),
        database(json!("x".repeat(256))).is(400),
        row("POST", "/dbs", CREATE_DATABASE).text("{}").is(400),
        row("POST", "/dbs", CREATE_DATABASE).text("{").is(400),
        container(CREATE_CONTAINER, &with_key("", &["/pk"])).is(400),
        container(CREATE_CONTAINER, &with_key(&"x".repeat(255), &["/pk"])).is(201),
        container(QUOTAS, &with_key(&"x".repeat(256), &["/pk"])).is(400),
    ];
    for id in ["a/b", "a\\b", "a?b", "a#b", "a "] {
        rows.push(database(json!(id)).is(400));
        rows.push(container(CREATE_CONTAINER, &with_key(id, &["/pk"])).is(400));
    }
    scene.check(rows).await;
}

#[tokio::test]
async fn partition_keys_of_containers() {
    let scene = Scene::start().await;
    scene
        .check(vec![
            container(CREATE_CONTAINER, &with_key("one", &["/a/b"])).is(201),
            container(CREATE_CONTAINER, &with_key("quoted", &["/\"a b\"/c"])).is(201),
            container(CREATE_CONTAINER, &with_key("bare", &["pk"])).is(400),
            container(CREATE_CONTAINER, &with_key("empty", &[""])).is(400),
            container(CREATE_CONTAINER, &json!({"id": "none", "partitionKey": {"paths": [], "kind": "Hash"}})).is(400),
            container(HIERARCHICAL, &with_key("two", &["/a", "/b"])).is(201),
            container(HIERARCHICAL, &with_key("three", &["/a", "/b", "/c"])).is(201),
            container(HIERARCHICAL, &with_key("four", &["/a", "/b", "/c", "/d"])).is(400),
            container(
                HIERARCHICAL,
                &json!({"id": "kind", "partitionKey": {"paths": ["/a", "/b"], "kind": "Hash", "version": 2}}),
            )
            .is(400),
            container(
                CREATE_CONTAINER,
                &json!({"id": "version", "partitionKey": {"paths": ["/a"], "kind": "Hash", "version": 3}}),
            )
            .is(400),
        ])
        .await;
}

#[tokio::test]
async fn times_to_live_and_policies_of_containers() {
    let scene = Scene::start().await;
    let index = |policy: Value| with("index", "indexingPolicy", policy);
    scene
        .check(vec![
            container(TTL, &with("ttl-off", "defaultTtl", json!(null))).is(201),
            container(TTL, &with("ttl-on", "defaultTtl", json!(-1))).is(201),
            container(TTL, &with("ttl-1", "defaultTtl", json!(1))).is(201),
            container(TTL, &with("ttl-0", "defaultTtl", json!(0))).is(400),
            container(TTL, &with("ttl-2", "defaultTtl", json!(-2))).is(400),
            container(TTL, &with("ttl-text", "defaultTtl", json!("1"))).is(400),
            container(CREATE_CONTAINER, &index(json!({"indexingMode": "sometimes"}))).is(400),
            container(CREATE_CONTAINER, &index(json!({"includedPaths": [{"path": "a"}]}))).is(400),
            container(UNIQUE_KEYS, &with("u", "uniqueKeyPolicy", json!({"uniqueKeys": [{"paths": ["/a", "/b"]}]})))
                .is(201),
            container(UNIQUE_KEYS, &with("u1", "uniqueKeyPolicy", json!({"uniqueKeys": [{"paths": ["a"]}]}))).is(400),
        ])
        .await;
}

#[tokio::test]
async fn unique_keys_hold_within_a_partition_key() {
    let unique = json!({"uniqueKeys": [{"paths": ["/mail"]}]});
    let scene = Scene::with(with("c", "uniqueKeyPolicy", unique)).await;
    let create = |id: &str, pk: &str, mail: &str| {
        row("POST", "docs", UNIQUE_KEYS).key(&json!([pk])).body(&json!({"id": id, "pk": pk, "mail": mail}))
    };
    scene
        .check(vec![
            create("a", "p", "m").is(201),
            create("b", "p", "m").is(409),
            create("b", "q", "m").is(201),
            create("b", "p", "other").is(201),
        ])
        .await;
}
