//! Reading past versions and restoring them in a request.

use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Handler, World, batch_of, until, version_id};

/// Delivers versions of one document with these times and log sequence numbers, each with its own `n` and etag.
async fn deliver(handler: &Handler, id: &str, times: &[(i64, i64)]) {
    for (n, (ts, lsn)) in times.iter().enumerate() {
        let version = json!({"id": id, "pk": "a", "n": n, "_ts": ts, "_lsn": lsn, "_etag": format!("\"{ts}-{lsn}\"")});
        let (status, answer) = handler.invoke(&batch_of(&[version]), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
}

async fn plan(handler: &Handler, request: Value) -> Value {
    let mut request = request;
    request["dryRun"] = json!(true);
    let (status, plan) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    plan
}

async fn restore(handler: &Handler, request: &Value) -> Value {
    let (status, report) = handler.post("/api/restores", request).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

/// Writes a document and captures it. Returns the stored document.
async fn put(world: &World, handler: &Handler, document: Value) -> Value {
    let stored = world.put(document["pk"].as_str().expect("pk").to_owned(), document).await;
    handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    stored
}

#[tokio::test]
async fn a_restore_selects_the_last_change_before_the_time_in_any_order_of_capture() {
    let world = World::new().await;
    let handler = world.handler();
    // Captured in the wrong order; two versions have the same second.
    deliver(&handler, "28036", &[(1_592_927_008, 40), (1_592_926_427, 10), (1_592_926_494, 31), (1_592_926_494, 30)])
        .await;
    for (target, time, expected) in [
        ("before", 1_592_926_509, "1592926494-1592926494-31"),
        ("asOf", 1_592_926_509, "1592926494-1592926494-31"),
        ("asOf", 1_592_926_494, "1592926494-1592926494-31"),
        ("before", 1_592_926_494, "1592926427-1592926427-10"),
        ("asOf", 1_592_927_008, "1592927008-1592927008-40"),
    ] {
        let plan = plan(&handler, json!({"id": "28036", "partitionKey": ["a"], target: time})).await;
        assert_eq!(plan["items"][0]["version"], expected, "{target} {time}: {plan}");
    }
    let (_, page) = handler.get("/api/history/versions?id=28036&pk=a&maxItems=3").await;
    let ids = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|version| version["etag"].as_str().expect("etag").to_owned())
            .collect()
    };
    assert_eq!(ids(&page), ["\"1592927008-40\"", "\"1592926494-31\"", "\"1592926494-30\""]);
    let continuation = page["continuation"].as_str().expect("continuation");
    let (_, rest) =
        handler.get(&format!("/api/history/versions?id=28036&pk=a&maxItems=3&continuation={continuation}")).await;
    assert_eq!((ids(&rest), rest.get("continuation")), (vec!["\"1592926427-10\"".to_owned()], None));
}

#[tokio::test]
async fn a_document_as_of_a_time_is_a_version_absent_or_unknown() {
    let world = World::new().await;
    let handler = world.handler();
    let version = |ts: i64, ttl: Value| json!({"id": "1", "pk": "a", "ttl": ttl, "_ts": ts, "_lsn": ts, "_etag": format!("\"{ts}\"")});
    handler.invoke(&batch_of(&[version(1000, json!(-1)), version(2000, json!(100))]), false).await;
    let delete = json!({"current": null, "metadata": {"crts": 500.0, "lsn": 5, "operationType": "delete", "id": "2", "partitionKey": {"pk": "a"}}});
    handler.invoke(&batch_of(&[delete]), false).await;
    let as_of = async |id: &str, second: i64| {
        let mut found = handler.get(&format!("/api/history/document?id={id}&pk=a&asOf={second}")).await.1;
        assert!(found.as_object_mut().expect("an object").remove("interpreted").is_some(), "{found}");
        found
    };
    assert_eq!(as_of("1", 999).await, json!({"state": "unknown", "since": 1000}));
    assert_eq!(as_of("1", 1000).await["version"]["sourceTs"], 1000);
    assert_eq!(as_of("1", 1999).await["version"]["sourceTs"], 1000);
    assert_eq!(as_of("1", 2099).await["version"]["sourceTs"], 2000);
    assert_eq!(as_of("1", 2100).await, json!({"state": "absent", "because": "0000002000-2000"}), "expired");
    assert_eq!(as_of("2", 600).await, json!({"state": "absent", "because": "0000000500-delete-5"}));
    assert_eq!(as_of("unknown", 600).await, json!({"state": "unknown"}));
}

#[tokio::test]
async fn a_difference_is_reported_as_a_patch_and_by_field() {
    let world = World::new().await;
    let handler = world.handler();
    let first = put(&world, &handler, json!({"id": "1", "pk": "a", "city": "Davidson", "tags": [1]})).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "city": "Charlotte", "tags": [1], "new": null})).await;
    let (_, difference) =
        handler.get(&format!("/api/history/diff?id=1&pk=a&from={}&to=live", version_id(&first))).await;
    assert_eq!(
        difference["changes"],
        json!([{"path": "/city", "before": "Davidson", "after": "Charlotte"}, {"path": "/new", "after": null}])
    );
    assert_eq!(difference["patch"][0], json!({"op": "replace", "path": "/city", "value": "Charlotte"}));
}

