//! The endpoint through the official Rust SDK.

use std::time::{Duration, Instant};

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive};
use azure_data_cosmos::options::{ChangeFeedOptions, ChangeFeedStartFrom, MaxItemCountHint};
use azure_data_cosmos::{CosmosClient, TransactionalBatch};
use futures::{StreamExt, TryStreamExt};
use local_cosmos::{EMULATOR_KEY, Effect, Endpoint, Fault, Options, RequestKind, StartError};
use serde_json::{Value, json};

use crate::scene::connect;

async fn container(client: &CosmosClient, key: &'static str, ttl: TimeToLive) -> ContainerClient {
    client.create_database("db", None).await.expect("database");
    let database = client.database_client("db");
    let properties = ContainerProperties::new("c", PartitionKeyDefinition::from(key)).with_default_ttl(ttl);
    database.create_container(properties, None).await.expect("container");
    database.container_client("c", None).await.expect("client")
}

async fn start() -> (Endpoint, CosmosClient) {
    let endpoint = Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("endpoint");
    let client = connect(&endpoint, EMULATOR_KEY).await.expect("client");
    (endpoint, client)
}

async fn changes(container: &ContainerClient, start: ChangeFeedStartFrom, page: u32) -> Vec<Vec<Value>> {
    let options =
        ChangeFeedOptions::default().with_max_item_count(MaxItemCountHint::Limit(page.try_into().expect("page")));
    let mut pages =
        container.query_change_feed::<Value>(FeedScope::partition("p"), start, Some(options)).await.expect("feed");
    let mut read = Vec::new();
    loop {
        let items = pages.next().await.expect("page").expect("page").into_items();
        if items.is_empty() {
            return read;
        }
        read.push(items.iter().filter_map(|item| item.current().cloned()).collect());
    }
}

fn numbers(pages: &[Vec<Value>]) -> Vec<Vec<i64>> {
    pages.iter().map(|page| page.iter().filter_map(|item| item["n"].as_i64()).collect()).collect()
}

#[tokio::test]
async fn the_change_feed_has_each_item_once_and_never_divides_a_transaction() {
    let (_endpoint, client) = start().await;
    let container = container(&client, "/pk", TimeToLive::Forever).await;
    for (id, n) in [("a", 1), ("b", 2), ("a", 3)] {
        container.upsert_item("p", id, json!({"id": id, "pk": "p", "n": n}), None).await.expect("upsert");
    }
    let batch = ["x", "y", "z"].iter().enumerate().fold(TransactionalBatch::new("p"), |batch, (index, id)| {
        batch.create_item(json!({"id": id, "pk": "p", "n": 10 + index})).expect("operation")
    });
    container.execute_transactional_batch(batch, None).await.expect("batch");
    container.upsert_item("p", "last", json!({"id": "last", "pk": "p", "n": 20}), None).await.expect("upsert");
    container.delete_item("p", "b", None).await.expect("delete");

    let pages = changes(&container, ChangeFeedStartFrom::Beginning, 2).await;
    assert_eq!(numbers(&pages), [vec![3, 10, 11, 12], vec![20]]);
    let lsn: Vec<i64> = pages.concat().iter().filter_map(|item| item["_lsn"].as_i64()).collect();
    assert!(lsn.is_sorted() && lsn[1] == lsn[2] && lsn[2] == lsn[3] && lsn[0] < lsn[1] && lsn[3] < lsn[4], "{lsn:?}");
    assert_eq!(changes(&container, ChangeFeedStartFrom::Now, 10).await, Vec::<Vec<Value>>::new());
}

#[tokio::test]
async fn reads_and_the_change_feed_return_an_item_as_it_was_written() {
    let (_endpoint, client) = start().await;
    let container = container(&client, "/pk", TimeToLive::Forever).await;
    let item = json!({"id": "ü", "pk": "p", "n": 1, "z": [1.5, -0.25, 1e300, 9007199254740993i64, null, true, "", {}, []],
        "a": {"quote\"": "\u{1f600} \\ \n", "": "empty"}, "date": "2024-01-01T10:00:00+02:00"});
    container.create_item("p", "ü", &item, None).await.expect("create");
    let read: Value = container.read_item("p", "ü", None).await.expect("read").into_model().expect("item");
    let fed = changes(&container, ChangeFeedStartFrom::Beginning, 10).await.concat().remove(0);
    for (name, value) in item.as_object().expect("object") {
        assert_eq!((&read[name], &fed[name]), (value, value), "{name}");
    }
    let names: Vec<&String> = read.as_object().expect("object").keys().take(6).collect();
    assert_eq!(names, ["id", "pk", "n", "z", "a", "date"]);
}

