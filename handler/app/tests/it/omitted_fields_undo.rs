//! Windows are undone, and jobs restore, without touching fields that are never stored.

use std::collections::BTreeMap;

use changefeed_jobs::JobState;
use changefeed_operations::{Action, Restored, UndoRequest};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::capture_rules::{assert_no_secret, omitting, secret};
use crate::support::identity::{events, put};
use crate::support::jobs::{capture_as_one_state, finish, restore_view, small_limits, start_restore};
use crate::undo_window::{HOUR, ago, capture_all, restore, undo};

fn account(city: &str, number: usize) -> Value {
    json!({"id": "1", "pk": "a", "city": city, "n": 1, "password": secret(number), "meta": {"token": secret(number)}})
}

async fn live(world: &World) -> Value {
    let mut document = world.live("a", "1").await.expect("a live document");
    let fields = document.as_object_mut().expect("an object");
    fields.retain(|name, _| !name.starts_with('_') && !["restored_at", "restore_id"].contains(&name.as_str()));
    document
}

fn window() -> Value {
    json!({"changedBetween": {"from": ago(2 * HOUR + HOUR / 2), "to": ago(HOUR + HOUR / 2)}})
}

#[tokio::test]
async fn undoing_a_window_keeps_later_changes_and_the_live_secrets() {
    let world = World::new().await;
    let changefeed = omitting(&world, "password,meta.token", |_| ());
    let events = events(&changefeed).await;
    world.endpoint.set_clock(-3 * HOUR).expect("the clock");
    put(&events, &account("Cary", 1)).await;
    world.endpoint.set_clock(-2 * HOUR).expect("the clock");
    put(&events, &account("WRONG", 2)).await;
    world.endpoint.set_clock(-HOUR).expect("the clock");
    let mut later = account("WRONG", 3);
    later["n"] = json!(7);
    put(&events, &later).await;
    world.endpoint.set_clock(0).expect("the clock");
    capture_all(&changefeed, &events).await;

    let mut request = window();
    request["laterChanges"] = json!("merge");
    let report = restore(&changefeed, request).await;
    assert_eq!(report.items[0].action, Action::Merge, "{report:?}");
    let mut expected = account("Cary", 3);
    expected["n"] = json!(7);
    assert_eq!(live(&world).await, expected);
    let undone = undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(undone.items[0].action, Action::Replace, "{undone:?}");
    assert_eq!(live(&world).await, later);
    assert_no_secret(&world, &changefeed).await;
}

#[tokio::test]
async fn undoing_a_window_over_the_start_of_the_setting_leaves_the_field_as_it_is() {
    let world = World::new().await;
    let (everything, changefeed) = (world.changefeed(|_| ()), omitting(&world, "password", |_| ()));
    let events = events(&changefeed).await;
    world.endpoint.set_clock(-3 * HOUR).expect("the clock");
    put(&events, &json!({"id": "1", "pk": "a", "password": "old", "city": "Cary"})).await;
    capture_all(&everything, &events).await;
    world.endpoint.set_clock(-2 * HOUR).expect("the clock");
    put(&events, &json!({"id": "1", "pk": "a", "password": "new", "city": "WRONG"})).await;
    world.endpoint.set_clock(0).expect("the clock");
    capture_all(&changefeed, &events).await;
    let report = restore(&changefeed, window()).await;
    assert_eq!(report.items[0].action, Action::Replace, "{report:?}");
    assert_eq!(live(&world).await, json!({"id": "1", "pk": "a", "password": "new", "city": "Cary"}));
    assert!(!json!(report.items).to_string().contains("\"old\""), "{report:?}");
    undo(&changefeed, report.id.as_deref().expect("an id")).await;
    assert_eq!(live(&world).await, json!({"id": "1", "pk": "a", "password": "new", "city": "WRONG"}));
}

#[tokio::test]
async fn a_job_restores_and_undoes_many_documents_with_their_live_secrets() {
    let world = World::new().await;
    let changefeed = omitting(&world, "password", |options| options.jobs = small_limits());
    let document = |n: usize, v: u32, number: usize| json!({"id": format!("{n:02}"), "pk": "a", "v": v, "password": secret(number)});
    let mut stored = Vec::new();
    for n in 0..25 {
        stored.push(world.put("a", document(n, 1, n)).await);
    }
    let second = capture_as_one_state(&changefeed, &stored).await;
    for n in 0..25 {
        match n % 5 {
            4 => {
                drop(world.container("events").await.delete_item("a", &format!("{n:02}"), None).await.expect("delete"))
            }
            3 => drop(world.put("a", document(n, 1, 100 + n)).await),
            _ => drop(world.put("a", document(n, 2, 100 + n)).await),
        }
    }
    let before = documents(&world).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": second})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    let view = restore_view(&changefeed, &id).await;
    assert_eq!((view.record.counts.replace, view.record.counts.create, view.record.counts.unchanged), (15, 5, 5));
    for item in &view.record.items {
        let message = item.message.as_deref().unwrap_or_default();
        match item.action {
            Action::Replace => assert_eq!(message, "field password is not in the history: the live value is kept"),
            Action::Create => {
                let without = "; field password is not in the history: it is restored without it";
                assert!(message.ends_with(without), "{message}");
            }
            _ => assert_eq!((item.action, message), (Action::Unchanged, "")),
        }
    }
    for (n, document) in documents(&world).await {
        let number: usize = n.parse().expect("a number");
        assert_eq!(document["v"], 1, "{document}");
        let kept = (number % 5 != 4).then(|| secret(100 + number));
        assert_eq!(document.get("password"), kept.as_ref(), "{document}");
    }
    let Restored::Job(job) = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo") else {
        panic!("the undo of a job is a job")
    };
    assert_eq!(finish(&changefeed, &job.id).await, JobState::Done);
    assert_eq!(documents(&world).await, before);
    assert_no_secret(&world, &changefeed).await;
}

async fn documents(world: &World) -> BTreeMap<String, Value> {
    let found = world.query("events", "SELECT c.id, c.v, c.password FROM c").await;
    found.into_iter().map(|document| (document["id"].as_str().expect("an id").to_owned(), document)).collect()
}
