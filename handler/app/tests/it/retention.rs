//! Removal of expired versions by the timer and by the command line, and the answers of the history afterwards.

use std::process::{Output, Stdio};
use std::time::Duration;

use changefeed_history::{Batch, ServiceTime, SweepRequest, SweepState};
use changefeed_jobs::JobState;
use chrono::{SecondsFormat, TimeDelta, Utc};
use local_cosmos::{Effect, Fault, LoggedKind, LoggedRequest, RequestKind};
use reqwest::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::jobs::{capture, finish, restore_request, small_limits, start_restore};
use crate::support::{DEADLINE, Handler, World, batch_of, executable, noise, until};

const DAY: i64 = 86_400;

fn handler(world: &World, days: &str) -> Handler {
    Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_RETENTION_DAYS", days)])
}

/// A version of a document, written some days ago.
fn version(id: &str, days_ago: f64, n: i64) -> Value {
    let ts = Utc::now().timestamp() - (days_ago * DAY as f64) as i64;
    json!({"id": id, "pk": "a", "n": n, "_ts": ts, "_etag": format!("\"{id}-{n}\""), "_lsn": n})
}

/// Calls the function as the host's timer does.
async fn sweep(handler: &Handler) -> String {
    let body = json!({"Data": {"timer": {"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": false}},
        "Metadata": {"sys": {"MethodName": "Retention"}}});
    let (status, answer) = handler.post("/Retention", &body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["Logs"][0].as_str().expect("a log").to_owned()
}

/// The `n` of each version of a document.
async fn numbers(world: &World, id: &str) -> Vec<i64> {
    let versions = world.versions().await;
    versions.values().filter(|version| version["sourceId"] == id).filter_map(|v| v["document"]["n"].as_i64()).collect()
}

#[tokio::test]
async fn a_version_is_removed_when_its_successor_is_older_than_the_retention() {
    let world = World::new().await;
    let handler = handler(&world, "30");
    let changes = [
        version("1", 300.0, 1),
        version("1", 200.0, 2),
        version("1", 31.0, 3),
        version("1", 10.0, 4),
        version("old", 900.0, 5),
        version("edge", 50.0, 6),
        version("edge", 29.0, 7),
    ];
    handler.invoke_until_accepted(&batch_of(&changes)).await;
    let summary = sweep(&handler).await;
    assert!(
        summary.starts_with("removed 2 expired versions") && summary.ends_with("no expired versions are left"),
        "{summary}"
    );
    assert_eq!(numbers(&world, "1").await, [3, 4]);
    assert_eq!((numbers(&world, "old").await, numbers(&world, "edge").await), (vec![5], vec![6, 7]));
    assert!(sweep(&handler).await.starts_with("removed 0 expired versions"));

    // Thirty days ago, version 3 was current. Earlier states are unknown, also whether the document existed.
    let as_of = async |time: String| handler.get(&format!("/api/history/document?id=1&pk=a&asOf={time}")).await.1;
    assert_eq!(as_of("-30d".to_owned()).await["version"]["document"]["n"], 3);
    let since = changes[2]["_ts"].as_i64().expect("ts");
    for days in [40, 250, 400] {
        let answer = as_of(format!("-{days}d")).await;
        assert_eq!((&answer["state"], &answer["since"]), (&json!("unknown"), &json!(since)), "{days}");
    }
    let plan = json!({"partitionKey": ["a"], "asOf": "-250d", "deleteCreatedAfter": true, "dryRun": true});
    let (_, plan) = handler.post("/api/restores", &plan).await;
    let action = |id: &str| {
        let items = plan["items"].as_array().expect("items");
        items.iter().find(|item| item["id"] == id).map(|item| item["action"].clone())
    };
    assert_eq!((action("1"), action("old")), (Some(json!("unknown")), Some(json!("create"))), "{plan}");

    let (_, status) = handler.get("/api/status").await;
    let retention = &status["retention"];
    assert!(
        retention["days"] == 30 && retention["removedVersions"] == 2 && retention.get("warning").is_none(),
        "{status}"
    );
    assert_eq!(status["settings"]["CHANGEFEED_RETENTION_DAYS"], 30);
}

#[tokio::test]
async fn what_was_counted_is_removed_however_much_later() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.retention_days = Some(30));
    let now = Utc::now().timestamp();
    // The grace time of a sweep is an hour.
    let cutoff = now - 30 * DAY - 3600;
    let at = |n: i64, ts: i64| json!({"id": "1", "pk": "a", "n": n, "_ts": ts, "_etag": format!("\"{n}\""), "_lsn": n});
    capture(&changefeed, &[at(1, cutoff - 100), at(2, cutoff - 50), at(3, cutoff + 4)]).await;
    let expired = changefeed.retention.expired(Utc::now).await.expect("a time");
    let counted = expired.count().await.expect("counted");
    assert_eq!((counted.dry_run, counted.versions), (true, 1));
    // Meanwhile the second version expires too.
    until("a version expires", DEADLINE, async || Utc::now().timestamp() > now + 8).await;
    let later = changefeed.retention.expired(Utc::now).await.expect("a time");
    assert_eq!(later.count().await.expect("counted").versions, 2);
    let removed = expired.remove().await.expect("removed");
    assert_eq!((removed.versions, removed.superseded_until), (1, counted.superseded_until));
    assert_eq!(numbers(&world, "1").await, [2, 3]);
    assert_eq!(later.remove().await.expect("removed").versions, 1);
    assert_eq!(numbers(&world, "1").await, [3]);
}