#[tokio::test]
async fn a_restored_document_is_the_version_with_a_timestamp_and_undo_restores_the_replaced_one() {
    let world = World::new().await;
    let handler = world.handler();
    let good = json!({"id": "1", "pk": "a", "z": [1.5, {"ü": ""}, []], "big": 9_007_199_254_740_993_i64, "n": null, "_type": "x", "e": {}});
    let stored = put(&world, &handler, good.clone()).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "z": "wrong"})).await;
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version_id(&stored), "reason": "a wrong release", "requestedBy": "me"});
    let report = restore(&handler, &request).await;
    assert_eq!((&report["state"], &report["counts"]["replace"]), (&json!("done"), &json!(1)), "{report}");

    let mut live = world.live("a", "1").await.expect("live");
    assert_eq!(report["items"][0]["restoredEtag"], live["_etag"]);
    let properties = live.as_object_mut().expect("object");
    properties.retain(|name, _| !["_rid", "_self", "_etag", "_ts", "_attachments"].contains(&name.as_str()));
    assert!(properties.shift_remove("restored_at").is_some_and(|stamp| stamp.is_i64()));
    assert_eq!(properties.shift_remove("restore_id"), Some(report["id"].clone()));
    assert_eq!(live.to_string(), good.to_string(), "the same values in the same order");

    let id = report["id"].as_str().expect("id");
    let (_, record) = handler.get(&format!("/api/restores/{id}")).await;
    assert_eq!(
        (&record["reason"], &record["requestedBy"], &record["request"]["version"]),
        (&json!("a wrong release"), &json!("me"), &request["version"])
    );
    let (_, undone) = handler.post(&format!("/api/restores/{id}/undo"), &json!({})).await;
    assert_eq!(undone["counts"]["replace"], 1, "{undone}");
    assert_eq!(world.live("a", "1").await.expect("live")["z"], "wrong");
    let (_, list) = handler.get("/api/restores").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(handler.get(&format!("/api/restores/{id}")).await.1["undoneBy"], undone["id"]);
}

#[tokio::test]
async fn a_restore_saves_an_uncaptured_document_to_the_history_before_it_overwrites_it() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    let uncaptured = world.put("a", json!({"id": "1", "pk": "a", "n": 2})).await;
    let report = restore(&handler, &json!({"id": "1", "partitionKey": ["a"], "version": version_id(&stored)})).await;
    let saved = world.versions().await.remove(&version_id(&uncaptured)).expect("the overwritten version");
    assert_eq!((&saved["document"]["n"], &saved["capturedBy"]), (&json!(2), &report["id"]));
    handler.invoke(&batch_of(&[uncaptured]), false).await;
    assert_eq!(world.versions().await.len(), 2, "the later delivery adds nothing");
}

