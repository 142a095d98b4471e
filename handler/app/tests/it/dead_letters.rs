//! Documents that could not be captured: listed, shown, replayed, discarded.

use std::process::{Output, Stdio};
use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of, executable, noise};

const REJECTION: Effect = Effect::Status { status: 413, substatus: 0 };

fn inject(world: &World, container: &str, times: u32, effect: Effect) {
    world.endpoint.inject(Fault { container: Some(container.into()), kind: RequestKind::Write, times, effect });
}

/// Writes a document whose version Cosmos DB rejects once. Returns the stored document and the id of its dead letter.
async fn dead_letter(world: &World, handler: &Handler, document: Value) -> (Value, String) {
    let before = world.dead_letters().await.len();
    let stored = world.put("a", document).await;
    inject(world, "changes", 1, REJECTION);
    handler.invoke_until_accepted(&batch_of(std::slice::from_ref(&stored))).await;
    let letters = list(handler, "").await;
    assert!(world.dead_letters().await.len() > before);
    (stored, letters["items"][0]["id"].as_str().expect("id").to_owned())
}

async fn list(handler: &Handler, query: &str) -> Value {
    let (status, page) = handler.get(&format!("/api/dead-letters{query}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page
}

async fn replay(handler: &Handler, id: &str) -> (StatusCode, Value) {
    handler.post(&format!("/api/dead-letters/{id}/replay"), &json!({})).await
}

async fn delete(handler: &Handler, id: &str) -> (StatusCode, Value) {
    handler.send(Method::DELETE, &format!("/api/dead-letters/{id}"), "", "").await
}

#[tokio::test]
async fn dead_letters_are_listed_in_pages_newest_first_with_their_delivered_payloads() {
    let world = World::new().await;
    let handler = world.handler();
    // Two batches, so that some dead letters have the same time.
    let payloads: Vec<String> = (0..9).map(|n| format!("{{\"n\" : {n}.50,  \"pk\":\"a\"}}")).collect();
    handler.invoke(&format!("[{}]", payloads[..6].join(",")), false).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    handler.invoke(&format!("[{}]", payloads[6..].join(",")), true).await;

    let (mut letters, mut query) = (Vec::new(), "?maxItems=2".to_owned());
    loop {
        let page = list(&handler, &query).await;
        letters.extend(page["items"].as_array().expect("items").clone());
        assert!(letters.len() <= 9, "{page}");
        match page["continuation"].as_str() {
            Some(continuation) => query = format!("?maxItems=2&continuation={continuation}"),
            None => break,
        }
    }
    assert_eq!(letters.len(), 9);
    assert!(letters.is_sorted_by(|newer, older| newer["capturedAt"].as_str() >= older["capturedAt"].as_str()));
    let mut found = Vec::new();
    for letter in &letters {
        assert!(letter.get("payload").is_none() && letter["reason"] == "no-id" && letter["attempts"] == 0, "{letter}");
        let (status, full) = handler.get(&format!("/api/dead-letters/{}", letter["id"].as_str().expect("id"))).await;
        assert_eq!(status, StatusCode::OK);
        found.push(full["payload"].as_str().expect("payload").to_owned());
    }
    found.sort();
    assert_eq!(found, payloads);
}

#[tokio::test]
async fn a_replayed_dead_letter_is_stored_as_the_version_of_the_original_delivery() {
    let world = World::new().await;
    let handler = world.handler();
    let document = json!({"id": "1", "pk": "a", "at": "2024-01-01T10:00:00+02:00"});
    let (mut stored, id) = dead_letter(&world, &handler, document).await;
    assert_eq!(world.versions().await.len(), 0);
    let (status, answer) = replay(&handler, &id).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("stored")), "{answer}");
    let version = world.only_version().await;
    assert_eq!(
        (&version["id"], &version["capturedBy"]),
        (&answer["version"], &json!("3b1a5a3e-0000-4000-8000-000000000001"))
    );
    assert_eq!((&version["exact"], &version["document"]["at"]), (&json!(true), &json!("2024-01-01T10:00:00+02:00")));
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert_eq!(replay(&handler, &id).await.0, StatusCode::NOT_FOUND);

    // The document has changed, so values that the host may have rewritten cannot be read again: the version is inexact.
    stored["_etag"] = json!("\"missed\"");
    inject(&world, "changes", 1, REJECTION);
    handler.invoke_until_accepted(&batch_of(&[stored])).await;
    let id = list(&handler, "").await["items"][0]["id"].as_str().expect("id").to_owned();
    let (_, answer) = replay(&handler, &id).await;
    let missed = world.versions().await[answer["version"].as_str().expect("version")].clone();
    assert_eq!((&missed["exact"], &missed["etag"]), (&json!(false), &json!("\"missed\"")));
}

