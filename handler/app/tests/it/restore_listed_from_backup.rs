//! Restores of a list of documents from a backup: each of them has an outcome, those that the backup does not have too.

use changefeed_jobs::JobState;
use changefeed_operations::{Action, Changefeed, PlannedItem};
use serde_json::{Value, json};

use crate::support::backups::{delete_event, run_backup};
use crate::support::jobs::{capture, finish, restore_view, small_limits, start_restore};
use crate::support::{CommandLine, World};

const NOT_IN_BACKUP: &str =
    "the backup has no document with this id and partition key; check the spelling, which is case-sensitive";

fn name(id: impl Into<String>) -> Value {
    json!({"id": id.into(), "partitionKey": ["a"]})
}

async fn put(world: &World, id: &str, v: u32) {
    world.put("a", json!({"id": id, "pk": "a", "v": v})).await;
}

/// A full backup with the documents `kept` and `deleted`, and an increment in which `deleted` is.
async fn back_up(world: &World, changefeed: &Changefeed, folder: &tempfile::TempDir) -> Vec<String> {
    let location = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let chain = vec![location("full"), location("increment")];
    put(world, "kept", 1).await;
    put(world, "deleted", 1).await;
    run_backup(changefeed, json!({"to": chain[0]})).await;
    world.container("events").await.delete_item("a", "deleted", None).await.expect("deleted");
    capture(changefeed, &[delete_event("a", "deleted", 1_000_000)]).await;
    run_backup(changefeed, json!({"to": chain[1], "incrementalFrom": chain[0]})).await;
    chain
}

fn outcome(items: &[PlannedItem], id: &str) -> (Action, Option<String>) {
    let item = items.iter().find(|item| item.id == id).unwrap_or_else(|| panic!("{id} is not in {items:?}"));
    (item.action, item.message.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_document_of_a_list_has_an_outcome() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let folder = tempfile::tempdir().expect("folder");
    let chain = back_up(&world, &changefeed, &folder).await;
    // More documents than a page has, and more than a record lists.
    let absent: Vec<String> = (0..120).map(|n| format!("absent-{n}")).collect();
    let mut documents: Vec<Value> = absent.iter().map(name).collect();
    documents.insert(60, name("kept"));
    documents.push(name("deleted"));
    for is_planned_first in [false, true] {
        put(&world, "kept", 2).await;
        let mut request = json!({"documents": documents, "from": chain});
        let id = if is_planned_first {
            request["dryRun"] = json!(true);
            let plan = start_restore(&changefeed, request).await;
            assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);
            let counts = restore_view(&changefeed, &plan).await.record.counts;
            assert_eq!((counts.replace, counts.unchanged, counts.unknown), (1, 1, 120), "{counts:?}");
            changefeed.restores.execute_plan(&plan).await.expect("started").id
        } else {
            start_restore(&changefeed, request).await
        };
        assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns, "{:?}", changefeed.restores.show(&id).await);
        let record = restore_view(&changefeed, &id).await.record;
        let counts = record.counts;
        assert_eq!((counts.replace, counts.unchanged, counts.unknown), (1, 1, 120), "{counts:?}");
        assert_eq!(record.items.len(), 122, "each document once");
        assert_eq!(outcome(&record.items, "kept").0, Action::Replace);
        let message = "it did not exist at the time of the backup".to_owned();
        assert_eq!(outcome(&record.items, "deleted"), (Action::Unchanged, Some(message)));
        for id in &absent {
            assert_eq!(outcome(&record.items, id), (Action::Unknown, Some(NOT_IN_BACKUP.to_owned())));
        }
        assert_eq!(world.live("a", "kept").await.expect("live")["v"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_the_backup_does_not_have_shows_in_the_state_the_exit_code_and_the_summary() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let folder = tempfile::tempdir().expect("folder");
    let chain = back_up(&world, &changefeed, &folder).await;
    let file = folder.path().join("file.ndjson");
    std::fs::write(&file, json!({"id": "kept", "pk": "a", "v": 1}).to_string()).expect("written");
    for from in [json!(chain), json!(chain[0]), json!(file)] {
        let request = json!({"id": "Kept", "partitionKey": ["a"], "from": from});
        let id = start_restore(&changefeed, request).await;
        assert_eq!(finish(&changefeed, &id).await, JobState::Unknowns);
        let (exit, printed) = CommandLine::new(&world).text(&["restore", "show", &id, "--follow"]).await;
        assert!(exit == 3 && printed.contains("1 unknown") && printed.contains(NOT_IN_BACKUP), "{exit} {printed}");
        let (_, shown) = handler.get(&format!("/api/restores/{id}")).await;
        assert_eq!((&shown["state"], &shown["counts"]["unknown"]), (&json!("unknowns"), &json!(1)), "{shown}");
        assert_eq!((&shown["items"][0]["id"], &shown["items"][0]["message"]), (&json!("Kept"), &json!(NOT_IN_BACKUP)));
    }
}
