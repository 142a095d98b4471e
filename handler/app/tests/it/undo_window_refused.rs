//! The windows that a restore does not undo: what is not captured, what the retention has removed, and what a request gets wrong.

use std::time::Duration;

use changefeed_history::{ServiceTime, SweepRequest};
use changefeed_operations::Restored;
use chrono::Utc;
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::jobs::{capture, restore_request};
use crate::support::{DEADLINE, Instance, World, until};

const HOUR: i64 = 3600;

/// A time, as seconds before now.
fn ago(seconds: i64) -> i64 {
    Utc::now().timestamp() - seconds
}

#[tokio::test]
async fn a_window_is_refused_until_capture_has_reached_its_end() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let connection = world.endpoint.connection_string();
    let instance = Instance::start(&connection, &["--from", "beginning"]).expect("started");
    world.endpoint.set_clock(-HOUR).expect("the clock");
    world.put("a", json!({"id": "1", "pk": "a", "city": "Davidson"})).await;
    until("the version", DEADLINE, async || world.versions().await.len() == 1).await;
    assert!(instance.end("-TERM").await.success());
    world.endpoint.set_clock(0).expect("the clock");
    let wrong = world.put("a", json!({"id": "1", "pk": "a", "city": "DAVIDSON"})).await;
    let second = wrong["_ts"].as_i64().expect("a time");

    let handler = world.handler();
    let plan = async |from: i64, to: i64, force: bool| {
        let request = json!({"changedBetween": {"from": from, "to": to}, "dryRun": true, "force": force});
        handler.post("/api/restores", &request).await
    };
    let (status, refused) = plan(second - 60, second, false).await;
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert!(
        message.contains("1 changes are not captured yet") && message.contains("capture has caught up"),
        "{refused}"
    );
    // The time of what is not captured does not depend on how long it takes to read the leases and the change feed.
    for (container, kind) in [("events", RequestKind::ChangeFeed), ("leases", RequestKind::Any)] {
        let effect = Effect::Delay(Duration::from_millis(2500));
        world.endpoint.inject(Fault { container: Some(container.into()), kind, times: 4, effect });
        let (status, refused) = plan(second - 60, second, false).await;
        world.endpoint.clear_faults();
        assert_eq!(status, StatusCode::CONFLICT, "{container}: {refused}");
    }
    // A window that ends before what is not captured can be undone, and a forced plan says how far capture is behind.
    let (status, earlier) = plan(second - 2 * HOUR, second - 60, false).await;
    assert_eq!((status, &earlier["captureLag"]["changes"]), (StatusCode::OK, &json!(1)), "{earlier}");
    let (status, forced) = plan(second - 60, second, true).await;
    assert_eq!((status, &forced["captureLag"]["changes"]), (StatusCode::OK, &json!(1)), "{forced}");
    assert_eq!(forced["items"], json!([]), "{forced}");

    let instance = Instance::start(&connection, &["--from", "beginning"]).expect("started");
    until("the end of the window is captured", DEADLINE, async || {
        plan(second - 60, second, false).await.0 == StatusCode::OK
    })
    .await;
    let (_, caught_up) = plan(second - 60, second, false).await;
    assert_eq!(
        (&caught_up["captureLag"]["changes"], &caught_up["counts"]["replace"]),
        (&json!(0), &json!(1)),
        "{caught_up}"
    );
    assert!(instance.end("-TERM").await.success());
}

#[tokio::test]
async fn a_wrong_window_is_refused_with_what_is_allowed() {
    let world = World::new().await;
    let handler = world.handler();
    let window = json!({"from": ago(60), "to": ago(30)});
    for (request, expected) in [
        (json!({"changedBetween": {"from": ago(30), "to": ago(60)}}), "which is after to"),
        (json!({"changedBetween": {"from": ago(-60)}}), "in the future"),
        (json!({"changedBetween": {"to": ago(60)}}), "from"),
        (json!({"changedBetween": window, "all": true}), "all cannot be used with changedBetween"),
        (json!({"changedBetween": window, "asOf": 1}), "asOf cannot be used with changedBetween"),
        (json!({"changedBetween": window, "into": "look"}), "into cannot be used"),
        (json!({"changedBetween": window, "strict": true}), "strict needs laterChanges"),
        (json!({"changedBetween": window, "laterChanges": "maybe"}), "overwrite"),
        (json!({"all": true, "asOf": 1, "actor": "x"}), "actor needs changedBetween"),
        (json!({"all": true, "asOf": 1, "fields": ["id"]}), "id"),
        (json!({"all": true, "asOf": 1, "fields": ["a"], "exceptFields": ["b"]}), "not both"),
        (json!({"all": true, "asOf": 1, "fields": ["a"], "into": "look"}), "fields cannot be used with into"),
        (json!({"all": true, "asOf": 1, "store": true}), "store needs dryRun"),
    ] {
        let (status, answer) = handler.post("/api/restores", &request).await;
        assert_eq!(status.as_u16(), 400, "{request}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains(expected)), "{request}: {answer}");
    }
    let (status, answer) = handler.post("/api/restores", &json!({"changedBetween": window})).await;
    assert_eq!(status.as_u16(), 409, "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("is not known")), "{answer}");
}

#[tokio::test]
async fn a_window_of_which_the_retention_has_removed_versions_is_refused() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.retention_days = Some(1));
    let version =
        |n: i64| json!({"id": "1", "pk": "a", "n": n, "_ts": ago(90 * HOUR) + n, "_etag": format!("\"{n}\"")});
    capture(&changefeed, &[version(1), version(2), version(3)]).await;
    let request = json!({"changedBetween": {"from": ago(95 * HOUR)}, "laterChanges": "merge", "dryRun": true});
    let planned = changefeed.restores.run(&restore_request(request.clone())).await.expect("a plan");
    assert!(matches!(planned, Restored::Report(plan) if plan.items.len() == 1), "nothing was removed yet");
    let sweep = SweepRequest { now: ServiceTime::new(Utc::now()), dry_run: false, time_limit: None };
    changefeed.retention.sweep(&sweep).await.expect("a report");
    assert!(changefeed.history.horizon().await.expect("a horizon") > ago(95 * HOUR), "versions were removed");
    let refused = changefeed.restores.run(&restore_request(request)).await.expect_err("refused").to_string();
    assert!(refused.contains("the history is complete after") && refused.contains("start later"), "{refused}");
}

#[tokio::test]
async fn an_actor_that_is_not_indexed_is_refused_with_the_command_that_indexes_it() {
    let world = World::new().await;
    let changes = world.container("changes").await;
    let definition = changes.read(None).await.expect("read").into_model().expect("definition");
    let mut earlier = serde_json::to_value(definition).expect("json");
    let paths = earlier["indexingPolicy"]["includedPaths"].as_array_mut().expect("paths");
    paths.retain(|path| path["path"] != "/actor/?");
    changes.replace(serde_json::from_value(earlier).expect("properties"), None).await.expect("replaced");
    let (window, handler) = (json!({"from": ago(60)}), world.handler());
    let (status, restore) =
        handler.post("/api/restores", &json!({"changedBetween": window, "actor": "x", "force": true})).await;
    let (listed, list) = handler.get(&format!("/api/history/changes?from={}&actor=x", ago(60))).await;
    for (status, answer) in [(status, restore), (listed, list)] {
        assert_eq!(status.as_u16(), 400, "{answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("--update-index")), "{answer}");
    }
}