#[tokio::test]
async fn a_dead_letter_whose_replay_fails_has_the_new_reason_and_the_number_of_attempts() {
    let world = World::new().await;
    let handler = world.handler();
    let (_, id) = dead_letter(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    let before = handler.get(&format!("/api/dead-letters/{id}")).await.1;
    for attempt in 1..=2 {
        inject(&world, "changes", 1, REJECTION);
        // The attempt is recorded, but the reply is lost.
        inject(&world, "dead-letters", 1, Effect::LoseReply);
        let (status, answer) = replay(&handler, &id).await;
        assert_eq!((status, &answer["outcome"]), (StatusCode::OK, &json!("stillDead")), "{answer}");
        assert_eq!((&answer["attempts"], &answer["reason"]), (&json!(attempt), &json!("refused")));
    }
    let after = handler.get(&format!("/api/dead-letters/{id}")).await.1;
    assert_eq!((&after["payload"], &after["capturedAt"]), (&before["payload"], &before["capturedAt"]));
    assert!(after["attempts"] == 2 && after["attemptedAt"].is_string(), "{after}");
    assert_eq!(world.dead_letters().await.len(), 1);
    // A transient failure does not change the dead letter.
    inject(&world, "changes", 100, Effect::Status { status: 503, substatus: 0 });
    assert_eq!(replay(&handler, &id).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(handler.get(&format!("/api/dead-letters/{id}")).await.1, after);
}

#[tokio::test]
async fn concurrent_replays_with_lost_replies_store_each_version_once() {
    let world = World::new().await;
    let handler = world.handler();
    for n in 0..5 {
        let (_, id) = dead_letter(&world, &handler, json!({"id": n.to_string(), "pk": "a"})).await;
        inject(&world, "changes", 2, Effect::LoseReply);
        inject(&world, "dead-letters", 2, Effect::LoseReply);
        let answers = tokio::join!(replay(&handler, &id), replay(&handler, &id), replay(&handler, &id));
        for (status, answer) in [answers.0, answers.1, answers.2] {
            assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&status), "{answer}");
        }
        assert_eq!(world.versions().await.len(), n + 1);
        assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn concurrent_replays_of_an_invalid_dead_letter_are_all_counted() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke("[5]", false).await;
    let id = list(&handler, "").await["items"][0]["id"].as_str().expect("id").to_owned();
    let answers = tokio::join!(replay(&handler, &id), replay(&handler, &id), replay(&handler, &id));
    assert!([answers.0, answers.1, answers.2].iter().all(|(_, answer)| answer["outcome"] == "stillDead"));
    let letters = list(&handler, "").await;
    assert_eq!((letters["items"].as_array().map(Vec::len), &letters["items"][0]["attempts"]), (Some(1), &json!(3)));
}

#[tokio::test]
async fn a_payload_larger_than_an_item_is_read_completely_and_deleted_completely() {
    let world = World::new().await;
    let handler = world.handler();
    let invalid = json!({"pk": "a", "text": noise(1_500_000)}).to_string();
    handler.invoke(&format!("[{invalid}]"), true).await;
    assert!(world.dead_letters().await.len() > 2, "a record and its parts");
    let letters = list(&handler, "").await;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1));
    let id = letters["items"][0]["id"].as_str().expect("id");
    assert_eq!(replay(&handler, id).await.1["outcome"], "stillDead");
    let (_, letter) = handler.get(&format!("/api/dead-letters/{id}")).await;
    assert!(letter["payload"].as_str() == Some(&invalid) && letter["attempts"] == 1);
    assert_eq!(delete(&handler, id).await.0, StatusCode::OK);
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());

    // The document and its dead letter are both larger than one part.
    let (stored, id) = dead_letter(&world, &handler, json!({"id": "1", "pk": "a", "text": noise(650_000)})).await;
    assert_eq!(replay(&handler, &id).await.1["outcome"], "stored");
    let version = world.only_version().await;
    let path = format!("/api/history/versions/{}?id=1&pk=a", version["id"].as_str().expect("id"));
    assert!(handler.get(&path).await.1["document"]["text"] == stored["text"]);
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_dead_letter_from_before_replays_existed_can_be_read_and_replayed() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let letter = json!({"id": "ab", "reason": "refused", "message": "m", "function": "CosmosChangeFeed", "invocationId": "i",
        "capturedAt": "2026-01-01T00:00:00.000Z", "schema": 1, "payload": stored.to_string()});
    world.container("dead-letters").await.create_item("ab", "ab", &letter, None).await.expect("create");
    assert_eq!(list(&handler, "").await["items"][0]["id"], "ab");
    assert_eq!(replay(&handler, "ab").await.1["outcome"], "stored");
    assert_eq!(world.only_version().await["capturedBy"], "i");
}

