//! Splits and merges of physical partitions.

use std::time::{Duration, Instant};

use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::options::ReadFeedRangesOptions;
use local_cosmos::{ControlError, Partition};
use serde_json::{Value, json};

use crate::rest::Answer;
use crate::scene::{Reader, Scene, client};

const RANGE_ID: &str = "x-ms-documentdb-partitionkeyrangeid";

async fn partitions(scene: &Scene) -> Vec<Partition> {
    scene.endpoint.partitions("db", "c").await.expect("partitions")
}

async fn split(scene: &Scene, partition: Option<&str>) -> Vec<Partition> {
    scene.endpoint.split("db", "c", partition, Duration::ZERO).await.expect("split")
}

/// A page of LatestVersion mode from one partition.
async fn feed(scene: &Scene, partition: &str, etag: Option<&str>) -> Answer {
    let mut headers = vec![("a-im", "Incremental Feed"), (RANGE_ID, partition)];
    headers.extend(etag.map(|etag| ("if-none-match", etag)));
    scene.docs("GET", &headers, "").await
}

fn gone(answer: &Answer) -> Option<&str> {
    answer.header("x-ms-substatus").filter(|_| answer.status == 410)
}

/// The number in the session token.
fn session(answer: &Answer) -> u64 {
    let token = answer.header("x-ms-session-token").expect("token");
    token.split('#').nth(1).expect("number").parse().expect("number")
}

/// The `_lsn` of each item of a page.
fn numbers(answer: &Answer) -> Vec<u64> {
    if answer.status == 304 {
        return Vec::new();
    }
    let body = answer.json();
    body["Documents"].as_array().expect("documents").iter().filter_map(|item| item["_lsn"].as_u64()).collect()
}

async fn fill(scene: &Scene, keys: usize, n: i64) {
    for key in 0..keys {
        scene.upsert(&format!("key-{key}"), "a", n).await;
    }
}

