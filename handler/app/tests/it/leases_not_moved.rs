//! Leases that `WatchLeases` and `changefeed leases unblock` must not move, although the trigger could not deliver their next page: an
//! instance holds them, or has just made progress.

use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::stalled_leases::{UNREPRESENTABLE, app, captured, handler, host, host_with, in_state, watch, world};
use crate::support::{CommandLine, DEADLINE, World, until};

const UNBLOCK: [&str; 5] = ["leases", "unblock", "--wait", "0", "--from-beginning"];
const HELD: &str = "not changed: an instance holds it, and may deliver the document or fail; see the log of the host";

/// The leases of the capture, ordered by their tokens.
async fn leases(world: &World) -> Vec<Value> {
    let events = world.container("events").await.read(None).await.expect("read").into_model().expect("model");
    let rid = events.system_properties.resource_id.expect("rid");
    let mut leases = world.query("leases", "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)").await;
    leases.retain(|lease| lease["id"].as_str().expect("an id").contains(&*rid));
    leases.sort_by_key(|lease| lease["LeaseToken"].as_str().map(str::to_owned));
    leases
}

async fn store(world: &World, lease: Value) {
    let id = lease["id"].as_str().expect("an id").to_owned();
    world.container("leases").await.upsert_item(id.clone(), &id, lease, None).await.expect("a lease");
}

fn tokens(leases: &[Value]) -> Vec<Value> {
    leases.iter().map(|lease| lease["ContinuationToken"].clone()).collect()
}

/// Renews every lease for an owner, as an instance on another machine does.
async fn renew(world: &World) {
    for mut lease in leases(world).await {
        lease["Owner"] = json!("another-instance");
        lease["timestamp"] = json!(chrono::Utc::now().to_rfc3339());
        store(world, lease).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_with_an_owner_is_not_moved_past_a_document_that_the_trigger_cannot_deliver() {
    let (world, app) = (world().await, app(|_| ()));
    host(&world, &app).await.stop().await;
    world.put("a", json!({"id": "stalls", "pk": "a", "at": UNREPRESENTABLE})).await;
    renew(&world).await;
    let before = leases(&world).await;
    assert_eq!(before.len(), 4);

    let (code, text) = CommandLine::new(&world).text(&UNBLOCK).await;
    assert!(code == 3 && text.contains(HELD) && text.contains("document \"stalls\""), "{code}: {text}");
    assert_eq!((leases(&world).await, captured(&world).await), (before.clone(), Vec::new()));

    let handler = handler(&world, &[]);
    until("a lease without progress", DEADLINE, async || {
        renew(&world).await;
        let logs = watch(&handler).await.join("\n");
        assert!(!logs.contains("moved the checkpoint"), "{logs}");
        !in_state(&handler, "capture", "handlerFails").await.is_empty()
    })
    .await;
    assert_eq!((tokens(&leases(&world).await), captured(&world).await), (tokens(&before), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_handler_fails_is_not_moved_past_a_later_document_that_the_trigger_cannot_deliver() {
    let (world, app) = (world().await, app(|_| ()));
    let failing = host_with(&world, &app, &[("CHANGEFEED_CHANGES_CONTAINER", "missing")]).await;
    let (handler, command_line) = (handler(&world, &[]), CommandLine::new(&world));
    let until_handler_fails = async || {
        until("a failing handler", DEADLINE, async || {
            watch(&handler).await;
            in_state(&handler, "capture", "handlerFails").await.iter().any(|lease| lease["owner"].is_string())
        })
        .await;
    };
    world.put("a", json!({"id": "fails", "pk": "a"})).await;
    until_handler_fails().await;
    let before = tokens(&leases(&world).await);
    world.put("a", json!({"id": "stalls", "pk": "a", "at": UNREPRESENTABLE})).await;
    until_handler_fails().await;
    let (code, text) = command_line.text(&UNBLOCK).await;
    assert!(code == 3 && text.contains(HELD) && text.contains("document \"stalls\""), "{code}: {text}");
    let logs = watch(&handler).await.join("\n");
    assert!(logs.contains("handlerFails") && !logs.contains("moved the checkpoint"), "{logs}");
    assert_eq!((tokens(&leases(&world).await), captured(&world).await), (before, Vec::new()));
    failing.stop().await;

    let host = host(&world, &app).await;
    until("both versions", DEADLINE, async || {
        watch(&handler).await;
        captured(&world).await == ["fails", "stalls"]
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_changes_while_its_page_is_captured_or_while_it_is_written_is_moved_only_if_nothing_speaks_against_it()
 {
    let (world, app) = (world().await, app(|_| ()));
    host(&world, &app).await.stop().await;
    world.put("a", json!({"id": "stalls", "pk": "a", "at": UNREPRESENTABLE})).await;
    let original = leases(&world).await;
    let command_line = CommandLine::new(&world);
    // Before the command has read the lease again, and between that and its write.
    for container in ["changes", "leases"] {
        for (field, value, outcome) in [
            ("Owner", json!("another-instance"), "not changed: an instance holds it (document \"stalls\""),
            (
                "ContinuationToken",
                json!("\"7\""),
                "not changed: an instance has made progress on it (document \"stalls\"",
            ),
            (
                "timestamp",
                json!("2026-01-01T00:00:00Z"),
                "processed 1 changes and moved the checkpoint past document \"stalls\"",
            ),
        ] {
            for lease in &original {
                store(&world, lease.clone()).await;
            }
            let effect = Effect::Delay(Duration::from_secs(2));
            let container = Some(container.to_owned());
            world.endpoint.inject(Fault { container: container.clone(), kind: RequestKind::Write, times: 1, effect });
            let ((code, text), changed) = tokio::join!(command_line.text(&UNBLOCK), async {
                until("the write", DEADLINE, async || world.endpoint.pending_faults() == 0).await;
                for mut lease in leases(&world).await {
                    lease[field] = value.clone();
                    store(&world, lease).await;
                }
                leases(&world).await
            });
            let is_moved = field == "timestamp";
            assert!(code == if is_moved { 0 } else { 3 } && text.contains(outcome), "{container:?} {field}: {text}");
            let after = leases(&world).await;
            let moved = after.iter().zip(&changed).filter(|(after, changed)| after != changed).count();
            assert_eq!(moved, usize::from(is_moved), "{container:?} {field}: {after:?}");
            assert!(after.iter().all(|lease| lease[field] == value), "{container:?} {field}: {after:?}");
        }
    }
    assert_eq!(captured(&world).await, ["stalls"], "captured each time, and stored once");
}