#[tokio::test]
async fn without_a_retention_a_sweep_removes_no_versions_and_sends_no_requests() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke_until_accepted(&batch_of(&[version("1", 300.0, 1), version("1", 200.0, 2)])).await;
    let usage = world.endpoint.usage();
    assert!(sweep(&handler).await.contains("no retention is set"));
    assert_eq!(format!("{:?}", world.endpoint.usage()), format!("{usage:?}"));
    assert_eq!(numbers(&world, "1").await, [1, 2]);
    let (_, status) = handler.get("/api/status").await;
    assert!(status["retention"].get("days").is_none() && status["retention"].get("warning").is_none(), "{status}");
}

#[tokio::test]
async fn a_sweep_finds_late_versions_without_reading_other_documents() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.retention_days = Some(30));
    let batch = Batch { function: "f".into(), invocation_id: "i".into(), rewritten_by_host: false };
    let capture = async |changes: &[Value]| {
        let raw = |change: &Value| RawValue::from_string(change.to_string()).expect("JSON");
        changefeed.capture.capture(&batch, changes.iter().map(raw).collect()).await.expect("captured");
    };
    let sweep = async || {
        let request = SweepRequest { now: ServiceTime::new(Utc::now()), dry_run: false, time_limit: None };
        let report = changefeed.retention.sweep(&request).await.expect("a report");
        assert_eq!(report.state, SweepState::Done);
        (report.documents, report.versions)
    };
    let others: Vec<Value> = (0..50).map(|n| version(&format!("item-{n}"), 100.0, n)).collect();
    capture(&others).await;
    capture(&[version("1", 200.0, 1), version("1", 100.0, 3)]).await;
    assert_eq!(sweep().await, (51, 1));
    // A sweep reads again what was captured within the last hour. Move this limit to now.
    let jobs = world.container("jobs").await;
    let mut progress: Value =
        jobs.read_item("retention", "retention", None).await.expect("read").into_model().expect("progress");
    let now = Utc::now().timestamp();
    progress["lateTo"] = json!(now);
    jobs.upsert_item("retention", "retention", &progress, None).await.expect("upsert");
    assert_eq!(sweep().await, (0, 0));
    until("the next second", DEADLINE, async || Utc::now().timestamp() > now).await;
    // One version between the two, and the removed one.
    capture(&[version("1", 150.0, 2), version("1", 200.0, 1)]).await;
    assert_eq!(sweep().await, (1, 2));
    assert_eq!(numbers(&world, "1").await, [3]);
}

