//! The change feed's AllVersionsAndDeletes mode.

use std::time::{Duration, Instant};

use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use local_cosmos::{ItemScope, Options};
use serde_json::{Value, json};

use crate::rest::{self, Answer};
use crate::scene::{Reader, Scene};

const FULL_FIDELITY: (&str, &str) = ("a-im", "Full-Fidelity Feed");

async fn page(scene: &Scene, etag: &str, items: &str) -> Answer {
    let headers = [FULL_FIDELITY, ("if-none-match", etag), ("x-ms-max-item-count", items)];
    scene.docs("GET", &headers, "").await
}

async fn changes(scene: &Scene, etag: &str) -> Vec<Value> {
    let answer = page(scene, etag, "1000").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["Documents"].as_array().expect("documents").clone()
}

async fn now(scene: &Scene) -> String {
    let answer = page(scene, "*", "10").await;
    assert_eq!(answer.status, 304);
    answer.header("etag").expect("etag").to_owned()
}

/// The metadata without the members that differ between runs.
fn metadata(change: &Value) -> Value {
    let mut metadata = change["metadata"].clone();
    let metadata_object = metadata.as_object_mut().expect("metadata");
    let crts = metadata_object.remove("crts").expect("crts").as_i64().expect("seconds");
    assert!((chrono::Utc::now().timestamp() - crts).abs() < 100, "{crts}");
    metadata_object.remove("lsn").expect("lsn");
    metadata_object.remove("previousImageLSN");
    metadata
}

#[tokio::test]
async fn versions_and_deletes_have_the_form_of_the_service() {
    let scene = Scene::start().await;
    let etag = now(&scene).await;
    scene.upsert("p", "a", 1).await;
    scene.upsert("p", "a", 2).await;
    scene.delete("p", "a").await;
    scene.upsert("p", "a", 3).await;
    let changes = changes(&scene, &etag).await;
    let bodies: Vec<&Value> = changes.iter().map(|change| &change["current"]["n"]).collect();
    assert_eq!(bodies, [&json!(1), &json!(2), &Value::Null, &json!(3)]);
    let operations: Vec<Value> = changes.iter().map(metadata).collect();
    let deleted = json!({"operationType": "delete", "id": "a", "partitionKey": {"pk": "p"}});
    let written = |operation: &str| json!({"operationType": operation});
    assert_eq!(operations, [written("create"), written("replace"), deleted, written("create")]);
    assert_eq!(changes[2]["current"], json!({}));
    assert!(changes[0]["current"]["_etag"].is_string() && changes[0]["current"].get("_lsn").is_none());
    assert!(changes.iter().all(|change| change.get("previous").is_none()));

    let lsn: Vec<i64> = changes.iter().filter_map(|change| change["metadata"]["lsn"].as_i64()).collect();
    assert!(lsn.windows(2).all(|pair| pair[0] < pair[1]) && lsn.len() == 4, "{lsn:?}");
    let previous: Vec<Option<i64>> =
        changes.iter().map(|change| change["metadata"]["previousImageLSN"].as_i64()).collect();
    assert_eq!(previous, [None, Some(lsn[0]), Some(lsn[1]), None]);
}

#[tokio::test]
async fn the_rust_sdk_reads_every_version_from_now_and_from_a_token() {
    let scene = Scene::start().await;
    scene.upsert("before", "a", 0).await;
    let reader = Reader::of_all_versions(&scene.container, FeedScope::full_container()).await;
    let mut reader = reader.with_pages_of(1);
    for round in 0..3 {
        for pk in ["one", "two", "three", "four", "five"] {
            scene.upsert(pk, "a", round).await;
            scene.delete(pk, "a").await;
        }
        let read = reader.read().await;
        let created = read.iter().filter(|change| change.current().is_some()).count();
        let deleted = read.iter().filter_map(|change| change.metadata()?.id()).collect::<Vec<_>>();
        assert_eq!((created, deleted), (5, vec!["a"; 5]));
    }
}

#[tokio::test]
async fn a_start_from_the_beginning_or_from_a_time_is_refused() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let since = ("if-modified-since", "Thu, 27 Apr 2017 00:51:12 GMT");
    for headers in [vec![FULL_FIDELITY], vec![FULL_FIDELITY, since], vec![FULL_FIDELITY, since, ("if-none-match", "*")]]
    {
        let answer = scene.docs("GET", &headers, "").await;
        assert!(answer.status == 400 && answer.text.contains("cannot start from"), "{} {}", answer.status, answer.text);
    }
    let answer = page(&scene, "\"nonsense\"", "10").await;
    assert!(answer.status == 400 && answer.text.contains("If-None-Match"), "{}", answer.text);
}

