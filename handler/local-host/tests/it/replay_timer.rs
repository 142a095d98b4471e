//! The requests of the real host for timers, replayed.

use serde_json::{Value, json};

use crate::recording;
use crate::test_host::{App, TestHost};

fn app(schedule: &str) -> App {
    let binding =
        json!({"type": "timerTrigger", "direction": "in", "name": "timer", "schedule": schedule, "runOnStartup": true});
    App::new(json!({})).with_function("Retention", json!({"bindings": [binding]}))
}

/// The body of the call at the start, and its head.
async fn first_call(schedule: &str) -> (Vec<String>, String) {
    let set = |options: &mut local_host::HostOptions| options.framing = local_host::Framing::Chunked;
    let host = TestHost::start_with(app(schedule), &[], set).await;
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