#[tokio::test]
async fn concurrent_sweeps_with_throttling_remove_only_expired_versions() {
    let world = World::new().await;
    let handlers = [handler(&world, "30"), handler(&world, "7")];
    let changes: Vec<Value> = (0..40)
        .flat_map(|n| {
            [90.0, 60.0, 20.0, 1.0].map(|days| {
                version(
                    &format!("item-{}", n % 10),
                    days + f64::from(n) / 100.0,
                    1000 - (days * 10.0) as i64 + i64::from(n),
                )
            })
        })
        .collect();
    handlers[0].invoke_until_accepted(&batch_of(&changes)).await;
    for (container, status) in [("changes", 429), ("jobs", 429)] {
        world.endpoint.inject(Fault {
            container: Some(container.into()),
            kind: RequestKind::Write,
            times: 20,
            effect: Effect::Status { status, substatus: 3200 },
        });
    }
    tokio::join!(sweep(&handlers[0]), sweep(&handlers[1]));
    let last = sweep(&handlers[1]).await;
    assert!(last.ends_with("no expired versions are left"), "{last}");
    for n in 0..10 {
        // The four versions of the last day, and the one that was current seven days ago.
        assert_eq!(numbers(&world, &format!("item-{n}")).await.len(), 5);
    }
}

#[tokio::test]
async fn the_parts_of_a_removed_version_are_removed_even_if_the_sweep_is_interrupted() {
    let world = World::new().await;
    let handler = handler(&world, "30");
    let mut large = version("1", 300.0, 1);
    large["text"] = json!(noise(750_000));
    handler.invoke_until_accepted(&batch_of(&[large, version("1", 200.0, 2)])).await;
    let parts = async || world.query("changes", "SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.partOf)").await.len();
    assert!(parts().await >= 2);
    // The record is removed, the first part is not.
    for effect in [Effect::Delay(Duration::ZERO), Effect::Status { status: 403, substatus: 0 }] {
        world.endpoint.inject(Fault { container: Some("changes".into()), kind: RequestKind::Write, times: 1, effect });
    }
    let (status, answer) = handler.post("/Retention", &json!({})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert!(numbers(&world, "1").await == [2] && parts().await >= 2);
    sweep(&handler).await;
    assert_eq!(parts().await, 0);
}

fn run(world: &World, days: &str, arguments: &[&str]) -> Output {
    let mut command = executable();
    command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).env("CHANGEFEED_RETENTION_DAYS", days);
    command.stdin(Stdio::null());
    tokio::task::block_in_place(|| command.output().expect("changefeed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_counts_confirms_and_removes() {
    let world = World::new().await;
    world.handler().invoke_until_accepted(&batch_of(&[version("1", 300.0, 1), version("1", 200.0, 2)])).await;
    let json = |output: Output| -> Value { serde_json::from_slice(&output.stdout).expect("JSON") };
    let plan = json(run(&world, "30", &["retention", "--dry-run", "--output", "json"]));
    assert_eq!((&plan["versions"], &plan["dryRun"], &plan["retentionDays"]), (&json!(1), &json!(true), &json!(30)));
    let unconfirmed = run(&world, "30", &["retention"]);
    assert!(unconfirmed.status.code() == Some(1) && String::from_utf8_lossy(&unconfirmed.stderr).contains("--yes"));
    assert_eq!(numbers(&world, "1").await, [1, 2]);
    let off = run(&world, "", &["retention", "--yes"]);
    assert!(off.status.success() && String::from_utf8_lossy(&off.stdout).contains("all versions are kept"));
    let report = json(run(&world, "30", &["retention", "--yes", "--output", "json"]));
    assert_eq!((&report["versions"], &report["state"]), (&json!(1), &json!("done")));
    assert_eq!(numbers(&world, "1").await, [2]);
    let none_expired = run(&world, "30", &["retention"]);
    assert!(
        none_expired.status.success()
            && String::from_utf8_lossy(&none_expired.stdout).starts_with("found 0 expired versions")
    );
    let status = String::from_utf8_lossy(&run(&world, "30", &["status"]).stdout).into_owned();
    assert!(status.contains("Superseded versions are kept for 30 days; 1 removed so far"), "{status}");
    let wrong = run(&world, "0", &["status"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("allowed are whole numbers from 1 to 36500, or empty"));
}

#[tokio::test]
async fn a_restore_can_be_undone_within_the_retention_even_if_it_was_interrupted() {
    let world = World::new().await;
    let handler = handler(&world, "30");
    let live = world.put("a", json!({"id": "1", "pk": "a", "n": 9})).await;
    handler.invoke_until_accepted(&batch_of(&[version("1", 300.0, 1), version("1", 40.0, 2), live])).await;
    let first = world.versions().await.keys().next().expect("a version").clone();
    let request = json!({"id": "1", "partitionKey": ["a"], "version": first});
    let (status, report) = handler.post("/api/restores", &request).await;
    assert_eq!((status, &report["state"]), (StatusCode::OK, &json!("done")), "{report}");
    // As if the restore was killed after the write, before its end was recorded.
    let id = report["id"].as_str().expect("id").to_owned();
    let jobs = world.container("jobs").await;
    let mut record: Value = jobs.read_item(id.clone(), &id, None).await.expect("read").into_model().expect("record");
    record["state"] = json!("running");
    // A restore that has just begun may still be running, so its undo is refused.
    let begun = Utc::now() - TimeDelta::minutes(10);
    record["startedAt"] = json!(begun.to_rfc3339_opts(SecondsFormat::Millis, true));
    record["items"][0].as_object_mut().expect("an item").remove("restoredEtag");
    jobs.upsert_item(id.clone(), &id, &record, None).await.expect("upsert");

    assert!(sweep(&handler).await.starts_with("removed 0 expired"));
    assert!(world.versions().await.contains_key(&first));
    let (_, undone) = handler.post(&format!("/api/restores/{id}/undo"), &json!({})).await;
    assert_eq!(undone["state"], "done", "{undone}");
    assert_eq!(world.live("a", "1").await.expect("live")["n"], 9);

    // A restore that is older than the retention does not protect versions.
    record["startedAt"] = json!((Utc::now() - TimeDelta::days(32)).to_rfc3339_opts(SecondsFormat::Millis, true));
    jobs.upsert_item(id.clone(), &id, &record, None).await.expect("upsert");
    let mut progress: Value =
        jobs.read_item("retention", "retention", None).await.expect("read").into_model().expect("progress");
    progress["releasedTo"] = json!(Utc::now().timestamp() - 33 * DAY);
    jobs.upsert_item("retention", "retention", &progress, None).await.expect("upsert");
    assert!(sweep(&handler).await.starts_with("removed 1 expired"));
    let (_, undone) = handler.post(&format!("/api/restores/{id}/undo"), &json!({"dryRun": true})).await;
    let message = undone["items"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("expired"), "{undone}");
}

#[tokio::test]
async fn nothing_is_removed_while_the_clock_of_the_machine_is_wrong() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.retention_days = Some(30));
    for (minutes, words) in [(40 * 24 * 60, "ahead of"), (6, "ahead of"), (-6, "behind")] {
        let error =
            changefeed.retention.now(|| Utc::now() + TimeDelta::minutes(minutes)).await.expect_err("a wrong clock");
        assert!(error.to_string().contains(words) && error.to_string().contains("clock"), "{error}");
    }
    for minutes in [-4, 0, 4] {
        let now = changefeed.retention.now(|| Utc::now() + TimeDelta::minutes(minutes)).await.expect("a right clock");
        let behind = Utc::now() - now.time();
        assert!((TimeDelta::zero()..TimeDelta::seconds(30)).contains(&behind), "{behind}");
    }
}

#[tokio::test]
async fn concurrent_callers_share_a_measurement_of_the_clock() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let measurements = |requests: &[LoggedRequest]| {
        let is_measurement = |request: &&LoggedRequest| {
            request.kind == LoggedKind::Upsert && request.container.as_deref() == Some("jobs")
        };
        requests.iter().filter(is_measurement).count()
    };
    world.endpoint.take_requests();
    let clock = changefeed.history.clock();
    let times = futures::future::join_all((0..20).map(|_| clock.now())).await;
    assert!(times.iter().all(Result::is_ok), "{times:?}");
    assert_eq!(measurements(&world.endpoint.take_requests()), 1);
    let local = || Utc::now();
    let times = futures::future::join_all((0..20).map(|_| clock.now_if_local_agrees(local))).await;
    assert!(times.iter().all(Result::is_ok), "{times:?}");
    assert_eq!(measurements(&world.endpoint.take_requests()), 1, "it is measured again, once");
}