#[tokio::test]
async fn a_deleted_document_is_restored_and_undo_deletes_it() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    world.container("events").await.delete_item("a", "1", None).await.expect("delete");
    let report = restore(&handler, &json!({"partitionKey": ["a"], "asOf": stored["_ts"]})).await;
    assert_eq!(report["counts"]["create"], 1, "{report}");
    assert_eq!(world.live("a", "1").await.expect("live")["n"], 1);
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    let (_, undone) = handler.post(&undo, &json!({})).await;
    assert_eq!(undone["counts"]["delete"], 1, "{undone}");
    assert!(world.live("a", "1").await.is_none());
}

#[tokio::test]
async fn documents_created_after_the_time_are_deleted_only_on_request() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let created = json!({"current": stored, "metadata": {"lsn": 1, "operationType": "create", "crts": stored["_ts"]}});
    handler.invoke(&batch_of(&[created]), false).await;
    let before = stored["_ts"].as_i64().expect("_ts") - 10;
    let unchanged = restore(&handler, &json!({"all": true, "asOf": before})).await;
    assert_eq!(unchanged["counts"]["unchanged"], 1, "{unchanged}");
    let deleted = restore(&handler, &json!({"all": true, "asOf": before, "deleteCreatedAfter": true})).await;
    assert_eq!(deleted["counts"]["delete"], 1, "{deleted}");
    assert!(world.live("a", "1").await.is_none());
    let undo = format!("/api/restores/{}/undo", deleted["id"].as_str().expect("id"));
    assert_eq!(handler.post(&undo, &json!({})).await.1["counts"]["create"], 1);
    assert!(world.live("a", "1").await.is_some());
}

#[tokio::test]
async fn a_document_that_was_created_and_deleted_again_after_a_restore_deleted_it_is_not_created_by_the_undo() {
    let world = World::new().await;
    let handler = world.handler();
    let first = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let before = first["_ts"].as_i64().expect("_ts") - 10;
    let created = json!({"current": first, "metadata": {"lsn": 1, "operationType": "create", "crts": first["_ts"]}});
    handler.invoke(&batch_of(&[created]), false).await;
    let deleted = restore(&handler, &json!({"all": true, "asOf": before, "deleteCreatedAfter": true})).await;
    assert_eq!(deleted["counts"]["delete"], 1, "{deleted}");
    // The number of the first version is invented, so the time must show which one is newer.
    let second = chrono::Utc::now().timestamp();
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "again": true})).await;
    world.container("events").await.delete_item("a", "1", None).await.expect("delete");
    let undo = format!("/api/restores/{}/undo", deleted["id"].as_str().expect("id"));
    let (_, refused) = handler.post(&undo, &json!({})).await;
    assert_eq!((&refused["state"], &refused["counts"]["conflict"]), (&json!("conflicts"), &json!(1)), "{refused}");
    assert_eq!(refused["items"][0]["message"], "it has changed since the restore");
    assert!(world.live("a", "1").await.is_none());
    let (_, forced) = handler.post(&undo, &json!({"force": true})).await;
    assert_eq!(forced["counts"]["create"], 1, "{forced}");
}

#[tokio::test]
async fn a_document_that_changes_between_plan_and_execution_is_a_conflict_unless_forced() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "n": 2})).await;
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version_id(&stored)});
    // The record of the restore is written between plan and execution. A delay of this write leaves time for another writer.
    let delay_of_the_record = || Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::Delay(Duration::from_millis(1500)),
    };
    let write_meanwhile = async |n: i64| {
        until("the record is being written", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
        world.put("a", json!({"id": "1", "pk": "a", "n": n})).await
    };
    world.endpoint.inject(delay_of_the_record());
    let (report, _) = tokio::join!(restore(&handler, &request), write_meanwhile(3));
    assert_eq!(
        (&report["state"], &report["items"][0]["action"]),
        (&json!("conflicts"), &json!("conflict")),
        "{report}"
    );
    assert_eq!(world.live("a", "1").await.expect("live")["n"], 3);

    let mut forced = request.clone();
    forced["force"] = json!(true);
    world.endpoint.inject(delay_of_the_record());
    let (report, overwritten) = tokio::join!(restore(&handler, &forced), write_meanwhile(4));
    assert_eq!(report["state"], "done", "{report}");
    assert_eq!(world.live("a", "1").await.expect("live")["n"], 1);
    assert!(
        world.versions().await.contains_key(&version_id(&overwritten)),
        "the overwritten version is in the history"
    );
}

