//! Backups and restores from them, where fields and documents are never stored in the history.

use changefeed_operations::Action;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::World;
use crate::support::backups::{body_of, run_backup, run_restore};
use crate::support::capture_rules::{assert_no_secret, omitting, rules, secret};
use crate::support::jobs::{capture_as_one_state, restore_view, small_limits};

fn location(folder: &TempDir) -> String {
    folder.path().join("backup").to_string_lossy().into_owned()
}

fn user(id: &str, v: u32, number: usize) -> Value {
    json!({"id": id, "pk": "a", "v": v, "password": secret(number)})
}

async fn live(world: &World, id: &str) -> Option<Value> {
    world.live("a", id).await.map(body_of)
}

#[tokio::test]
async fn a_backup_as_of_a_time_lacks_the_fields_and_its_restore_keeps_the_live_values() {
    let (world, folder) = (World::new().await, TempDir::new().expect("a folder"));
    let changefeed = omitting(&world, "password", |options| options.jobs = small_limits());
    let stored = [world.put("a", user("1", 1, 1)).await, world.put("a", user("2", 1, 2)).await];
    let second = capture_as_one_state(&changefeed, &stored).await;
    // One document is still as it was; the backup has it from the history all the same.
    world.put("a", user("1", 2, 11)).await;
    let view = run_backup(&changefeed, json!({"to": location(&folder), "asOf": second})).await;
    assert_eq!(view.counts.documents, 2);
    world.container("events").await.delete_item("a", "2", None).await.expect("delete");
    let id = run_restore(&changefeed, json!({"from": view.location()})).await;
    let view = restore_view(&changefeed, &id).await;
    let mut items = view.record.items;
    items.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!((items[0].action, items[1].action), (Action::Replace, Action::Create));
    assert_eq!(items[0].message.as_deref(), Some("field password is not in the history: the live value is kept"));
    assert_eq!(items[1].message.as_deref(), Some("field password is not in the history: it is restored without it"));
    assert_eq!(live(&world, "1").await, Some(user("1", 1, 11)));
    assert_eq!(live(&world, "2").await, Some(json!({"id": "2", "pk": "a", "v": 1})));
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn a_full_backup_has_the_live_documents_with_all_fields_and_without_excluded_documents() {
    let (world, folder) = (World::new().await, TempDir::new().expect("a folder"));
    let changefeed = world.changefeed(|options| {
        options.jobs = small_limits();
        options.capture_rules = rules("password", Some("id != cache"));
    });
    let stored = [world.put("a", user("1", 1, 1)).await, world.put("a", user("cache", 1, 2)).await];
    capture_as_one_state(&changefeed, &stored).await;
    let view = run_backup(&changefeed, json!({"to": location(&folder)})).await;
    assert_eq!(view.counts.documents, 1);
    world.container("events").await.delete_item("a", "1", None).await.expect("delete");
    let id = run_restore(&changefeed, json!({"from": view.location()})).await;
    assert_eq!(restore_view(&changefeed, &id).await.record.counts.create, 1);
    assert_eq!(live(&world, "1").await, Some(user("1", 1, 1)));
    // Another secret is overwritten by that of the backup. It is not in the history, which the report says.
    world.put("a", user("1", 2, 3)).await;
    let id = run_restore(&changefeed, json!({"from": view.location()})).await;
    let restored = restore_view(&changefeed, &id).await;
    let message = restored.record.items[0].message.clone().unwrap_or_default();
    assert_eq!(message, "field password is not in the history: an undo cannot bring it back");
    assert_eq!(live(&world, "1").await, Some(user("1", 1, 1)));
    assert_no_secret(&world, &changefeed).await;
}
