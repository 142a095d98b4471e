//! An endpoint whose data is in a folder.

use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::rest;
use crate::scene::{Reader, Scene, client};

const DOCS: &str = "/dbs/db/colls/c/docs";

fn options(folder: &tempfile::TempDir) -> Options {
    Options { data: Some(folder.path().to_owned()), ..Options::default() }
}

async fn restart(scene: Scene, folder: &tempfile::TempDir) -> Endpoint {
    scene.endpoint.stop().await;
    drop(scene.client);
    // The folder is free when the last connection of the old endpoint has ended.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match Endpoint::start(options(folder)).await {
            Ok(endpoint) => return endpoint,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The documents of all pages of a feed, and the last etag.
async fn feed(endpoint: &Endpoint, mode: &str, etag: Option<&str>) -> (Vec<Value>, String) {
    let mut etag = etag.map(str::to_owned);
    let mut read = Vec::new();
    loop {
        let mut headers = vec![("a-im", mode)];
        headers.extend(etag.as_deref().map(|etag| ("if-none-match", etag)));
        let answer = rest::send(endpoint.url(), "GET", DOCS, &headers, "").await;
        let next = answer.header("etag").expect("an etag").to_owned();
        if answer.status == 304 {
            return (read, next);
        }
        assert_eq!(answer.status, 200, "{}", answer.text);
        read.extend(answer.json()["Documents"].as_array().expect("documents").clone());
        etag = Some(next);
    }
}

#[tokio::test]
async fn documents_both_change_feeds_and_numbers_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::with(options(&folder), PartitionKeyDefinition::from("/pk")).await;
    let (_, start) = feed(&scene.endpoint, "Full-Fidelity Feed", Some("*")).await;
    for n in 0..20 {
        scene.upsert(&format!("key-{}", n % 5), &format!("{}", n % 7), n).await;
    }
    scene.delete("key-1", "1").await;
    let first = scene.endpoint.partitions("db", "c").await.expect("partitions")[0].id.clone();
    scene.endpoint.split("db", "c", Some(&first), std::time::Duration::ZERO).await.expect("split");
    scene.upsert("key-2", "late", 1).await;
    let definition = rest::send(scene.endpoint.url(), "GET", "/dbs/db/colls/c", &[], "").await.text;
    let latest = feed(&scene.endpoint, "Incremental Feed", None).await;
    let versions = feed(&scene.endpoint, "Full-Fidelity Feed", Some(&start)).await;
    let partitions = scene.endpoint.partitions("db", "c").await.expect("partitions");
    assert_eq!(versions.0.len(), 22);

    let endpoint = restart(scene, &folder).await;
    assert_eq!(rest::send(endpoint.url(), "GET", "/dbs/db/colls/c", &[], "").await.text, definition);
    assert_eq!(endpoint.partitions("db", "c").await.expect("partitions"), partitions);
    assert_eq!(feed(&endpoint, "Incremental Feed", None).await, latest);
    assert_eq!(feed(&endpoint, "Full-Fidelity Feed", Some(&start)).await, versions);
    let container = client(&endpoint).await.database_client("db").container_client("c", None).await.expect("client");
    container.upsert_item("key-3", "new", json!({"id": "new", "pk": "key-3"}), None).await.expect("upsert");
    let (new, _) = feed(&endpoint, "Incremental Feed", Some(&latest.1)).await;
    assert_eq!(new.len(), 1, "positions continue: {new:?}");
    let lsn = |document: &Value| document["_lsn"].as_u64().expect("a number");
    assert!(latest.0.iter().all(|old| lsn(old) < lsn(&new[0]) || old["pk"] != new[0]["pk"]));
    let mut reader = Reader::of_latest_versions(&container, FeedScope::partition("key-3"));
    assert!(reader.read().await.iter().any(|change| change.current().is_some_and(|current| current["id"] == "new")));
}

#[tokio::test]
async fn a_folder_serves_one_endpoint_at_a_time_and_a_damaged_one_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::with(options(&folder), PartitionKeyDefinition::from("/pk")).await;
    let error = Endpoint::start(options(&folder)).await.expect_err("in use").to_string();
    assert!(error.contains("another process uses it"), "{error}");
    drop(scene);

    let other = tempfile::tempdir().expect("a folder");
    std::fs::write(other.path().join("format"), "99").expect("a file");
    let error = Endpoint::start(options(&other)).await.expect_err("another format").to_string();
    assert!(error.contains("99") && error.contains("reads 1"), "{error}");
}

#[tokio::test]
async fn deleted_containers_are_gone_after_a_restart_and_new_ones_of_the_name_are_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::with(options(&folder), PartitionKeyDefinition::from("/pk")).await;
    scene.upsert("p", "a", 1).await;
    scene.container.delete(None).await.expect("delete");
    let body = json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}}).to_string();
    let created = rest::send(scene.endpoint.url(), "POST", "/dbs/db/colls", &[], &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let endpoint = restart(scene, &folder).await;
    assert_eq!(feed(&endpoint, "Incremental Feed", None).await.0, Vec::<Value>::new());
}