#[tokio::test]
async fn a_restore_whose_replies_are_lost_is_executed_once_and_reported_as_done() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "n": 2})).await;
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version_id(&stored)});
    for times in [1, 2, 3] {
        world.endpoint.inject(Fault {
            container: Some("events".into()),
            kind: RequestKind::Write,
            times,
            effect: Effect::LoseReply,
        });
        let report = restore(&handler, &request).await;
        assert_eq!(
            (&report["state"], &report["items"][0]["action"]),
            (&json!("done"), &json!("replace")),
            "{times}: {report}"
        );
        let live = world.live("a", "1").await.expect("live");
        assert_eq!((&live["n"], &live["_etag"]), (&json!(1), &report["items"][0]["restoredEtag"]));
        let repeated = restore(&handler, &request).await;
        assert_eq!(repeated["counts"]["unchanged"], 1, "{repeated}");
        assert_eq!(world.live("a", "1").await.expect("live")["_etag"], live["_etag"]);
        let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
        assert_eq!(handler.post(&undo, &json!({})).await.1["state"], "done");
    }
}

#[tokio::test]
async fn a_restore_into_another_container_does_not_change_the_live_documents() {
    let world = World::new().await;
    let handler = world.handler();
    world.create("copies", &["/pk"]).await;
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    put(&world, &handler, json!({"id": "1", "pk": "a", "n": 2})).await;
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version_id(&stored), "into": "copies"});
    let report = restore(&handler, &request).await;
    assert_eq!(report["counts"]["create"], 1, "{report}");
    let copy: Value =
        world.container("copies").await.read_item("a", "1", None).await.expect("read").into_model().expect("copy");
    assert_eq!((&copy["n"], &world.live("a", "1").await.expect("live")["n"]), (&json!(1), &json!(2)));
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    assert_eq!(handler.post(&undo, &json!({})).await.1["counts"]["delete"], 1);
}

#[tokio::test]
async fn a_search_finds_live_documents_and_versions_in_order_of_time() {
    let world = World::new().await;
    let handler = world.handler();
    deliver(&handler, "28035", &[(1000, 1), (3000, 3)]).await;
    deliver(&handler, "28036", &[(2000, 2)]).await;
    let live = put(&world, &handler, json!({"id": "28036", "pk": "a", "n": 0})).await;
    let (_, first) = handler.get("/api/history/search?filter=n%3E%3D0&maxItems=2").await;
    let rows = |page: &Value| -> Vec<(i64, String)> {
        let items = page["items"].as_array().expect("items").iter();
        items
            .map(|row| (row["sourceTs"].as_i64().expect("sourceTs"), row["kind"].as_str().expect("kind").to_owned()))
            .collect()
    };
    assert_eq!(rows(&first), [(1000, "version".to_owned()), (2000, "version".to_owned())]);
    let continuation = first["continuation"].as_str().expect("continuation");
    let (_, rest) = handler.get(&format!("/api/history/search?filter=n%3E%3D0&continuation={continuation}")).await;
    let ts = live["_ts"].as_i64().expect("_ts");
    assert_eq!(rows(&rest), [(3000, "version".to_owned()), (ts, "version".to_owned()), (ts, "live".to_owned())]);
    let (_, bounded) = handler.get("/api/history/search?filter=n%3D0&from=500&to=2500").await;
    assert_eq!(rows(&bounded), [(1000, "version".to_owned()), (2000, "version".to_owned())]);
}

