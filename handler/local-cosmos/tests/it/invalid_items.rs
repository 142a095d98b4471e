//! Invalid items are refused in every kind of request.

use std::io::{Read, Write};
use std::net::TcpStream;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive};
use azure_data_cosmos::options::ChangeFeedStartFrom;
use azure_data_cosmos::{CosmosError, TransactionalBatch};
use futures::StreamExt;
use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use crate::scene::client;

async fn start() -> (Endpoint, ContainerClient) {
    let endpoint = Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("endpoint");
    let client = client(&endpoint).await;
    client.create_database("db", None).await.expect("database");
    let properties = ContainerProperties::new("c", PartitionKeyDefinition::from("/pk"));
    let database = client.database_client("db");
    database.create_container(properties.with_default_ttl(TimeToLive::NoDefault), None).await.expect("container");
    (endpoint, database.container_client("c", None).await.expect("client"))
}

/// Sends a request for the container's items and returns the status and the body of the reply.
async fn rest(endpoint: &Endpoint, method: &str, path: &str, headers: &str, body: &Value) -> (u16, String) {
    let address = endpoint.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let body = body.to_string();
    let request = format!(
        "{method} /dbs/db/colls/c/docs{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         x-ms-documentdb-partitionkey: [\"p\"]\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("connection");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    };
    let answer = tokio::task::spawn_blocking(exchange).await.expect("exchange");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head");
    (head[9..12].parse().expect("status"), body.to_owned())
}

/// The ids of the items in the change feed.
async fn change_feed_ids(container: &ContainerClient) -> Vec<String> {
    let start = ChangeFeedStartFrom::Beginning;
    let mut pages =
        container.query_change_feed::<Value>(FeedScope::partition("p"), start, None).await.expect("change feed");
    let items = pages.next().await.expect("page").expect("page").into_items();
    items.iter().filter_map(|item| Some(item.current()?["id"].as_str()?.to_owned())).collect()
}

fn is_bad_request<T>(result: Result<T, CosmosError>, word: &str) -> bool {
    result.is_err_and(|error| u16::from(error.status().status_code()) == 400 && error.to_string().contains(word))
}

fn item(id: &str, ttl: i64) -> Value {
    json!({"id": id, "pk": "p", "ttl": ttl})
}

#[tokio::test]
async fn an_invalid_time_to_live_or_id_is_refused() {
    let (endpoint, container) = start().await;
    let (long, wide) = ("x".repeat(1024), "ü".repeat(512));
    for (id, ttl, word) in [("a", i64::MAX, "ttl"), ("a", 0, "ttl"), (&long, 1, "id"), (&wide, 1, "id")] {
        let refused = item(id, ttl);
        assert!(is_bad_request(container.create_item("p", id, &refused, None).await, word), "create of {refused}");
        assert!(is_bad_request(container.upsert_item("p", id, &refused, None).await, word), "upsert of {refused}");
        let (status, body) = rest(&endpoint, "POST", "", "", &refused).await;
        assert!(status == 400 && body.contains(word), "{status} {body}");
    }
    container.create_item("p", "a?#", item("a?#", 2_147_483_647), None).await.expect("create");
    assert!(is_bad_request(container.replace_item("p", "a?#", item("a?#", -2), None).await, "ttl"));
    assert_eq!(change_feed_ids(&container).await, ["a?#"]);
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_and_a_bulk_request_by_operation() {
    let (endpoint, container) = start().await;
    let batch = TransactionalBatch::new("p").create_item(item("good", 1000)).expect("operation");
    let batch = batch.upsert_item(item(&"x".repeat(1024), 1000), None).expect("operation");
    assert!(is_bad_request(container.execute_transactional_batch(batch, None).await, "Operation 1"));
    assert_eq!(change_feed_ids(&container).await, Vec::<String>::new());

    let headers = "x-ms-cosmos-is-batch-request: true\r\nx-ms-cosmos-batch-atomic: false\r\n";
    let operation = |item: Value| json!({"operationType": "Create", "partitionKey": "[\"p\"]", "resourceBody": item});
    let bulk = json!([operation(item("bad", 0)), operation(item("good", 1000))]);
    let (status, body) = rest(&endpoint, "POST", "", headers, &bulk).await;
    let results: Vec<Value> = serde_json::from_str(&body).expect("results");
    let statuses: Vec<_> = results.iter().map(|result| result["statusCode"].as_u64()).collect();
    assert_eq!((status, statuses), (207, vec![Some(400), Some(201)]));
    assert_eq!(change_feed_ids(&container).await, ["good"]);
}

#[tokio::test]
async fn a_patch_to_an_invalid_time_to_live_is_refused() {
    let (endpoint, container) = start().await;
    container.create_item("p", "a", item("a", 1000), None).await.expect("create");
    let patch = |ttl: i64| json!({"operations": [{"op": "set", "path": "/ttl", "value": ttl}]});
    let (status, body) = rest(&endpoint, "PATCH", "/a", "", &patch(i64::MAX)).await;
    assert!(status == 400 && body.contains("ttl"), "{status} {body}");
    let (status, body) = rest(&endpoint, "PATCH", "/a", "", &patch(2000)).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn an_item_that_a_batch_creates_and_deletes_is_not_in_the_change_feed() {
    let (_endpoint, container) = start().await;
    let batch = TransactionalBatch::new("p").create_item(item("gone", 1000)).expect("operation");
    let batch = batch.delete_item("gone", None).create_item(item("stays", 1000)).expect("operation");
    container.execute_transactional_batch(batch, None).await.expect("batch");
    container.read_item("p", "gone", None).await.expect_err("it was deleted");
    assert_eq!(change_feed_ids(&container).await, ["stays"]);
}

#[tokio::test]
async fn a_batch_without_operations_is_refused() {
    let (endpoint, _container) = start().await;
    for headers in [
        "x-ms-cosmos-is-batch-request: True\r\n",
        "x-ms-cosmos-is-batch-request: True\r\nx-ms-cosmos-batch-atomic: False\r\n",
    ] {
        let (status, body) = rest(&endpoint, "POST", "", headers, &json!([])).await;
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("The batch has no operations"), "{body}");
    }
}
