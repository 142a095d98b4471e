//! The undo of a restore that composed documents, and that was interrupted before it stored the etags of what it wrote.

use changefeed_jobs::JobState;
use changefeed_operations::Changefeed;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::jobs::capture_as_one_state;
use crate::undo_window::{restore, undo};

fn body(id: &str, city: &str, phone: &str) -> Value {
    json!({"id": id, "pk": "a", "city": city, "phone": phone})
}

/// Three documents whose city was changed; and then the phone, by another writer. Returns the second before and the one of the wrong change.
async fn changed() -> (World, Changefeed, i64, i64) {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| {});
    let write = async |city: &str, phone: &str| {
        let mut stored = Vec::new();
        for id in ["1", "2", "3"] {
            stored.push(world.put("a", body(id, city, phone)).await);
        }
        capture_as_one_state(&changefeed, &stored).await
    };
    let before = write("Davidson", "1").await;
    let wrong = write("DAVIDSON", "1").await;
    write("DAVIDSON", "2").await;
    (world, changefeed, before, wrong)
}

/// Makes the record of a restore that of one whose process was killed before it stored the outcome.
async fn interrupt(world: &World, id: &str) {
    let jobs = world.container("jobs").await;
    let mut record: Value =
        jobs.read_item(id.to_owned(), id, None).await.expect("read").into_model().expect("a record");
    let properties = record.as_object_mut().expect("an object");
    properties.retain(|name, _| !name.starts_with('_') && name != "finishedAt");
    (record["state"], record["startedAt"]) = (json!("running"), json!("2026-11-20T10:00:00.000Z"));
    for item in record["items"].as_array_mut().expect("items") {
        item.as_object_mut().expect("an item").shift_remove("restoredEtag").expect("an etag");
    }
    jobs.upsert_item(id.to_owned(), id, record, None).await.expect("stored");
}

async fn an_undo_covers_what_was_written(request: impl Fn(i64, i64) -> Value) {
    let (world, changefeed, before, wrong) = Box::pin(changed()).await;
    let request = request(before, wrong);
    let report = restore(&changefeed, request.clone()).await;
    assert_eq!((report.state, report.counts.merge), (JobState::Done, 3), "{request}: {:?}", report.items);
    let shown = serde_json::to_value(&report).expect("json");
    assert!(shown["items"][0].get("bodyDigest").is_none(), "{shown}");
    let id = report.id.expect("an id");
    interrupt(&world, &id).await;
    // One document was not reached, and one was changed again.
    world.put("a", body("2", "DAVIDSON", "2")).await;
    let mut edited = world.live("a", "3").await.expect("a document");
    edited["phone"] = json!("3");
    world.put("a", edited).await;

    let undone = undo(&changefeed, &id).await;
    let actions: Vec<Value> = undone.items.iter().map(|item| json!(item.action)).collect();
    assert_eq!(actions, ["replace", "unchanged", "conflict"], "{request}: {:?}", undone.items);
    for (id, city, phone) in [("1", "DAVIDSON", "2"), ("2", "DAVIDSON", "2"), ("3", "Davidson", "3")] {
        let live = world.live("a", id).await.expect("a document");
        assert_eq!((&live["city"], &live["phone"]), (&json!(city), &json!(phone)), "{request}: {live}");
    }
}

#[tokio::test]
async fn an_undo_of_an_interrupted_merge_covers_the_documents_that_it_wrote() {
    Box::pin(an_undo_covers_what_was_written(
        |_, wrong| json!({"changedBetween": {"from": wrong, "to": wrong}, "laterChanges": "merge"}),
    ))
    .await;
}

#[tokio::test]
async fn an_undo_of_an_interrupted_restore_of_fields_covers_the_documents_that_it_wrote() {
    Box::pin(an_undo_covers_what_was_written(
        |before, _| json!({"partitionKey": ["a"], "asOf": before, "fields": ["city"]}),
    ))
    .await;
    Box::pin(an_undo_covers_what_was_written(
        |_, wrong| json!({"changedBetween": {"from": wrong, "to": wrong}, "laterChanges": "overwrite", "fields": ["city"]}),
    ))
    .await;
}