#[tokio::test]
async fn an_inexact_version_is_restored_only_with_force() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a", "at": "2024-01-01T10:00:00+02:00"})).await;
    let mut late = stored.clone();
    (late["_etag"], late["at"]) = (json!("\"missed\""), json!("2024-01-01T08:00:00+00:00"));
    handler.invoke(&batch_of(&[late]), false).await;
    let version = format!("{:010}-missed", stored["_ts"].as_i64().expect("_ts"));
    let mut request = json!({"id": "1", "partitionKey": ["a"], "version": version});
    let report = restore(&handler, &request).await;
    assert_eq!(report["items"][0]["action"], "conflict", "{report}");
    assert!(report["items"][0]["message"].as_str().is_some_and(|message| message.contains("rewritten")));
    request["force"] = json!(true);
    assert_eq!(restore(&handler, &request).await["counts"]["replace"], 1);
}

#[tokio::test]
async fn a_restore_stores_an_exact_version_before_it_overwrites_an_inexactly_captured_document() {
    let world = World::new().await;
    let handler = world.handler();
    let first = put(&world, &handler, json!({"id": "1", "pk": "a", "n": 1})).await;
    let second = world.put("a", json!({"id": "1", "pk": "a", "at": "2024-01-01T10:00:00+02:00"})).await;
    // The read that would make the version exact fails permanently, so it is stored as delivered.
    world.endpoint.inject(Fault {
        container: Some("events".into()),
        kind: RequestKind::Read,
        times: 1,
        effect: Effect::Status { status: 400, substatus: 0 },
    });
    let mut rewritten = second.clone();
    rewritten["at"] = json!("2024-01-01T08:00:00+00:00");
    handler.invoke(&batch_of(&[rewritten]), false).await;
    assert_eq!(world.versions().await[&version_id(&second)]["exact"], false);

    let report = restore(&handler, &json!({"id": "1", "partitionKey": ["a"], "version": version_id(&first)})).await;
    let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    assert_eq!(handler.post(&undo, &json!({})).await.1["state"], "done");
    assert_eq!(world.live("a", "1").await.expect("live")["at"], "2024-01-01T10:00:00+02:00");
}

#[tokio::test]
async fn a_delete_by_a_restore_is_in_the_history() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = put(&world, &handler, json!({"id": "1", "pk": "a"})).await;
    world.container("events").await.delete_item("a", "1", None).await.expect("delete");
    let (_, deleted) = handler.get("/api/history/document?id=1&pk=a&asOf=-0s").await;
    assert_eq!((&deleted["state"], &deleted["mayBeDeleted"]), (&json!("version"), &json!(true)), "{deleted}");
    let report = restore(&handler, &json!({"id": "1", "partitionKey": ["a"], "asOf": stored["_ts"]})).await;
    assert!(
        report["items"][0]["message"].as_str().is_some_and(|message| message.contains("may have been deleted")),
        "{report}"
    );
    handler.post(&format!("/api/restores/{}/undo", report["id"].as_str().expect("id")), &json!({})).await;
    assert_eq!(handler.get("/api/history/document?id=1&pk=a&asOf=-0s").await.1["state"], "absent");
}

#[tokio::test]
async fn every_delete_by_a_restore_is_stored_in_a_changes_container_with_one_key_path() {
    let world = World::with_keys(&["/pk"], &["/pk"]).await;
    let handler = world.handler();
    let mut created = Vec::new();
    for id in ["1", "2", "3"] {
        let stored = world.put("a", json!({"id": id, "pk": "a"})).await;
        created
            .push(json!({"current": stored, "metadata": {"lsn": 1, "operationType": "create", "crts": stored["_ts"]}}));
    }
    handler.invoke(&batch_of(&created), false).await;
    let report = restore(&handler, &json!({"all": true, "asOf": 1000, "deleteCreatedAfter": true})).await;
    assert_eq!(report["counts"]["delete"], 3, "{report}");
    for id in ["1", "2", "3"] {
        let (_, now) = handler.get(&format!("/api/history/document?id={id}&pk=a&asOf=-0s")).await;
        assert_eq!(now["state"], "absent", "{now}");
    }
}