#[tokio::test]
async fn a_sequence_number_is_an_etag_of_one_physical_partition() {
    let scene = Scene::start().await;
    for n in 0..4 {
        scene.upsert("p", "a", n).await;
        scene.upsert("q", "a", n).await;
    }
    let key = ("x-ms-documentdb-partitionkey", "[\"p\"]");
    let after = async |lsn: i64| {
        let etag = format!("\"{lsn}\"");
        let answer = scene.docs("GET", &[FULL_FIDELITY, key, ("if-none-match", &etag)], "").await;
        let changes = if answer.status == 304 {
            Vec::new()
        } else {
            answer.json()["Documents"].as_array().expect("documents").clone()
        };
        let read = changes.iter().map(|change| (change["current"]["n"].as_i64(), change["metadata"]["lsn"].as_i64()));
        (read.collect::<Vec<_>>(), answer.header("etag").expect("etag").to_owned())
    };
    let (all, end) = after(0).await;
    assert_eq!(all.iter().filter_map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2, 3]);
    for (index, (_, lsn)) in all.iter().enumerate() {
        assert_eq!(after(lsn.expect("a number")).await.0, all[index + 1..]);
    }
    assert_eq!(after(1_000_000).await.0, []);
    assert_eq!(page(&scene, &end, "10").await.status, 304);
    let of_several = page(&scene, "\"1\"", "10").await;
    assert!(
        of_several.status == 400 && of_several.text.contains("of several physical partitions"),
        "{}",
        of_several.text
    );
}

#[tokio::test]
async fn a_transaction_is_on_one_page_with_every_write_and_one_number() {
    let scene = Scene::start().await;
    let etag = now(&scene).await;
    scene.upsert("p", "first", 0).await;
    let item = |n: i64| json!({"id": "a", "pk": "p", "n": n});
    let batch = TransactionalBatch::new("p").create_item(item(1)).expect("operation");
    let batch = batch.upsert_item(item(2), None).expect("operation").delete_item("a", None);
    let batch = batch.create_item(item(3)).expect("operation");
    scene.container.execute_transactional_batch(batch, None).await.expect("batch");
    scene.upsert("p", "last", 4).await;

    let mut pages = Vec::new();
    let mut after = etag;
    loop {
        let answer = page(&scene, &after, "2").await;
        if answer.status == 304 {
            break;
        }
        after = answer.header("etag").expect("etag").to_owned();
        pages.push(answer.json()["Documents"].as_array().expect("documents").clone());
    }
    let numbers: Vec<Vec<Option<i64>>> =
        pages.iter().map(|page| page.iter().map(|change| change["current"]["n"].as_i64()).collect()).collect();
    assert_eq!(numbers, [vec![Some(0), Some(1), Some(2), None, Some(3)], vec![Some(4)]]);
    let lsn: Vec<i64> = pages.concat().iter().filter_map(|change| change["metadata"]["lsn"].as_i64()).collect();
    assert!(lsn[0] < lsn[1] && lsn[1..5].iter().all(|number| *number == lsn[1]) && lsn[4] < lsn[5], "{lsn:?}");
}

