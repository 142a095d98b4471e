//! In AllVersionsAndDeletes mode the change feed delivers what a restore has deleted and recorded.

use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::identity::{events, truth};
use crate::support::jobs::{capture, capture_as_one_state};
use crate::support::{CommandLine, DEADLINE, World, until};

#[tokio::test]
async fn a_delete_by_a_restore_is_listed_and_counted_once_with_its_mark() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let events = events(&changefeed).await;
    let capture_all = async || {
        for range in truth(&events).await {
            capture(&changefeed, &range).await;
        }
    };
    let handler = world.handler();
    let start = Utc::now().timestamp();
    // Whatever is captured after it: the other documents are as they were.
    let before = capture_as_one_state(&changefeed, &[world.put("a", json!({"id": "0", "pk": "a"})).await]).await;
    for id in ["1", "2"] {
        world.put("a", json!({"id": id, "pk": "a", "city": "Davidson"})).await;
    }
    capture_all().await;
    let request = json!({"partitionKey": ["a"], "asOf": before, "deleteCreatedAfter": true, "requestedBy": "Ada"});
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!((status, &report["counts"]["delete"]), (StatusCode::OK, &json!(2)), "{report}");
    // An application creates one of them again, and deletes it itself.
    world.put("a", json!({"id": "2", "pk": "a", "city": "Charlotte"})).await;
    world.container("events").await.delete_item("a", "2", None).await.expect("deleted");
    capture_all().await;
    let deletes = world.query("changes", "SELECT VALUE c.id FROM c WHERE c.operation = 'delete'").await;
    assert_eq!(deletes.len(), 5, "each delete by the restore has two records: {deletes:?}");

    for (max_items, order) in [(1, "newest"), (1, "oldest"), (100, "newest"), (100, "oldest")] {
        let (mut items, mut continuation) = (Vec::<Value>::new(), String::new());
        loop {
            let path = format!(
                "/api/history/changes?from={start}&operation=delete&order={order}&maxItems={max_items}{continuation}"
            );
            let (status, page) = handler.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            items.extend(page["items"].as_array().expect("items").clone());
            match page["continuation"].as_str() {
                Some(token) => continuation = format!("&continuation={token}"),
                None => break,
            }
        }
        let mut found: Vec<Value> = items
            .iter()
            .map(|item| json!([item["id"], item["byRestore"], item["requestedBy"], item["paths"], item["previous"]]))
            .collect();
        found.sort_by_key(Value::to_string);
        let id = &report["id"];
        let expected = [
            json!(["1", id, "Ada", [""], "known"]),
            json!(["2", id, "Ada", [""], "known"]),
            json!(["2", null, null, [""], "known"]),
        ];
        assert_eq!(found, expected, "{order}, {max_items} on a page: {items:?}");
    }
    let (_, activity) = handler.get(&format!("/api/history/activity?from={start}&bucket=1h")).await;
    let sum = |of: fn(&Value) -> &Value| -> u64 {
        activity["items"].as_array().expect("items").iter().filter_map(|item| of(item).as_u64()).sum()
    };
    assert_eq!((sum(|item| &item["counts"]["delete"]), sum(|item| &item["byRestore"])), (3, 2), "{activity}");

    // What the restore deleted returns, and its delete is not a change after itself.
    until("the next second", DEADLINE, async || Utc::now().timestamp() > start + 1).await;
    let window = json!({"changedBetween": {"from": before + 1}, "filter": ["id=1"], "force": true, "dryRun": true});
    let (status, plan) = handler.post("/api/restores", &window).await;
    assert_eq!((status, &plan["counts"]["conflict"]), (StatusCode::OK, &json!(0)), "{plan}");
    let (_, table) = CommandLine::new(&world).text(&["history", "changes", "--since", "-1h"]).await;
    assert_eq!(table.matches("of Ada").count(), 2, "{table}");
}