#[tokio::test]
async fn a_restore_of_large_documents_can_be_read_and_undone() {
    let world = World::new().await;
    let handler = world.handler();
    let text = |letter: &str| letter.repeat(900_000);
    let mut first = Vec::new();
    for id in ["1", "2", "3"] {
        first.push(put(&world, &handler, json!({"id": id, "pk": "a", "text": text("x")})).await);
        put(&world, &handler, json!({"id": id, "pk": "a", "text": text("y"), "n": 1})).await;
    }
    let documents: Vec<Value> = first.iter().map(|stored| json!({"id": stored["id"], "partitionKey": ["a"]})).collect();
    let report = restore(&handler, &json!({"documents": documents, "asOf": first[0]["_ts"]})).await;
    let id = report["id"].as_str().expect("id");
    let (status, record) = handler.get(&format!("/api/restores/{id}")).await;
    assert!(status == StatusCode::OK && record.to_string().len() < 100_000);
    assert_eq!(handler.post(&format!("/api/restores/{id}/undo"), &json!({})).await.1["state"], "done");
}

#[tokio::test]
async fn an_undo_of_an_interrupted_restore_covers_the_documents_that_it_wrote() {
    let world = World::new().await;
    let handler = world.handler();
    let mut good = Vec::new();
    for id in ["1", "2"] {
        good.push(put(&world, &handler, json!({"id": id, "pk": "a", "n": 1})).await);
        // Not captured: the interrupted restore saves only the documents that it reached.
        world.put("a", json!({"id": id, "pk": "a", "n": 2})).await;
    }
    let live = [world.live("a", "1").await.expect("live"), world.live("a", "2").await.expect("live")];
    let item = |index: usize| {
        json!({"id": good[index]["id"], "partitionKey": ["a"], "action": "replace", "version": version_id(&good[index]),
            "replacedVersion": version_id(&live[index])})
    };
    let record = json!({"id": "r", "kind": "restore", "state": "running", "request": {}, "startedAt": "2026-11-20T10:00:00.000Z",
        "counts": {}, "items": [item(0), item(1)], "requestCharge": 0.0, "schema": 1});
    world.container("jobs").await.create_item("r", "r", record, None).await.expect("record");
    handler.invoke(&batch_of(&[live[0].clone()]), false).await;
    world.put("a", json!({"id": "1", "pk": "a", "n": 1, "restored_at": 1})).await;

    let (status, undone) = handler.post("/api/restores/r/undo", &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{undone}");
    assert_eq!((&undone["counts"]["replace"], &undone["counts"]["unchanged"]), (&json!(1), &json!(1)), "{undone}");
    for id in ["1", "2"] {
        assert_eq!(world.live("a", id).await.expect("live")["n"], 2);
    }
}

#[tokio::test]
async fn another_container_must_have_the_same_partition_key() {
    let world = World::new().await;
    let handler = world.handler();
    world.create("third", &["/kind"]).await;
    let (status, answer) = handler.post("/api/restores", &json!({"all": true, "asOf": 1, "into": "third"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        answer["error"]["message"].as_str().is_some_and(|message| message.contains("/kind") && message.contains("/pk")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_not_equal_filter_matches_other_types_and_paging_loses_no_row_of_a_second() {
    let world = World::new().await;
    let handler = world.handler();
    deliver(&handler, "1", &[(1000, 1)]).await;
    for filter in ["n!=7", "n!=%22x%22", "n!=x"] {
        let (_, found) = handler.get(&format!("/api/history/search?filter={filter}")).await;
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{filter}");
    }
    let delete = |id: &str| json!({"current": null, "metadata": {"crts": 500.0, "lsn": 9, "operationType": "delete", "id": id, "partitionKey": {"pk": "a"}}});
    handler.invoke(&batch_of(&[delete("a"), delete("b"), delete("c")]), false).await;
    let (mut path, mut ids) = ("/api/history/search?to=600&maxItems=1".to_owned(), Vec::new());
    loop {
        let (_, page) = handler.get(&path).await;
        ids.extend(
            page["items"].as_array().expect("items").iter().map(|row| row["id"].as_str().expect("id").to_owned()),
        );
        match page["continuation"].as_str() {
            Some(continuation) => path = format!("/api/history/search?to=600&maxItems=1&continuation={continuation}"),
            None => break,
        }
    }
    assert_eq!(ids, ["a", "b", "c"]);
}
