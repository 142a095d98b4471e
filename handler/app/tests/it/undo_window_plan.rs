//! The plan of a window over HTTP: stored, shown, and executed as it was shown.

use changefeed_history::{Batch, TimeExpression};
use changefeed_jobs::JobState;
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::backups::{live_documents, name_of};
use crate::support::jobs::{capture, finish, restore_request};
use crate::support::{DEADLINE, World, until};
use crate::undo_window::{Story, ago, zipcode};

#[tokio::test]
async fn a_plan_of_a_window_is_stored_shown_and_executed_over_http() {
    let story = Story::tell().await;
    let handler = story.world.handler();
    let mut request = story.request();
    for option in ["dryRun", "store", "force"] {
        request[option] = json!(true);
    }
    let (status, accepted) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let id = accepted["id"].as_str().expect("an id").to_owned();
    assert_eq!(finish(&story.changefeed, &id).await, JobState::Planned);
    assert_eq!(live_documents(&story.world).await, story.edited, "a plan writes nothing");

    let (_, shown) = handler.get(&format!("/api/restores/{id}")).await;
    let counts = json!({"create": 5, "replace": 388, "merge": 10, "delete": 3, "unchanged": 2, "unknown": 0, "conflict": 0, "failed": 0});
    assert_eq!((&shown["state"], &shown["counts"]), (&json!("planned"), &counts), "{shown}");
    let window = &shown["request"]["changedBetween"];
    assert!(window["from"].is_string() && window["to"].is_string(), "{shown}");
    let (mut items, mut continuation) = (Vec::<Value>::new(), String::new());
    loop {
        let (_, page) = handler.get(&format!("/api/restores/{id}/items?maxItems=100{continuation}")).await;
        items.extend(page["items"].as_array().expect("items").clone());
        match page["continuation"].as_str() {
            Some(token) => continuation = format!("&continuation={token}"),
            None => break,
        }
    }
    assert_eq!(items.len(), 408);
    let merged = items.iter().find(|item| item["id"] == "00005").expect("an item");
    assert_eq!(merged["changes"], json!([{"path": "/city_name", "before": "CITY 5", "after": "City 5"}]), "{merged}");
    assert_eq!(merged["keptPaths"], json!(["/updatedBy"]), "{merged}");
    assert!(items.iter().all(|item| item.get("bodyDigest").is_none() && item.get("liveEtag").is_none()));

    let execute = format!("/api/restores/{id}/execute");
    let (status, started) = handler.post(&execute, &json!({"reason": "confirmed", "requestedBy": "Ada"})).await;
    assert_eq!((status, &started["state"]), (StatusCode::ACCEPTED, &json!("queued")), "{started}");
    assert_eq!(finish(&story.changefeed, &id).await, JobState::Done);
    let (status, done) = handler.post(&execute, &json!({})).await;
    assert_eq!((status, &done["counts"], &done["plannedCounts"]), (StatusCode::OK, &counts, &counts), "{done}");
    assert_eq!((&done["reason"], &done["requestedBy"]), (&json!("confirmed"), &json!("Ada")), "{done}");
    let live = live_documents(&story.world).await;
    assert_eq!(live, story.expected());
    assert_eq!(live[&name_of(&zipcode(5))]["phone"], "555");
}

#[tokio::test]
async fn a_merge_of_a_document_with_a_time_to_live_says_that_it_starts_again() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| {});
    let start = ago(60);
    let version = |n: i64, city: &str, phone: &str| json!({"id": "1", "pk": "a", "city": city, "phone": phone, "ttl": 1_000_000, "_ts": start + n, "_lsn": n, "_etag": format!("\"{n}\"")});
    capture(&changefeed, &[version(1, "Davidson", "1"), version(2, "DAVIDSON", "1")]).await;
    let live = json!({"id": "1", "pk": "a", "city": "DAVIDSON", "phone": "2", "ttl": 1_000_000});
    let stored = world.put("a", live).await;
    capture(&changefeed, std::slice::from_ref(&stored)).await;
    until("the next second", DEADLINE, async || ago(0) > stored["_ts"].as_i64().unwrap_or_default()).await;
    let handler = world.handler();
    let message = async |request: Value| {
        let mut request = request;
        (request["dryRun"], request["force"]) = (json!(true), json!(true));
        let (status, plan) = handler.post("/api/restores", &request).await;
        assert_eq!(status, StatusCode::OK, "{plan}");
        (plan["items"][0]["action"].clone(), plan["items"][0]["message"].as_str().unwrap_or_default().to_owned())
    };
    let starts_again = "its time to live of 1000000 s starts again";
    let window = json!({"from": start + 2, "to": start + 2});
    for (request, action) in [
        (json!({"id": "1", "pk": "a", "asOf": start + 1}), "replace"),
        (json!({"id": "1", "pk": "a", "asOf": start + 1, "fields": ["city"]}), "merge"),
        (json!({"changedBetween": window, "laterChanges": "merge"}), "merge"),
        (json!({"changedBetween": window, "laterChanges": "overwrite"}), "replace"),
    ] {
        assert_eq!(message(request.clone()).await, (json!(action), starts_again.to_owned()), "{request}");
    }

    // Of a forced undo with an inexact version, the plan says both.
    let inexact = |n: i64, city: &str| {
        let mut version = version(n, city, "1");
        (version["id"], version["at"]) = (json!("2"), json!("2024-01-01T10:00:00+02:00"));
        version["_etag"] = json!(format!("\"2-{n}\""));
        to_raw_value(&version).expect("raw")
    };
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let versions = vec![inexact(1, "Davidson"), inexact(2, "DAVIDSON")];
    changefeed.capture.capture(&batch, versions).await.expect("captured");
    world.put("a", json!({"id": "2", "pk": "a", "city": "DAVIDSON", "phone": "1", "ttl": 1_000_000})).await;
    let request = json!({"changedBetween": window, "laterChanges": "overwrite", "filter": ["id=2"]});
    let (action, message) = message(request).await;
    assert_eq!(action, "replace", "{message}");
    assert!(message.contains("may have been rewritten") && message.ends_with(starts_again), "{message}");
}

#[tokio::test]
async fn a_window_of_a_job_is_the_stored_one_whatever_the_clock_of_its_worker() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| {});
    let mut feed = world.feed().await;
    world.endpoint.set_clock(-60).expect("the clock");
    world.put("a", json!({"id": "1", "pk": "a", "city": "Davidson"})).await;
    capture(&changefeed, &feed.changes().await).await;
    // By the clock of the service, and of the process that created the job, it is later than by the worker's.
    world.endpoint.set_clock(30).expect("the clock");
    world.put("a", json!({"id": "1", "pk": "a", "city": "DAVIDSON"})).await;
    capture(&changefeed, &feed.changes().await).await;
    let request = restore_request(json!({"changedBetween": {"from": ago(10)}, "dryRun": true, "store": true}));
    let id = changefeed.restores.create_job(&request).await.expect("a job").id;
    let jobs = world.container("jobs").await;
    let mut record: Value = jobs.read_item(id.clone(), &id, None).await.expect("read").into_model().expect("a record");
    record["request"]["changedBetween"]["to"] = json!(TimeExpression::from_second(ago(-60)));
    record.as_object_mut().expect("an object").retain(|name, _| !name.starts_with('_'));
    jobs.upsert_item(id.clone(), &id, record, None).await.expect("stored");
    assert_eq!(finish(&changefeed, &id).await, JobState::Planned);
    let planned = changefeed.restores.show(&id).await.expect("a plan").record;
    assert_eq!(planned.counts.replace, 1, "{:?}", planned.items);
}
