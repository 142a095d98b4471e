//! The requests of the real host for timers, replayed.

use std::path::Path;

use serde_json::{Value, json};

use crate::recording;
use crate::test_host::{App, TestHost, with_deadline};

fn app(schedule: &str, run_on_startup: bool) -> App {
    let binding = json!({"type": "timerTrigger", "direction": "in", "name": "timer", "schedule": schedule,
        "runOnStartup": run_on_startup});
    App::new(json!({})).with_function("Retention", json!({"bindings": [binding]}))
}

/// Starts a host that stores the status of its timers in this folder.
async fn start_again(app: App, folder: &Path) -> TestHost {
    TestHost::start_with(app, &[], |options| options.timer_status_folder = Some(folder.to_owned())).await
}

/// The timer of the next call, which succeeds.
async fn next_timer(host: &TestHost) -> Value {
    let mut call = host.call().await;
    let body = call.json().await;
    call.succeed().await;
    body["Data"]["timer"].clone()
}

/// The body of the call at the start, and its head.
async fn first_call(schedule: &str) -> (Vec<String>, String) {
    let set = |options: &mut local_host::HostOptions| options.framing = local_host::Framing::Chunked;
    let host = TestHost::start_with(app(schedule, true), &[], set).await;
    let mut call = host.call().await;
    let body = String::from_utf8(call.body().await).expect("UTF-8");
    let head = call.head.clone();
    call.succeed().await;
    (head, body)
}

#[tokio::test]
async fn a_call_has_the_bytes_of_the_real_host_apart_from_times() {
    let recording = recording::read("timer.json");
    let request = &recording["requests"][0];
    let (head, body) = first_call("0 * * * * *").await;
    let expected: Vec<String> = serde_json::from_value(request["head"].clone()).expect("lines");
    assert_eq!(recording::comparable_head(&head), recording::comparable_head(&expected));
    let comparable = |body: &str| {
        let value: Value = serde_json::from_str(body).expect("JSON");
        let next = value["Data"]["timer"]["ScheduleStatus"]["Next"].as_str().expect("a time").to_owned();
        assert!(next.ends_with(":00+00:00"), "{next}");
        recording::comparable_body(&body.replace(&next, "next"))
    };
    assert_eq!(comparable(&body), comparable(request["body"].as_str().expect("a text")));
}

#[tokio::test]
async fn a_schedule_of_seconds_has_no_status() {
    let expected = recording::read("timer.json")["observed"]["everyFiveSeconds"]["data"][0].clone();
    let (_, body) = first_call("*/5 * * * * *").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["Data"], expected);
}

#[tokio::test]
async fn a_call_that_was_missed_while_the_host_was_stopped_is_past_due() {
    let recording = recording::read("timer.json");
    let recorded = text(&recording["requests"][2]["body"]);
    let expected: Value = serde_json::from_str(recorded).expect("JSON");
    let expected = &expected["Data"]["timer"];
    assert_eq!(expected["IsPastDue"], true);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("Retention.json");
    let status = json!({"last": expected["ScheduleStatus"]["Last"], "next": expected["ScheduleStatus"]["Next"]});
    std::fs::write(&file, status.to_string()).expect("a file");

    let host = start_again(app("0 * * * * *", false), folder.path()).await;
    let mut call = host.call().await;
    let body = String::from_utf8(call.body().await).expect("UTF-8");
    assert_eq!(recording::comparable_body(&body), recording::comparable_body(recorded));
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON")["Data"]["timer"], *expected);
    call.succeed().await;
    let stored = || serde_json::from_slice::<Value>(&std::fs::read(&file).expect("a file")).expect("JSON");
    with_deadline(async {
        while stored() == status {
            tokio::task::yield_now().await;
        }
    })
    .await;
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn the_next_start_knows_the_last_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("Retention.json");
    let first = start_again(app("0 0 0 29 2 *", true), folder.path()).await;
    assert_eq!(next_timer(&first).await["ScheduleStatus"]["Last"], "0001-01-01T00:00:00+00:00");
    with_deadline(async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    with_deadline(first.running.stop()).await;
    let stored: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");

    let second = start_again(app("0 0 0 29 2 *", true), folder.path()).await;
    let timer = next_timer(&second).await;
    let seconds = |time: &Value| text(time).split('.').next().expect("a part").to_owned();
    assert_eq!(seconds(&timer["ScheduleStatus"]["Last"]), seconds(&stored["last"]));
    assert_eq!(timer["IsPastDue"], false);
    with_deadline(second.running.stop()).await;
}

#[tokio::test]
async fn a_schedule_is_in_the_time_zone_of_the_host() {
    let zone = "America/New_York";
    let set = |options: &mut local_host::HostOptions| options.time_zone = zone.parse().expect("a zone");
    let host = TestHost::start_with(app("0 30 9 1 1 *", true), &[], set).await;
    let next = next_timer(&host).await["ScheduleStatus"]["Next"].clone();
    assert!(text(&next).ends_with("-01-01T09:30:00-05:00"), "{next}");
}

#[tokio::test]
async fn a_time_span_as_schedule_is_not_adjusted_for_summer_time() {
    let host = TestHost::start(app("01:00:00", true)).await;
    assert_eq!(next_timer(&host).await["Schedule"], json!({"AdjustForDST": false}));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