#[tokio::test]
async fn expired_items_are_removed_from_reads_queries_and_the_change_feed_within_a_second() {
    let (_endpoint, client) = start().await;
    let container = container(&client, "/pk", TimeToLive::NoDefault).await;
    container.create_item("p", "stays", json!({"id": "stays", "pk": "p"}), None).await.expect("create");
    let created = Instant::now();
    container.create_item("p", "goes", json!({"id": "goes", "pk": "p", "ttl": 2}), None).await.expect("create");
    while container.read_item("p", "goes", None).await.is_ok() {
        assert!(created.elapsed() < Duration::from_secs(10), "it never expired");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(created.elapsed() >= Duration::from_secs(1), "it expired after {:?}", created.elapsed());
    let query =
        container.query_items::<Value>("SELECT * FROM c", FeedScope::partition("p"), None).await.expect("query");
    let found: Vec<Value> = query.try_collect().await.expect("items");
    assert_eq!(found.iter().map(|item| item["id"].clone()).collect::<Vec<_>>(), ["stays"]);
    assert_eq!(changes(&container, ChangeFeedStartFrom::Beginning, 10).await.concat().len(), 1);
}

#[tokio::test]
async fn a_wrong_key_is_refused_when_keys_are_checked() {
    let endpoint = Endpoint::start(Options { require_key: true, ..Options::default() }).await.expect("endpoint");
    let right = connect(&endpoint, EMULATOR_KEY).await.expect("client");
    container(&right, "/pk", TimeToLive::Forever)
        .await
        .create_item("p", "a", json!({"id": "a", "pk": "p"}), None)
        .await
        .expect("create");
    let error = connect(&endpoint, "d3Jvbmcga2V5").await.expect_err("refused");
    assert_eq!(u16::from(error.status().status_code()), 401, "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let port = taken.local_addr().expect("address").port();
    let error = Endpoint::start(Options { port, ..Options::default() }).await.expect_err("in use");
    assert!(matches!(error, StartError::Port { .. }) && error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn requests_and_request_units_are_counted() {
    let (endpoint, client) = start().await;
    let container = container(&client, "/pk", TimeToLive::Forever).await;
    let before = endpoint.usage();
    container.create_item("p", "a", json!({"id": "a", "pk": "p"}), None).await.expect("create");
    let after = endpoint.usage();
    assert!(after.requests > before.requests && after.request_units > before.request_units, "{after:?}");
}

#[tokio::test]
async fn a_fault_affects_its_number_of_requests_of_its_kind_and_container() {
    let (endpoint, client) = start().await;
    let container = container(&client, "/pk", TimeToLive::Forever).await;
    let fault = |kind, times, effect| endpoint.inject(Fault { container: Some("c".into()), kind, times, effect });
    let create = |id: &'static str| container.create_item("p", id, json!({"id": id, "pk": "p"}), None);

    fault(RequestKind::Write, 1, Effect::Status { status: 400, substatus: 0 });
    container.read_item("p", "a", None).await.expect_err("missing");
    assert_eq!(u16::from(create("a").await.expect_err("refused").status().status_code()), 400);
    create("a").await.expect("after the fault");

    fault(RequestKind::Read, 1, Effect::Delay(Duration::from_millis(300)));
    let before = Instant::now();
    container.read_item("p", "a", None).await.expect("read");
    assert!(before.elapsed() >= Duration::from_millis(300));

    fault(RequestKind::Write, 1, Effect::LoseReply);
    // The SDK may retry and find its own write; in either case the item exists.
    let _ = create("b").await;
    container.read_item("p", "b", None).await.expect("it was written");
}
