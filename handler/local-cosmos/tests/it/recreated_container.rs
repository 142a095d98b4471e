//! A container that is deleted and created again under its name.

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition};
use futures::TryStreamExt;
use local_cosmos::LoggedKind;
use serde_json::{Value, json};

use crate::rest::{self, Answer};
use crate::scene::{Reader, Scene, client};

const INTENDED: &str = "x-ms-cosmos-intended-collection-rid";

/// Deletes the container and creates it again, by another client than the scene's.
async fn recreate(scene: &Scene, key: &'static str) -> ContainerClient {
    delete(scene).await;
    create(scene, key).await
}

async fn delete(scene: &Scene) {
    let database = client(&scene.endpoint).await.database_client("db");
    database.container_client("c", None).await.expect("client").delete(None).await.expect("delete");
}

async fn create(scene: &Scene, key: &'static str) -> ContainerClient {
    let database = client(&scene.endpoint).await.database_client("db");
    let properties = ContainerProperties::new("c", PartitionKeyDefinition::from(key));
    database.create_container(properties, None).await.expect("container");
    database.container_client("c", None).await.expect("client")
}

async fn get(scene: &Scene, path: &str, headers: &[(&str, &str)]) -> Answer {
    rest::send(scene.endpoint.url(), "GET", path, headers, "").await
}

async fn rid(scene: &Scene) -> String {
    get(scene, "/dbs/db/colls/c", &[]).await.json()["_rid"].as_str().expect("rid").to_owned()
}

/// Status and sub-status.
fn status(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("x-ms-substatus").unwrap_or_default())
}

