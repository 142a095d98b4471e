//! A property `_lsn` of the document's own, beside the one that the change feed of LatestVersion mode adds.

use serde_json::{Value, json};

use crate::support::jobs::{capture, small_limits};
use crate::support::verify::run_verification;
use crate::support::{DEADLINE, Instance, World, batch_of, until, version_id};

fn document(lsn: &Value) -> Value {
    json!({"_lsn": lsn, "id": "1", "pk": "a", "n": 1})
}

/// What is stored, without the properties of the service and of a restore.
async fn live(world: &World) -> Value {
    let mut live = world.live("a", "1").await.expect("a document");
    let properties = live.as_object_mut().expect("an object");
    properties.retain(|name, _| name == "_lsn" || !name.starts_with('_'));
    properties.remove("restored_at");
    properties.remove("restore_id");
    live
}

#[tokio::test]
async fn it_is_captured_and_restored_in_both_modes_of_the_process() {
    for mode in ["AllVersionsAndDeletes", "LatestVersion"] {
        let world = World::new().await;
        world.create("leases", &["/id"]).await;
        let instance = Instance::start(&world.endpoint.connection_string(), &["--mode", mode]).expect("started");
        for own in [json!(5), json!("x"), json!({"a": [1]})] {
            let before = world.versions().await.len();
            world.put("a", document(&own)).await;
            until("the version", DEADLINE, async || world.versions().await.len() > before).await;
            let versions = world.versions().await.into_values();
            let version = versions.max_by_key(|version| version["lsn"].as_i64()).expect("a version");
            assert_eq!((&version["document"], &version["exact"]), (&document(&own), &json!(true)), "{mode}");
            assert!(version["lsn"].is_i64() && version["lsn"] != own, "{mode}: {version}");

            let handler = world.handler();
            world.put("a", json!({"id": "1", "pk": "a", "n": 2})).await;
            until("the next version", DEADLINE, async || world.versions().await.len() > before + 1).await;
            let request = json!({"id": "1", "partitionKey": ["a"], "version": version["id"]});
            let (_, report) = handler.post("/api/restores", &request).await;
            assert_eq!(report["counts"]["replace"], 1, "{mode}: {report}");
            assert_eq!(live(&world).await, document(&own), "{mode}");
            until("the restored version", DEADLINE, async || world.versions().await.len() > before + 2).await;
        }
        assert!(instance.end("-TERM").await.success());
    }
}

#[tokio::test]
async fn a_live_document_has_it_in_a_search_a_restore_and_an_undo() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let handler = world.handler();
    let first = world.put("a", json!({"id": "1", "pk": "a", "n": 0})).await;
    capture(&changefeed, std::slice::from_ref(&first)).await;
    world.put("a", document(&json!(5))).await;
    let (_, found) = handler.get("/api/history/search?filter=n=1").await;
    assert_eq!(found["items"][0]["document"], document(&json!(5)), "{found}");

    let version = version_id(&first);
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version});
    let (_, report) = handler.post("/api/restores", &request).await;
    assert_eq!(report["counts"]["replace"], 1, "{report}");
    assert_eq!(live(&world).await, json!({"id": "1", "pk": "a", "n": 0}));
    let path = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
    let (_, undone) = handler.post(&path, &json!({})).await;
    assert_eq!(undone["counts"]["replace"], 1, "{undone}");
    assert_eq!(live(&world).await, document(&json!(5)));
    let (record, _) = run_verification(&changefeed, json!({})).await;
    assert_eq!(record.counts.incomplete, 0);
}

/// A stored document as the Functions host delivers it: the feed's `_lsn` at the end, whatever the document has itself.
fn delivered_by_host(stored: &Value, lsn: i64) -> Value {
    let mut delivered = stored.clone();
    let properties = delivered.as_object_mut().expect("an object");
    properties.shift_remove("_lsn");
    properties.insert("_lsn".to_owned(), json!(lsn));
    delivered
}

#[tokio::test]
async fn every_document_from_the_host_is_read_once_a_document_with_one_was_read() {
    let world = World::new().await;
    let handler = world.handler();
    let with_time = json!({"_lsn": 5, "id": "time", "pk": "a", "at": "2024-01-01T00:00:00Z"});
    let first = world.put("a", with_time.clone()).await;
    handler.invoke(&batch_of(&[delivered_by_host(&first, 70)]), false).await;
    assert_eq!(world.only_version().await["document"], with_time);

    let second = world.put("a", document(&json!("x"))).await;
    let mut replaced = delivered_by_host(&second, 71);
    handler.invoke(&batch_of(&[replaced.clone()]), false).await;
    replaced["_etag"] = json!("\"other\"");
    handler.invoke(&batch_of(&[replaced]), false).await;
    let versions = world.versions().await;
    let of_second: Vec<&Value> = versions.values().filter(|version| version["sourceId"] == "1").collect();
    let exact: Vec<&&Value> = of_second.iter().filter(|version| version["exact"] == true).collect();
    assert_eq!((of_second.len(), exact.len()), (2, 1));
    assert_eq!((&exact[0]["document"], &exact[0]["lsn"]), (&document(&json!("x")), &json!(71)));
}

#[tokio::test]
async fn where_the_feed_has_replaced_it_the_document_is_read_and_otherwise_the_version_is_not_exact() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", document(&json!(5))).await;
    let mut delivered = stored.clone();
    delivered["_lsn"] = json!(77);
    handler.invoke(&batch_of(&[delivered.clone()]), false).await;
    let version = world.only_version().await;
    assert_eq!((&version["lsn"], &version["exact"]), (&json!(77), &json!(true)));
    assert_eq!(version["document"], document(&json!(5)));

    // The document has changed by the time it is read.
    (delivered["_etag"], delivered["_lsn"]) = (json!("\"other\""), json!(76));
    handler.invoke(&batch_of(&[delivered]), false).await;
    let versions = world.versions().await;
    let other = versions.values().find(|version| version["lsn"] == 76).expect("the other version");
    assert_eq!((&other["exact"], &other["document"]), (&json!(false), &json!({"id": "1", "pk": "a", "n": 1})));
}
