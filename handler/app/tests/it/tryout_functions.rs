//! `Populate` and `Truncate`, which are for trying the app out: what they refuse, what they record, and how they are turned off.

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CommandLine, Handler, World, batch_of};

async fn records(world: &World, kind: &str) -> Vec<Value> {
    world.query("jobs", &format!("SELECT * FROM c WHERE c.kind = '{kind}'")).await
}

#[tokio::test]
async fn populate_refuses_a_container_with_other_documents_unless_forced_and_is_recorded() {
    let world = World::new().await;
    let handler = world.handler();
    for seed in [1, 2] {
        let request = json!({"count": 20, "seed": seed, "requestedBy": "operations"});
        let (status, report) = handler.post("/api/populate", &request).await;
        assert_eq!((status, &report["upserted"]), (StatusCode::OK, &json!(20)), "{report}");
    }
    world.put("a", json!({"id": "order-1", "pk": "a", "doctype": "order"})).await;
    let (status, answer) = handler.post("/api/populate", &json!({"count": 20})).await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(message.contains("order-1") && message.contains("use force"), "{message}");
    let (status, _) = handler.post("/api/populate", &json!({"count": 20, "force": true})).await;
    assert_eq!(status, StatusCode::OK);

    let records = records(&world, "populate").await;
    assert_eq!(records.len(), 3, "{records:?}");
    let first = records.iter().find(|record| record["request"]["seed"] == 1).expect("a record");
    assert_eq!((&first["state"], &first["requestedBy"]), (&json!("done"), &json!("operations")), "{first}");
    assert_eq!((&first["request"]["count"], &first["counts"]["upserted"]), (&json!(20), &json!(20)), "{first}");
    assert!(first["startedAt"].is_string() && first["finishedAt"].is_string() && first.get("job").is_none(), "{first}");
}

#[tokio::test]
async fn documents_without_the_fields_of_samples_are_other_documents() {
    for document in [
        json!({"id": "1", "pk": "a"}),
        json!({"id": "1", "pk": "a", "doctype": "zipcode"}),
        json!({"id": "1", "pk": "a", "doctype": "zipcode", "postal_cd": "2"}),
        json!({"id": "1", "pk": "a", "doctype": null, "postal_cd": "1"}),
    ] {
        let world = World::new().await;
        world.put("a", document.clone()).await;
        let (status, answer) = world.handler().post("/api/populate", &json!({"count": 1})).await;
        assert_eq!(status, StatusCode::CONFLICT, "{document}: {answer}");
    }
}

#[tokio::test]
async fn truncate_needs_the_name_again_and_is_recorded() {
    let world = World::new().await;
    let handler = world.handler();
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    for request in [
        json!({"container": "events", "max": 10}),
        json!({"container": "events", "max": 10, "confirm": "Events"}),
        json!({"container": "changes", "max": 10, "confirm": "changes"}),
    ] {
        let (status, answer) = handler.post("/api/truncate", &request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{request}: {answer}");
    }
    assert_eq!(world.query("events", "SELECT * FROM c").await.len(), 1);
    assert_eq!(records(&world, "truncate").await, Vec::<Value>::new());
    let request = json!({"container": "events", "max": 10, "confirm": "events", "requestedBy": "operations"});
    let (status, report) = handler.post("/api/truncate", &request).await;
    assert_eq!((status, &report["deleted"]), (StatusCode::OK, &json!(1)), "{report}");
    let record = records(&world, "truncate").await.remove(0);
    assert_eq!((&record["state"], &record["counts"]["deleted"]), (&json!("done"), &json!(1)), "{record}");
    assert_eq!((&record["request"]["container"], &record["requestedBy"]), (&json!("events"), &json!("operations")));
}

#[tokio::test]
async fn a_truncation_counts_a_delete_whose_reply_was_lost_and_deletes_no_more_than_was_asked_for() {
    let world = World::new().await;
    let handler = world.handler();
    for id in ["1", "2", "3"] {
        world.put("a", json!({"id": id, "pk": "a"})).await;
    }
    for (max, left) in [(2, 1), (1, 0)] {
        let fault =
            Fault { container: Some("events".into()), kind: RequestKind::Write, times: 1, effect: Effect::LoseReply };
        world.endpoint.inject(fault);
        let request = json!({"container": "events", "max": max, "confirm": "events"});
        let (status, report) = handler.post("/api/truncate", &request).await;
        assert_eq!((status, &report["deleted"]), (StatusCode::OK, &json!(max)), "{report}");
        assert_eq!(world.query("events", "SELECT * FROM c").await.len(), left);
    }
}

#[tokio::test]
async fn a_setting_turns_both_off() {
    let world = World::new().await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_TRYOUT_FUNCTIONS", "off")]);
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    for (path, request) in [
        ("/api/populate", json!({"count": 1, "force": true})),
        ("/api/truncate", json!({"container": "events", "max": 10, "confirm": "events"})),
    ] {
        let (status, answer) = handler.post(path, &request).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::FORBIDDEN, &json!("TurnedOff")),
            "{path}: {answer}"
        );
        assert!(answer.to_string().contains("CHANGEFEED_TRYOUT_FUNCTIONS=off"), "{answer}");
    }
    assert_eq!(world.query("events", "SELECT * FROM c").await.len(), 1);
    let (_, status) = handler.get("/api/status").await;
    assert_eq!(status["settings"]["CHANGEFEED_TRYOUT_FUNCTIONS"], "off", "{status}");
}

#[tokio::test]
async fn the_command_line_refuses_the_same_and_can_truncate_the_history() {
    let world = World::new().await;
    let stored = world.put("a", json!({"id": "order-1", "pk": "a", "doctype": "order"})).await;
    let (status, _) = world.handler().invoke(&batch_of(&[stored]), false).await;
    assert_eq!((status, world.versions().await.len()), (StatusCode::OK, 1));
    let command_line = CommandLine::new(&world);
    let (code, printed) = command_line.text(&["populate", "--count", "20"]).await;
    assert!(code == 1 && printed.contains("order-1") && printed.contains("force"), "{code}: {printed}");
    assert_eq!(world.query("events", "SELECT * FROM c").await.len(), 1);
    let (code, printed) = command_line.text(&["truncate", "--container", "changes", "--max", "10", "--yes"]).await;
    assert_eq!((code, world.versions().await.len()), (0, 0), "{printed}");
    let record = records(&world, "truncate").await.remove(0);
    assert_eq!(
        (&record["request"]["container"], &record["counts"]["deleted"]),
        (&json!("changes"), &json!(1)),
        "{record}"
    );
}
