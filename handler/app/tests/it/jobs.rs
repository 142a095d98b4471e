//! Restores that are too large for a request.

use changefeed_history::{JobState, Restored, UndoRequest};
use serde_json::{Value, json};

use crate::support::jobs::{capture, finish, outline, request, shown, small, start};
use crate::support::{DEADLINE, World, until};

/// Documents `0..count`, written and captured; the second after.
async fn written(world: &World, store: &changefeed_history::Store, count: usize) -> i64 {
    let mut stored = Vec::new();
    for n in 0..count {
        let key = format!("key-{}", n % 4);
        stored.push(world.put(key.clone(), json!({"id": format!("item-{n:03}"), "pk": key, "n": n, "v": 1})).await);
    }
    capture(store, &stored).await;
    let newest = stored.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
    newest
}

/// What goes wrong: every third document is overwritten, every third is deleted, and some are new.
async fn spoiled(world: &World, count: usize) {
    for n in 0..count {
        let (id, key) = (format!("item-{n:03}"), format!("key-{}", n % 4));
        match n % 3 {
            0 => drop(world.put(key.clone(), json!({"id": id, "pk": key, "n": n, "v": 2})).await),
            1 => drop(world.container("events").await.delete_item(key, &id, None).await.expect("delete")),
            _ => {}
        }
    }
    for n in 0..5 {
        world.put("new", json!({"id": format!("new-{n}"), "pk": "new", "v": 2})).await;
    }
}

async fn bodies(world: &World) -> Vec<Value> {
    let mut documents = world.query("events", "SELECT * FROM c").await;
    for document in &mut documents {
        let fields = document.as_object_mut().expect("object");
        fields.retain(|name, _| !name.starts_with('_') && name != "restored_at");
    }
    documents.sort_by_key(ToString::to_string);
    documents
}

#[tokio::test]
async fn a_restore_of_all_beyond_the_limits_is_a_job_that_does_what_a_request_would_do_and_can_be_undone() {
    let world = World::new().await;
    let (large, ample) = (world.store(|options| options.jobs = small()), world.store(|_| ()));
    let second = written(&world, &large, 60).await;
    let good = bodies(&world).await;
    spoiled(&world, 60).await;
    let bad = bodies(&world).await;

    let asked = json!({"all": true, "asOf": second});
    let expected = ample.plan_restore(&request(asked.clone())).await.expect("plan").expect("within the limits");
    let dry = start(&large, json!({"all": true, "asOf": second, "dryRun": true})).await;
    assert_eq!(finish(&large, &dry).await, JobState::Planned);
    let plan = shown(&large, &dry).await;
    assert_eq!(outline(&plan.record.items), outline(&expected.items));
    assert_eq!(bodies(&world).await, bad, "a dry run writes nothing");

    let id = start(&large, asked).await;
    assert_eq!(large.restore(&id).await.expect("record").state, JobState::Queued);
    assert_eq!(finish(&large, &id).await, JobState::Done);
    let done = shown(&large, &id).await;
    assert_eq!(outline(&done.record.items), outline(&expected.items));
    assert_eq!(
        json!(done.record.counts),
        json!({"create": 20, "replace": 20, "delete": 0, "unchanged": 20, "unknown": 5, "conflict": 0, "failed": 0})
    );
    let restored = bodies(&world).await;
    assert!(good.iter().all(|document| restored.contains(document)) && restored.len() == good.len() + 5);

    let Restored::Job(undo) = large.run_undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job");
    };
    assert_eq!(finish(&large, &undo.id).await, JobState::Done);
    assert_eq!(bodies(&world).await, bad);
    assert_eq!(large.restore(&id).await.expect("record").undone_by, Some(undo.id));
}