#[tokio::test]
async fn versions_within_the_retention_at_the_start_of_a_job_are_not_removed_before_its_end() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.retention_days = Some(30));
    capture(&changefeed, &[version("1", 40.0, 1), version("1", 29.9, 2), version("2", 40.0, 3), version("2", 29.9, 4)])
        .await;
    let sweep = async |hours: i64| {
        let now = ServiceTime::new(Utc::now() + TimeDelta::hours(hours));
        let request = SweepRequest { now, dry_run: false, time_limit: None };
        changefeed.retention.sweep(&request).await.expect("a report").versions
    };
    let restore = json!({"all": true, "asOf": "-43128m"});
    let restore = async || changefeed.restores.create_job(&restore_request(restore.clone())).await.expect("a job").id;
    let id = restore().await;
    assert_eq!(sweep(5).await, 0);
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    assert_eq!(world.live("a", "1").await.expect("live")["n"], 1);
    assert_eq!((sweep(5).await, numbers(&world, "1").await), (2, vec![2]));
    // A job without a worker does not protect versions indefinitely.
    capture(&changefeed, &[version("3", 40.0, 5), version("3", 29.5, 6)]).await;
    let _without_a_worker = restore().await;
    assert_eq!((sweep(20).await, sweep(26).await), (0, 1));
}

