//! Undoing a window for some fields only.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::backups::{live_documents, name_of};
use crate::undo_window::{Story, restore, undo, zipcode};

/// The request of the story for some fields; those that the window created are not deleted then.
fn request(story: &Story, fields: &[&str]) -> Value {
    let mut request = story.request();
    request.as_object_mut().expect("an object").shift_remove("deleteCreatedAfter");
    request["fields"] = json!(fields);
    request
}

#[tokio::test]
async fn what_later_changes_did_to_other_fields_is_neither_kept_nor_a_strict_conflict() {
    let story = Story::tell().await;
    let mut strict = request(&story, &["city_name"]);
    (strict["strict"], strict["dryRun"]) = (json!(true), json!(true));
    let plan = restore(&story.changefeed, strict.clone()).await;
    // Two users wrote a name by hand. The five deleted documents have no field that could be restored.
    assert_eq!((plan.counts.merge, plan.counts.conflict), (398, 7), "{:?}", plan.counts);
    let item = |n: usize| plan.items.iter().find(|item| item.id == format!("{n:05}")).expect("an item");
    assert!(item(5).kept_paths.is_empty(), "{:?}", item(5));
    assert_eq!(json!(item(1).kept_paths), json!(["/city_name"]));
    strict["fields"] = json!(["city_name", "updatedBy"]);
    let plan = restore(&story.changefeed, strict).await;
    assert_eq!((plan.counts.merge, plan.counts.conflict), (388, 17), "{:?}", plan.counts);
}

#[tokio::test]
async fn some_fields_return_over_http_and_a_deleted_document_is_a_conflict() {
    let story = Story::tell().await;
    let handler = story.world.handler();
    let mut request = request(&story, &["city_name"]);
    // Without leases it is not known whether everything is captured.
    request["force"] = json!(true);
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(
        (&report["counts"]["merge"], &report["counts"]["conflict"]),
        (&json!(398), &json!(5)),
        "{}",
        report["counts"]
    );
    let items = report["items"].as_array().expect("items");
    let item = |n: usize| items.iter().find(|item| item["id"] == format!("{n:05}")).expect("an item");
    let message = item(Story::RELEASED)["message"].as_str().expect("a message");
    assert!(message.contains("it does not exist now"), "{message}");
    assert_eq!(item(5)["changes"], json!([{"path": "/city_name", "before": "CITY 5", "after": "City 5"}]));
    let mut expected = story.edited.clone();
    for n in 2..Story::RELEASED {
        let name = name_of(&zipcode(n));
        expected.get_mut(&name).expect("a document")["city_name"] = json!(format!("City {n}"));
    }
    assert_eq!(live_documents(&story.world).await, expected);
    undo(&story.changefeed, report["id"].as_str().expect("an id")).await;
    assert_eq!(live_documents(&story.world).await, story.edited);
}