#[tokio::test]
async fn every_request_for_the_old_container_is_rejected() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let old = rid(&scene).await;
    recreate(&scene, "/pk").await;
    let new = rid(&scene).await;
    assert_ne!(old, new);
    let key = ("x-ms-documentdb-partitionkey", r#"["p"]"#);
    let item = r#"{"id":"a","pk":"p"}"#;
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let requests: [(&str, &str, Headers<'_>, &str); 9] = [
        ("POST", "/docs", &[key], item),
        ("PUT", "/docs/a", &[key], item),
        ("PATCH", "/docs/a", &[key], r#"{"operations":[{"op":"set","path":"/n","value":1}]}"#),
        ("GET", "/docs/a", &[key], ""),
        ("DELETE", "/docs/a", &[key], ""),
        ("GET", "/docs", &[("a-im", "Incremental Feed")], ""),
        ("POST", "/docs", &[("x-ms-documentdb-isquery", "true")], r#"{"query":"SELECT * FROM c"}"#),
        ("GET", "/pkranges", &[], ""),
        ("GET", "", &[], ""),
    ];
    for (method, path, headers, body) in requests {
        for (intended, is_refused) in [(&old, true), (&new, false)] {
            let headers = [headers, &[(INTENDED, intended.as_str())]].concat();
            let path = format!("/dbs/db/colls/c{path}");
            let answer = rest::send(scene.endpoint.url(), method, &path, &headers, body).await;
            assert_eq!(
                status(&answer) == (400, "1024"),
                is_refused,
                "{method} {path}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn resource_ids_in_paths_are_supported_and_a_missing_container_is_404_with_1003() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let database = get(&scene, "/dbs/db", &[]).await.json()["_rid"].as_str().expect("rid").to_owned();
    let old = rid(&scene).await;
    let by_rid = format!("/dbs/{database}/colls/{old}");
    let key = [("x-ms-documentdb-partitionkey", r#"["p"]"#)];
    assert_eq!(get(&scene, &format!("{by_rid}/docs/a"), &key).await.json()["n"], 1);
    assert_eq!(get(&scene, &by_rid, &[]).await.json()["id"], "c");
    assert_eq!(get(&scene, &format!("{by_rid}/pkranges"), &[]).await.json()["_rid"], json!(old));

    delete(&scene).await;
    for path in ["/dbs/db/colls/c/docs/a".to_owned(), format!("{by_rid}/docs/a")] {
        assert_eq!(status(&get(&scene, &path, &key).await), (404, "1003"), "{path}");
    }
    create(&scene, "/pk").await;
    assert_eq!(status(&get(&scene, &format!("{by_rid}/docs/a"), &key).await), (404, "1003"));
    assert_eq!(get(&scene, &by_rid, &[]).await.status, 404);
}

#[tokio::test]
async fn the_new_container_has_no_changes_of_the_old_one() {
    let scene = Scene::start().await;
    for id in ["a", "b", "c"] {
        scene.upsert("p", id, 1).await;
    }
    let new = recreate(&scene, "/pk").await;
    let mut reader = Reader::of_latest_versions(&new, FeedScope::full_container());
    assert_eq!(reader.read().await.len(), 0);
    new.create_item("p", "a", json!({"id": "a", "pk": "p", "n": 2}), None).await.expect("create");
    let read = reader.read().await;
    assert_eq!(read.iter().filter_map(|change| change.current()?["n"].as_i64()).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn writes_during_a_recreation_are_in_the_feed_of_the_container_that_has_them() {
    let scene = Scene::start().await;
    for round in 0..5 {
        let headers = [("x-ms-documentdb-partitionkey", r#"["p"]"#), ("x-ms-documentdb-is-upsert", "true")];
        let writes = async {
            for n in 0..40 {
                let item = json!({"id": format!("{round}-{n}"), "pk": "p"}).to_string();
                scene.docs("POST", &headers, &item).await;
            }
        };
        let (_, ()) = tokio::join!(recreate(&scene, "/pk"), writes);
        let stored = get(&scene, "/dbs/db/colls/c/docs", &[]).await.json()["_count"].as_u64();
        let fed = get(&scene, "/dbs/db/colls/c/docs", &[("a-im", "Incremental Feed")]).await;
        let count = if fed.status == 304 { Some(0) } else { fed.json()["_count"].as_u64() };
        assert_eq!(stored, count, "round {round}");
    }
}

/// The status and sub-status of an error.
fn status_of(error: &CosmosError) -> (u16, Option<u32>) {
    let status = error.status();
    (u16::from(status.status_code()), status.sub_status().map(|status| u32::from(status.value())))
}

#[tokio::test]
async fn an_existing_sdk_client_uses_the_new_container_with_the_same_partition_key() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let before = definition_rid(&scene.container).await;
    let new = recreate(&scene, "/pk").await;
    new.create_item("p", "b", json!({"id": "b", "pk": "p", "n": 2}), None).await.expect("create");
    scene.endpoint.take_requests();
    let missing = scene.container.read_item("p", "a", None).await.expect_err("it was in the old container");
    assert_eq!(status_of(&missing).0, 404);
    let statuses: Vec<_> =
        scene.endpoint.take_requests().iter().map(|request| (request.kind, request.status)).collect();
    assert_eq!(statuses.first(), Some(&(LoggedKind::Read, 400)), "refused with 1024: {statuses:?}");
    assert_eq!(statuses.last(), Some(&(LoggedKind::Read, 404)), "retried: {statuses:?}");
    scene.container.read_item("p", "b", None).await.expect("read");
    let refused = scene.endpoint.take_requests().iter().filter(|request| request.status == 400).count();
    assert_eq!(refused, 0, "the SDK has cached the new container");
    scene.upsert("p", "c", 3).await;
    let query = scene.container.query_items::<Value>("SELECT * FROM c", FeedScope::full_container(), None).await;
    let found: Vec<Value> = query.expect("query").try_collect().await.expect("items");
    assert_eq!(found.len(), 2);
    assert_ne!(definition_rid(&scene.container).await, before, "the definition has the new resource id");
}

async fn definition_rid(container: &ContainerClient) -> String {
    let properties = container.read(None).await.expect("read").into_model().expect("properties");
    properties.system_properties.resource_id.expect("resource id")
}

#[tokio::test]
async fn an_existing_sdk_client_cannot_continue_a_change_feed_until_its_container_client_is_recreated() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
    assert_eq!(reader.read().await.len(), 1);
    let new = recreate(&scene, "/pk").await;
    new.create_item("p", "b", json!({"id": "b", "pk": "p", "n": 2}), None).await.expect("create");

    for _ in 0..2 {
        let refused = reader.try_read(&mut Vec::new()).await.expect_err("the position is one of the old container");
        assert_eq!(status_of(&refused), (400, Some(1024)), "{refused}");
    }
    // The first operation without a continuation makes the SDK read the container again.
    scene.container.read_item("p", "b", None).await.expect("read");
    let refused = reader.try_read(&mut Vec::new()).await.expect_err("the position is one of the old container");
    assert_eq!(status_of(&refused), (400, None), "{refused}");
    assert!(refused.to_string().contains("recreated"), "{refused}");
    let mut from_start = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
    assert_eq!(from_start.read().await.len(), 1);
    let refused = from_start.try_read(&mut Vec::new()).await.expect_err("even a new position");
    assert!(refused.to_string().contains("recreated"), "{refused}");

    let new_client = scene.client.database_client("db").container_client("c", None).await.expect("client");
    let mut from_start = Reader::of_latest_versions(&new_client, FeedScope::full_container());
    assert_eq!((from_start.read().await.len(), from_start.read().await.len()), (1, 0));
}

#[tokio::test]
async fn an_existing_sdk_client_writes_with_the_old_partition_key_and_is_rejected() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    recreate(&scene, "/other").await;
    let item = json!({"id": "c", "pk": "p", "other": "q"});
    let refused = scene.container.upsert_item("p", "c", item, None).await.expect_err("the key is not the item's");
    assert_eq!(status_of(&refused), (400, Some(1001)), "{refused}");
    let known = scene.container.read(None).await.expect("read").into_model().expect("definition");
    assert_eq!(known.partition_key, PartitionKeyDefinition::from("/other"), "the definition is the new one");
}

#[tokio::test]
async fn an_existing_sdk_client_with_too_few_key_values_is_rejected() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    delete(&scene).await;
    let database = client(&scene.endpoint).await.database_client("db");
    let properties = ContainerProperties::new("c", PartitionKeyDefinition::from(("/pk", "/second")));
    database.create_container(properties, None).await.expect("container");
    let refused = scene.container.read_item("p", "a", None).await.expect_err("one value of two");
    assert_eq!(status_of(&refused), (400, Some(1001)), "{refused}");
    let new_client = scene.client.database_client("db").container_client("c", None).await.expect("client");
    let item = json!({"id": "a", "pk": "p", "second": "s"});
    new_client.create_item(("p", "s"), "a", item, None).await.expect("create");
}