#[tokio::test]
async fn a_large_expired_restore_is_released_over_several_sweeps() {
    const COUNT: usize = 100;
    let world = World::new().await;
    let changefeed = world.changefeed(|options| (options.retention_days, options.jobs) = (Some(30), small_limits()));
    let changes: Vec<Value> = (0..COUNT).map(|n| version(&format!("item-{n}"), 100.0, n as i64)).collect();
    capture(&changefeed, &changes).await;
    let sweep = async |days: i64, time_limit| {
        let now = ServiceTime::new(Utc::now() + TimeDelta::days(days));
        changefeed.retention.sweep(&SweepRequest { now, dry_run: false, time_limit }).await.expect("a report")
    };
    assert_eq!(sweep(0, None).await.documents, COUNT as u64);
    let id = start_restore(&changefeed, json!({"all": true, "asOf": "-1d"})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done);
    assert_eq!(sweep(30, None).await.state, SweepState::Done);

    let slow = Effect::Delay(Duration::from_millis(60));
    world.endpoint.inject(Fault {
        container: Some("changes".into()),
        kind: RequestKind::Query,
        times: 10_000,
        effect: slow,
    });
    let (mut sweeps, mut documents, mut state) = (0, 0, SweepState::OutOfTime);
    while state == SweepState::OutOfTime {
        assert!(sweeps < 100, "the sweeps make no progress");
        let report = sweep(31, Some(Duration::from_secs(1))).await;
        (sweeps, documents, state) = (sweeps + 1, documents + report.documents, report.state);
    }
    assert_eq!(state, SweepState::Done);
    assert!(sweeps > 1, "one sweep was enough");
    // The page that a sweep was reading when its time ran out is read again.
    assert!((COUNT as u64..=(COUNT + sweeps * 5) as u64).contains(&documents), "{documents} in {sweeps} sweeps");
}