#[tokio::test]
async fn an_unknown_dead_letter_is_distinguished_from_an_invalid_request() {
    let world = World::new().await;
    let handler = world.handler();
    for (status, answer) in [
        handler.get("/api/dead-letters/nothing").await,
        replay(&handler, "nothing").await,
        delete(&handler, "nothing").await,
    ] {
        let message = answer["error"]["message"].as_str().expect("message");
        assert!(status == StatusCode::NOT_FOUND && message.contains("dead letter nothing"), "{answer}");
    }
    for (path, named) in [
        ("/api/dead-letters?maxItems=0", "allowed are 1 to 1000"),
        ("/api/dead-letters?continuation=x", "continuation"),
        ("/api/dead-letters?colour=red", "colour"),
    ] {
        let (status, answer) = handler.get(path).await;
        let message = answer["error"]["message"].as_str().expect("message");
        assert!(status == StatusCode::BAD_REQUEST && message.contains(named), "{answer}");
    }
    let (status, _) = handler.post("/api/dead-letters/nothing/replay", &json!({"force": true})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // The path of the list, with a slash at its end.
    assert_eq!(delete(&handler, "").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = executable();
    command.arg("dead-letters").args(arguments).env("CosmosDB", world.endpoint.connection_string());
    command.stdin(Stdio::null());
    tokio::task::block_in_place(|| command.output().expect("changefeed"))
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_shows_replays_and_discards() {
    let world = World::new().await;
    let handler = world.handler();
    let (_, id) = dead_letter(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    handler.invoke("[5,6]", false).await;
    assert_eq!(lines(&run(&world, &["list", "--output", "jsonl"])).len(), 3);
    assert_eq!(lines(&run(&world, &["list", "--max-items", "2", "--output", "jsonl"])).len(), 2);
    assert_eq!(lines(&run(&world, &["show", &id, "--output", "json"]))[0]["id"], json!(id));
    let shown = run(&world, &["show", &id]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("invocation 3b1a5a3e"));
    assert_eq!(run(&world, &["show", "nothing"]).status.code(), Some(1));
    assert_eq!(run(&world, &["replay"]).status.code(), Some(2));
    assert_eq!(run(&world, &["replay", &id, "--all"]).status.code(), Some(2));

    let replayed = run(&world, &["replay", "--all", "--output", "jsonl"]);
    assert_eq!(replayed.status.code(), Some(3), "{}", String::from_utf8_lossy(&replayed.stderr));
    let mut outcomes: Vec<Value> = lines(&replayed).iter().map(|line| line["outcome"].clone()).collect();
    outcomes.sort_by_key(Value::to_string);
    assert_eq!(outcomes, ["stillDead", "stillDead", "stored"]);
    assert_eq!(world.only_version().await["sourceId"], "1");
    // An unknown id does not prevent the replay of the others.
    let rest: Vec<String> = list(&handler, "").await["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|letter| letter["id"].as_str().expect("id").to_owned())
        .collect();
    let output = run(&world, &["replay", "nothing", &rest[0]]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("still a dead letter")
            && printed.ends_with("stored 0 dead letters, 1 are still dead letters\n"),
        "{printed}"
    );

    let refused = run(&world, &["discard", "--all"]);
    assert!(refused.status.code() == Some(1) && String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    assert_eq!(lines(&run(&world, &["discard", &rest[0], "--yes", "--output", "json"]))[0]["discarded"], 1);
    assert_eq!(lines(&run(&world, &["discard", "--all", "--yes", "--output", "json"]))[0]["discarded"], 1);
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    assert_eq!(run(&world, &["replay", "--all"]).status.code(), Some(0));
}
