//! The log of requests.

use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use azure_data_cosmos::options::{MaxItemCountHint, QueryOptions};
use futures::TryStreamExt;
use local_cosmos::{Effect, Fault, LoggedKind, Options, RequestKind};
use serde_json::{Value, json};

use crate::rest;
use crate::scene::{Reader, Scene};

/// Kind, status and items of the requests for items since the last call.
fn taken(scene: &Scene) -> Vec<(LoggedKind, u16, usize)> {
    let requests = scene.endpoint.take_requests().into_iter().filter(|request| request.kind != LoggedKind::Metadata);
    requests.map(|request| (request.kind, request.status, request.items)).collect()
}

#[tokio::test]
async fn every_kind_of_request_is_logged_with_its_items_and_charge() {
    let scene = Scene::start().await;
    scene.endpoint.take_requests();
    let item = |id: &str, n: i64| json!({"id": id, "pk": "p", "n": n});
    scene.container.create_item("p", "a", item("a", 1), None).await.expect("create");
    scene.container.replace_item("p", "a", item("a", 2), None).await.expect("replace");
    scene.upsert("p", "b", 1).await;
    scene.container.read_item("p", "a", None).await.expect("read");
    scene.container.read_item("p", "missing", None).await.expect_err("missing");
    let batch = TransactionalBatch::new("p").create_item(item("c", 1)).expect("operation");
    let batch = batch.create_item(item("d", 1)).expect("operation").read_item("a", None);
    scene.container.execute_transactional_batch(batch, None).await.expect("batch");
    scene.delete("p", "b").await;
    let requests = scene.endpoint.requests();
    assert!(requests.iter().all(|request| request.request_charge > 0.0), "{requests:?}");
    assert!(requests.iter().all(|request| request.database.as_deref() == Some("db")), "{requests:?}");
    let seen = taken(&scene);
    let statuses: Vec<_> = seen.iter().map(|(kind, status, _)| (*kind, *status)).collect();
    assert_eq!(
        statuses,
        [
            (LoggedKind::Create, 201),
            (LoggedKind::Replace, 200),
            (LoggedKind::Upsert, 201),
            (LoggedKind::Read, 200),
            (LoggedKind::Read, 404),
            (LoggedKind::Batch, 200),
            (LoggedKind::Delete, 204),
        ]
    );
    assert_eq!((seen[3].2, seen[4].2, seen[5].2, seen[6].2), (1, 0, 3, 0));
    assert_eq!(scene.endpoint.requests(), []);
}

#[tokio::test]
async fn a_test_can_state_how_many_requests_a_query_needs_and_how_many_items_they_return() {
    let scene = Scene::start().await;
    for n in 0..7 {
        scene.upsert("p", &format!("{n}"), n).await;
    }
    scene.endpoint.take_requests();
    let options = QueryOptions::default().with_max_item_count(MaxItemCountHint::Limit(3.try_into().expect("count")));
    let query = "SELECT * FROM c WHERE c.n > 0";
    let pages = scene.container.query_items::<Value>(query, FeedScope::partition("p"), Some(options)).await;
    let found: Vec<Value> = pages.expect("query").try_collect().await.expect("items");
    assert_eq!(found.len(), 6);
    let requests = scene.endpoint.take_requests();
    let pages: Vec<_> = requests.iter().filter(|request| request.kind == LoggedKind::Query).collect();
    assert_eq!(pages.iter().map(|page| page.items).collect::<Vec<_>>(), [3, 3]);
    assert!(pages.iter().all(|page| page.query.as_deref() == Some(query) && page.container.as_deref() == Some("c")));
}

#[tokio::test]
async fn the_change_feed_and_faults_are_logged() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    scene.endpoint.take_requests();
    let mut reader = Reader::of_latest_versions(&scene.container, FeedScope::partition("p"));
    assert_eq!(reader.read().await.len(), 1);
    let seen = taken(&scene);
    assert_eq!(seen[0], (LoggedKind::ChangeFeed, 200, 1));
    assert!(seen.len() > 1 && seen[1..].iter().all(|request| *request == (LoggedKind::ChangeFeed, 304, 0)), "{seen:?}");
    let effect = Effect::Status { status: 400, substatus: 0 };
    scene.endpoint.inject(Fault { container: None, kind: RequestKind::Read, times: 1, effect });
    scene.container.read_item("p", "a", None).await.expect_err("refused");
    assert_eq!(taken(&scene), [(LoggedKind::Read, 400, 0)]);
}

#[tokio::test]
async fn the_control_interface_lists_requests_and_clears_them() {
    let options = Options { control_port: Some(0), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let control = scene.endpoint.control_url().expect("control");
    let send = async |method| rest::send(control, method, "/requests", &[], "").await.json()["requests"].clone();
    send("DELETE").await;
    rest::send(scene.endpoint.url(), "GET", "/dbs/db/colls/c", &[], "").await;
    let headers = [
        ("x-ms-documentdb-isquery", "true"),
        ("x-ms-documentdb-query-enablecrosspartition", "true"),
        ("content-type", "application/query+json"),
    ];
    scene.docs("POST", &headers, r#"{"query":"SELECT c.id FROM c"}"#).await;
    let requests = send("GET").await;
    assert_eq!(
        requests[0],
        json!({
            "database": "db", "container": "c", "path": "/dbs/db/colls/c", "kind": "metadata", "items": 0, "status": 200,
            "requestCharge": 1.0,
        })
    );
    assert_eq!((&requests[1]["kind"], &requests[1]["query"]), (&json!("query"), &json!("SELECT c.id FROM c")));
    assert_eq!(send("DELETE").await.as_array().map(Vec::len), Some(2));
    assert_eq!(send("GET").await, json!([]));
}
