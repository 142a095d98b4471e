//! A container with 150 physical partitions.

use std::collections::BTreeSet;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use azure_data_cosmos::options::{FeedOptions, QueryOptions, ReadFeedRangesOptions};
use futures::TryStreamExt;
use local_cosmos::{ControlError, Options};
use serde_json::{Value, json};

use crate::rest;
use crate::scene::{MAX_FAN_OUT, Reader, Scene, client};

const PARTITIONS: usize = 150;
const ITEMS: usize = 300;

async fn query(container: &ContainerClient, text: &'static str) -> Vec<Value> {
    let feed = FeedOptions::default().with_max_fan_out(MAX_FAN_OUT);
    let options = QueryOptions::default().with_feed_options(feed);
    let items = container.query_items::<Value>(text, FeedScope::full_container(), Some(options)).await;
    items.expect("query").try_collect().await.expect("items")
}

#[tokio::test]
async fn a_container_with_150_partitions_supports_writes_queries_and_both_change_feed_modes() {
    let scene = Scene::start().await;
    scene.upsert("before", "a", -1).await;
    let mut all = Reader::of_all_versions(&scene.container, FeedScope::full_container()).await;
    let partitions = scene.endpoint.set_partition_count("db", "c", PARTITIONS).await.expect("partitions");
    assert_eq!(partitions.len(), PARTITIONS);
    assert!(partitions.windows(2).all(|pair| pair[0].max == pair[1].min), "they cover the key space");
    let ids: BTreeSet<_> = partitions.iter().map(|partition| &partition.id).collect();
    assert_eq!(ids.len(), PARTITIONS);

    for n in 0..ITEMS {
        scene.upsert(&format!("key-{n}"), "a", n as i64).await;
    }
    // One client has cached the earlier partitions, the other is new.
    let fresh = client(&scene.endpoint).await.database_client("db").container_client("c", None).await.expect("client");
    for container in [&scene.container, &fresh] {
        let options = ReadFeedRangesOptions::default().with_force_refresh(true);
        assert_eq!(container.read_feed_ranges(Some(options)).await.expect("ranges").len(), PARTITIONS);
        assert_eq!(query(container, "SELECT * FROM c WHERE c.n >= 0").await.len(), ITEMS);
    }
    let sorted = query(&fresh, "SELECT * FROM c WHERE c.n < 100 AND c.n >= 0 ORDER BY c.n DESC").await;
    assert_eq!(sorted.len(), 100);
    assert!(sorted.windows(2).all(|pair| pair[0]["n"].as_i64() > pair[1]["n"].as_i64()), "{sorted:?}");
    let mut latest = Reader::of_latest_versions(&fresh, FeedScope::full_container());
    assert_eq!(latest.read().await.len(), ITEMS + 1);
    let changes = all.read().await;
    let numbers: BTreeSet<_> = changes.iter().filter_map(|change| change.current()?["n"].as_i64()).collect();
    assert_eq!((changes.len(), numbers.len()), (ITEMS, ITEMS));
}

#[tokio::test]
async fn the_number_of_partitions_grows_and_shrinks_on_demand() {
    let options = Options { control_port: Some(0), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let control = scene.endpoint.control_url().expect("control");
    for count in [9, 1, 2, 2] {
        let body = json!({"database": "db", "container": "c", "count": count});
        let answer = rest::send(control, "POST", "/partitions", &[], &body.to_string()).await;
        assert_eq!(answer.json()["partitions"].as_array().map(Vec::len), Some(count));
        scene.upsert("p", "a", 1).await;
        let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::full_container());
        assert_eq!(reader.read().await.len(), 1);
    }
    for count in [0, 1_001] {
        let refused = scene.endpoint.set_partition_count("db", "c", count).await;
        assert!(matches!(refused, Err(ControlError::Invalid(_))), "{refused:?}");
    }
}