#[tokio::test]
async fn an_expired_item_is_a_delete_with_a_newer_number() {
    let scene = Scene::start().await;
    let etag = now(&scene).await;
    let item = json!({"id": "goes", "pk": "p", "ttl": 1});
    scene.container.create_item("p", "goes", item, None).await.expect("create");
    scene.upsert("p", "stays", 1).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while changes(&scene, &etag).await.len() < 3 {
        assert!(Instant::now() < deadline, "it never expired");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let changes = changes(&scene, &etag).await;
    let expected =
        json!({"operationType": "delete", "timeToLiveExpired": true, "id": "goes", "partitionKey": {"pk": "p"}});
    assert_eq!(metadata(&changes[2]), expected);
    let lsn: Vec<i64> = changes.iter().filter_map(|change| change["metadata"]["lsn"].as_i64()).collect();
    assert!(lsn[2] > lsn[1] && changes[2]["metadata"]["previousImageLSN"] == json!(lsn[0]), "{changes:?}");
}

#[tokio::test]
async fn previous_images_are_included_only_while_they_are_enabled() {
    let options = Options { previous_images: true, ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let etag = now(&scene).await;
    scene.upsert("p", "a", 1).await;
    scene.upsert("p", "a", 2).await;
    scene.endpoint.keep_previous_images("db", "c", false).await.expect("command");
    scene.upsert("p", "a", 3).await;
    scene.endpoint.keep_previous_images("db", "c", true).await.expect("command");
    scene.delete("p", "a").await;
    let changes = changes(&scene, &etag).await;
    let previous: Vec<Option<i64>> = changes.iter().map(|change| change["previous"]["n"].as_i64()).collect();
    assert_eq!(previous, [None, Some(1), None, Some(3)]);
}

#[tokio::test]
async fn a_change_feed_policy_that_is_added_or_removed_decides_about_previous_images() {
    let scene = Scene::start().await;
    let etag = now(&scene).await;
    let replace = async |policy: Value| {
        let key = json!({"paths": ["/pk"], "kind": "Hash", "version": 2});
        let definition = json!({"id": "c", "partitionKey": key, "defaultTtl": -1, "changeFeedPolicy": policy});
        let url = scene.endpoint.url();
        let answer = rest::send(url, "PUT", "/dbs/db/colls/c", &[], &definition.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    let policy = json!({"retentionDuration": 10});
    scene.upsert("p", "a", 1).await;
    scene.delete("p", "a").await;
    replace(policy.clone()).await;
    scene.upsert("p", "b", 2).await;
    scene.delete("p", "b").await;
    scene.endpoint.keep_previous_images("db", "c", false).await.expect("command");
    replace(policy).await;
    scene.upsert("p", "c", 3).await;
    scene.delete("p", "c").await;
    scene.endpoint.keep_previous_images("db", "c", true).await.expect("command");
    replace(Value::Null).await;
    scene.upsert("p", "d", 4).await;
    scene.delete("p", "d").await;
    let changes = changes(&scene, &etag).await;
    let deletes = changes.iter().filter(|change| change["metadata"]["operationType"] == "delete");
    let previous: Vec<Option<i64>> = deletes.map(|change| change["previous"]["n"].as_i64()).collect();
    // The second replace changes nothing about the policy.
    assert_eq!(previous, [None, Some(2), None, None]);
}

#[tokio::test]
async fn a_continuation_from_before_the_retention_window_is_refused() {
    let options = Options { change_feed_retention: Duration::from_millis(300), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let old = now(&scene).await;
    scene.upsert("p", "a", 1).await;
    let current = now(&scene).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = page(&scene, &old, "10").await;
        if answer.status == 400 {
            assert!(answer.text.contains("older than the retention window"), "{}", answer.text);
            break;
        }
        assert!(Instant::now() < deadline, "still {}", answer.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(page(&scene, &current, "10").await.status, 304);
    let mut latest = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
    assert_eq!(latest.read().await.len(), 1, "the other mode has the existing items");
}

#[tokio::test]
async fn a_delete_has_every_value_of_a_hierarchical_key() {
    let scene = Scene::with(Options::default(), PartitionKeyDefinition::from(("/tenant", "/user/id"))).await;
    let etag = now(&scene).await;
    let item = json!({"id": "a", "tenant": "t", "user": {"id": 5}, "ttl": 1000});
    scene.container.create_item(("t", 5), "a", item, None).await.expect("create");
    let scope = ItemScope { id: Some("a".into()), partition_key: Some(json!(["t"])) };
    assert_eq!(scene.endpoint.expire_now("db", "c", scope).await, Ok(1));
    let changes = changes(&scene, &etag).await;
    assert_eq!(changes[1]["metadata"]["partitionKey"], json!({"tenant": "t", "user": {"id": 5}}));
}

#[tokio::test]
async fn latest_version_mode_has_no_deletes_and_no_older_versions() {
    let scene = Scene::start().await;
    for n in 0..5 {
        scene.upsert("p", "a", n).await;
    }
    scene.upsert("p", "b", 0).await;
    scene.delete("p", "b").await;
    let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::partition("p"));
    let read = reader.read().await;
    let seen: Vec<_> = read.iter().filter_map(|change| change.current()?["n"].as_i64()).collect();
    assert_eq!(seen, [4]);
}
