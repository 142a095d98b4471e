//! Capture when requests to Cosmos DB fail.

use local_cosmos::{Effect, Endpoint, Fault, Options, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of};

async fn batch(world: &World, count: i64) -> String {
    let mut documents = Vec::new();
    for n in 0..count {
        documents.push(world.put("a", json!({"id": format!("item-{n}"), "pk": "a", "n": n})).await);
    }
    batch_of(&documents)
}

fn inject(world: &World, container: &str, times: u32, effect: Effect) {
    world.endpoint.inject(Fault { container: Some(container.into()), kind: RequestKind::Write, times, effect });
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_not_duplicated() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = batch(&world, 20).await;
    inject(&world, "changes", 30, Effect::LoseReply);
    handler.invoke_until_accepted(&batch).await;
    assert_eq!(world.versions().await.len(), 20);
}

#[tokio::test]
async fn a_throttled_write_is_retried() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = batch(&world, 10).await;
    inject(&world, "changes", 6, Effect::Status { status: 429, substatus: 3200 });
    let (status, answer) = handler.invoke(&batch, false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.versions().await.len(), 10);
}

#[tokio::test]
async fn a_transient_failure_returns_the_batch_and_the_next_delivery_stores_the_rest() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = batch(&world, 10).await;
    inject(&world, "changes", 400, Effect::Status { status: 503, substatus: 0 });
    let (status, answer) = handler.invoke(&batch, false).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("TryAgain")));
    handler.invoke_until_accepted(&batch).await;
    assert_eq!(world.versions().await.len(), 10);
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_permanent_rejection_becomes_a_dead_letter_and_a_missing_permission_does_not() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = batch(&world, 1).await;
    inject(&world, "changes", 1, Effect::Status { status: 403, substatus: 5300 });
    let (status, answer) = handler.invoke(&batch, false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());

    inject(&world, "changes", 1, Effect::Status { status: 413, substatus: 0 });
    let (status, answer) = handler.invoke(&batch, false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.dead_letters().await[0]["reason"], "refused");
}

#[tokio::test]
async fn a_batch_whose_dead_letter_cannot_be_stored_is_not_accepted() {
    let world = World::new().await;
    let handler = world.handler();
    inject(&world, "dead-letters", 1, Effect::Status { status: 403, substatus: 0 });
    let (status, _) = handler.invoke("[5]", false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    handler.invoke_until_accepted("[5]").await;
    assert_eq!(world.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn a_missing_container_is_named_and_no_data_is_lost() {
    let world = World::new().await;
    let handler = world.handler();
    let batch = batch(&world, 3).await;
    world.container("changes").await.delete(None).await.expect("delete");
    let (status, answer) = handler.invoke(&batch, false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let message = answer["error"]["message"].as_str().expect("message");
    assert!(message.contains("container changes of database dev"), "{message}");
    world.create("changes", &["/pk", "/sourceId"]).await;
    handler.invoke_until_accepted(&batch).await;
    assert_eq!(world.versions().await.len(), 3);
}

#[tokio::test]
async fn a_handler_starts_without_cosmos_db_and_hides_the_key_in_its_errors() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
    let connection = format!("AccountEndpoint=http://127.0.0.1:{port}/;AccountKey=c2VjcmV0;");
    let handler = Handler::start(&[("CosmosDB", &connection)]);
    let (status, answer) = handler.get("/").await;
    assert_eq!((status, &answer["name"]), (StatusCode::OK, &json!("changefeed")));
    let (status, answer) = handler.invoke("[]", false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert!(!answer.to_string().contains("c2VjcmV0"));
}

#[tokio::test]
async fn a_wrong_key_is_distinguished_from_a_transient_failure() {
    let options = Options { require_key: true, ..Default::default() };
    let endpoint = Endpoint::start(options).await.expect("endpoint");
    let connection = format!("AccountEndpoint={};AccountKey=d3Jvbmcga2V5;", endpoint.url());
    let handler = Handler::start(&[("CosmosDB", &connection)]);
    let (status, answer) =
        handler.post("/api/query", &json!({"container": "events", "query": "SELECT * FROM c"})).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::BAD_GATEWAY, &json!("CosmosForbidden")), "{answer}");
    let (status, answer) = handler.invoke("[]", false).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "the host redelivers the batch: {answer}");
    let (_, answer) = handler.get("/api/status").await;
    assert_eq!(answer["containers"][0]["state"], "failed", "{answer}");
}