#[tokio::test]
async fn two_partitions_replace_a_split_one() {
    let scene = Scene::start().await;
    fill(&scene, 20, 0).await;
    let before = partitions(&scene).await;
    let parent = before[1].clone();
    let children = split(&scene, Some(&parent.id)).await;
    assert_eq!((&children[0].min, &children[1].max), (&parent.min, &parent.max));
    assert_eq!(children[0].max, children[1].min);
    let after = partitions(&scene).await;
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.windows(2).all(|pair| pair[0].max == pair[1].min), "{after:?}");

    assert_eq!(gone(&feed(&scene, &parent.id, None).await), Some("1002"));
    let query = [
        (RANGE_ID, parent.id.as_str()),
        ("x-ms-documentdb-isquery", "true"),
        ("content-type", "application/query+json"),
    ];
    assert_eq!(gone(&scene.docs("POST", &query, r#"{"query":"SELECT * FROM c"}"#).await), Some("1002"));
    let bulk = [
        (RANGE_ID, parent.id.as_str()),
        ("x-ms-cosmos-is-batch-request", "true"),
        ("x-ms-cosmos-batch-atomic", "false"),
    ];
    assert_eq!(gone(&scene.docs("POST", &bulk, "[]").await), Some("1002"));
}

#[tokio::test]
async fn during_a_split_requests_for_its_partition_wait_and_others_do_not() {
    let scene = Scene::start().await;
    fill(&scene, 20, 0).await;
    let before = partitions(&scene).await;
    let (first, second) = (&before[0], &before[1]);
    let started = Instant::now();
    let duration = Duration::from_millis(700);
    let splitting = scene.endpoint.split("db", "c", Some(&first.id), duration);
    let watching = async {
        while scene.endpoint.split("db", "c", Some(&second.id), Duration::ZERO).await != Err(ControlError::Busy) {}
        assert_eq!(feed(&scene, &second.id, None).await.status, 200);
        assert!(started.elapsed() < duration, "the other partition did not answer meanwhile");
        assert_eq!(gone(&feed(&scene, &first.id, None).await), Some("1002"), "the client never sees 1007");
        assert!(started.elapsed() >= duration);
    };
    let (children, ()) = tokio::join!(splitting, watching);
    assert_eq!(children.expect("split").len(), 2);
    fill(&scene, 20, 1).await;
}

#[tokio::test]
async fn numbers_continue_over_splits_and_merges_and_an_idle_partition_reports_its_newest() {
    let scene = Scene::start().await;
    fill(&scene, 40, 0).await;
    let before = partitions(&scene).await;
    let (low, high) = (&before[0].id, &before[1].id);
    let newest = session(&feed(&scene, low, None).await).max(session(&feed(&scene, high, None).await));
    let etag = feed(&scene, low, None).await.header("etag").expect("etag").to_owned();

    let merged = scene.endpoint.merge("db", "c", [low, high], Duration::ZERO).await.expect("merge");
    assert_eq!((&merged.min, &merged.max), (&before[0].min, &before[1].max));
    let idle = feed(&scene, &merged.id, Some(&etag)).await;
    assert_eq!(idle.status, 304);
    let after_merge = session(&idle);
    assert!(after_merge > newest, "{after_merge} after {newest}");

    let children = split(&scene, Some(&merged.id)).await;
    for child in &children {
        let idle = session(&feed(&scene, &child.id, Some(&etag)).await);
        assert!(idle > after_merge, "{idle} after {after_merge}");
    }
    fill(&scene, 40, 1).await;
    for child in &children {
        let answer = feed(&scene, &child.id, Some(&etag)).await;
        let lsn = numbers(&answer);
        assert!(lsn.is_sorted() && lsn[0] > after_merge, "{lsn:?} after {after_merge}");
        assert_eq!(lsn.last(), Some(&session(&answer)));
    }
}

#[tokio::test]
async fn sessions_remain_valid_after_a_merge() {
    let scene = Scene::start().await;
    // Many writes of few items: the emulator restarts from the number of items.
    for n in 0..30 {
        fill(&scene, 4, n).await;
    }
    loop {
        let partitions = partitions(&scene).await;
        let [one, other, ..] = partitions.as_slice() else { break };
        scene.endpoint.merge("db", "c", [&one.id, &other.id], Duration::ZERO).await.expect("merge");
    }
    let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
    assert_eq!(reader.read().await.len(), 4);
    for n in 30..33 {
        fill(&scene, 4, n).await;
        for key in 0..4 {
            let read = scene.container.read_item(format!("key-{key}"), "a", None).await.expect("read");
            let item: Value = read.into_model().expect("item");
            assert_eq!(item["n"], json!(n));
        }
        assert_eq!(reader.read().await.len(), 4);
    }
}

#[tokio::test]
async fn after_many_splits_old_and_new_clients_read_everything() {
    let scene = Scene::start().await;
    fill(&scene, 60, 0).await;
    let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
    assert_eq!(reader.read().await.len(), 60);
    for _ in 0..30 {
        split(&scene, None).await;
    }
    let count = partitions(&scene).await.len();
    assert_eq!(count, 34);
    fill(&scene, 60, 1).await;
    assert_eq!(reader.read().await.len(), 60);
    let fresh = client(&scene.endpoint).await.database_client("db").container_client("c", None).await.expect("client");
    let options = ReadFeedRangesOptions::default().with_force_refresh(true);
    assert_eq!(fresh.read_feed_ranges(Some(options)).await.expect("ranges").len(), count);
    let mut reader = Reader::of_latest_versions(&fresh, FeedScope::full_container());
    assert_eq!(reader.read().await.len(), 60);
}

#[tokio::test]
async fn a_refused_split_or_merge_names_the_partitions() {
    let scene = Scene::start().await;
    let ids: Vec<String> = partitions(&scene).await.into_iter().map(|partition| partition.id).collect();
    let refused = scene.endpoint.split("db", "missing", None, Duration::ZERO).await.expect_err("refused");
    assert_eq!(refused.to_string(), "container db/missing does not exist; existing containers: db/c");
    let refused = scene.endpoint.split("db", "c", Some("99"), Duration::ZERO).await.expect_err("refused");
    assert!(refused.to_string().starts_with("partition 99 does not exist; the container's partitions: "), "{refused}");
    for pair in [[&ids[0], &ids[2]], [&ids[0], &ids[0]]] {
        let refused = scene.endpoint.merge("db", "c", pair.map(String::as_str), Duration::ZERO).await;
        assert_eq!(refused, Err(ControlError::NotAdjacent(pair[0].clone(), pair[1].clone())));
    }
    let endless = scene.endpoint.split("db", "c", None, Duration::from_secs(100_000)).await;
    assert!(matches!(endless, Err(ControlError::Invalid(_))), "{endless:?}");
    assert_eq!(partitions(&scene).await.len(), ids.len());
}
