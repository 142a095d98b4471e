//! The requests of the real host for batches, replayed: for the same documents the stand-in host sends the same bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use local_host::{Delivery, Framing, HostOptions};
use serde_json::{Value, json};

use crate::recording;
use crate::test_host::{App, Call, TestHost};

const SCENARIOS: [&str; 14] = [
    "latest-version-plain",
    "core-tools-framing",
    "hierarchical-key",
    "no-key-value",
    "jobs-trigger",
    "no-retry-policy",
    "retry-exponential",
    "retry-fixed-delay",
    "retry-other-failures",
    "retry-exhausted",
    "all-versions-create-replace-delete-expire",
    "all-versions-create-replace-delete-expire-without-previous",
    "all-versions-live-documents",
    "poison-stops-the-partition",
];
const WITH_OTHER_KEYS: [&str; 2] = ["all-versions-hierarchical-key", "all-versions-no-key-value"];

/// The app of a recording, with short delays.
fn app(recording: &Value, function: &str) -> App {
    let binding = &recording["functionJson"]["bindings"][0];
    let mut retry = recording["functionJson"]["retry"].clone();
    for (name, delay) in
        [("delayInterval", "00:00:00.01"), ("minimumInterval", "00:00:00.01"), ("maximumInterval", "00:00:00.05")]
    {
        if retry[name].is_string() {
            retry[name] = json!(delay);
        }
    }
    let trigger = json!({"name": binding["name"], "changeFeedMode": binding["changeFeedMode"].as_str().unwrap_or("LatestVersion")});
    App::new(json!({})).with_trigger(function, trigger, retry)
}

async fn start(app: App, change: impl FnOnce(&mut HostOptions)) -> TestHost {
    TestHost::start_with(app, &[], change).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn head(request: &Value) -> Vec<String> {
    request["head"].as_array().expect("lines").iter().map(|line| text(line).to_owned()).collect()
}

/// Gives the recorded answer.
async fn answer(call: Call, answer: &Value) {
    if answer["close"] == true {
        return drop(call);
    }
    let headers = answer["headers"].as_object().expect("headers");
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    call.answer(text(&answer["status"]), &headers, text(&answer["body"])).await;
}

/// Sends the batches of a recording to the handler, gives the recorded answers and compares the requests.
async fn replay(name: &str) {
    let recording = recording::read(&format!("{name}.json"));
    let requests = recording["requests"].as_array().expect("requests");
    let answers = recording["answers"].as_array().expect("answers");
    let first_line = text(&requests[0]["head"][0]);
    let function =
        first_line.strip_prefix("POST /").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).expect("a function");
    let chunked = requests[0]["framing"] == "chunked";
    let framing = if chunked { Framing::Chunked } else { Framing::ContentLength };
    let host = start(app(&recording, function), |options| options.framing = framing).await;
    let stored = recording::stored_by_etag(&recording);
    let attempts: Vec<(&Value, &Value)> = requests.iter().zip(answers).collect();
    let invocation = |request: &Value| text(&request["head"][3]).to_owned();
    for attempts in attempts.chunk_by(|(one, _), (other, _)| invocation(one) == invocation(other)) {
        let batch = recording::batch(text(&attempts[0].0["body"]));
        let changes = recording::changes(&stored, &batch);
        let (delivery, ()) = tokio::join!(host.running.deliver(function, &changes), async {
            for (request, recorded_answer) in attempts {
                let mut call = host.call().await;
                let found = call.head.clone();
                let body = String::from_utf8(call.body().await).expect("UTF-8");
                // The time in a body has up to seven digits after the point.
                let of_body = |line: &String, body: &str| {
                    line.replace(&format!("Length: {}", body.len()), "Length: (of the body)")
                };
                let found: Vec<String> = found.iter().map(|line| of_body(line, &body)).collect();
                let recorded: Vec<String> =
                    head(request).iter().map(|line| of_body(line, text(&request["body"]))).collect();
                assert_eq!(recording::comparable_head(&found), recording::comparable_head(&recorded), "{name}");
                let expected = recording::comparable_body(text(&request["body"]));
                assert_eq!(recording::comparable_body(&body), expected, "{name}");
                answer(call, recorded_answer).await;
            }
        });
        let succeeds = text(&attempts[attempts.len() - 1].1["status"]).starts_with("200");
        assert_eq!(delivery.expect("a function") == Delivery::Succeeded, succeeds, "{name}");
    }
}

#[tokio::test]
async fn the_same_documents_lead_to_the_same_requests() {
    for name in SCENARIOS.into_iter().chain(WITH_OTHER_KEYS) {
        replay(name).await;
    }
}

#[tokio::test]
async fn ids_and_keys_that_look_like_dates_are_delivered_as_by_the_real_host_in_two_time_zones() {
    for (name, zone) in
        [("date-like-ids-and-keys.json", "UTC"), ("date-like-ids-and-keys-new-york.json", "America/New_York")]
    {
        let recording = recording::read(name);
        let stored = recording::stored_by_etag(&recording);
        let app = App::new(json!({})).with_trigger(
            "OnChange",
            json!({"changeFeedMode": "AllVersionsAndDeletes"}),
            Value::Null,
        );
        let host = start(app, |options| options.time_zone = zone.parse().expect("a zone")).await;
        for batch in recording["batches"].as_array().expect("batches") {
            let changes = recording::changes(&stored, text(batch));
            let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &changes), async {
                let mut call = host.call().await;
                let body = String::from_utf8(call.body().await).expect("UTF-8");
                assert_eq!(recording::batch(&body), text(batch), "{name}");
                call.succeed().await;
            });
            assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
        }
    }
}

#[tokio::test]
async fn a_large_document_is_sent_in_chunks_of_a_kilobyte() {
    let recording = recording::read("two-megabyte-document.json");
    let request = &recording["requests"][0];
    let observed = &recording["observed"];
    let expected = text(&observed["bodyWithTheTextShortened"]).replace("<2000000 times x>", &"x".repeat(2_000_000));
    assert_eq!(request["bodyBytes"], expected.len());
    let host = start(app(&recording, "CosmosChangeFeed"), |options| options.framing = Framing::Chunked).await;
    let changes = recording::changes(&BTreeMap::new(), &recording::batch(&expected));
    let (delivery, ()) = tokio::join!(host.running.deliver("CosmosChangeFeed", &changes), async {
        let mut call = host.call().await;
        assert_eq!(recording::comparable_head(&call.head), recording::comparable_head(&head(request)));
        let mut chunks = Vec::new();
        while let Some(chunk) = call.chunk().await {
            chunks.push(chunk);
        }
        let (last, others) = chunks.split_last().expect("chunks");
        assert!(others.iter().all(|chunk| chunk.len() == 1024) && last.len() <= 1024);
        // The time in the body has up to seven digits after the point.
        let count = observed["chunks"].as_u64().expect("a number");
        assert!((count - 1..=count + 1).contains(&(chunks.len() as u64)), "{} chunks", chunks.len());
        let body = String::from_utf8(chunks.concat()).expect("UTF-8");
        assert!(recording::comparable_body(&body) == recording::comparable_body(&expected), "another body");
        call.succeed().await;
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn a_readiness_probe_has_only_its_host() {
    let recording = recording::read("startup-and-ping.json");
    let expected = recording::comparable_head(&head(&recording["requests"][0]));
    let host = start(App::new(json!({})).with_cosmos("OnChange", Value::Null), |_| ()).await;
    host.running.wait_until_handler_ready().await.expect("a handler");
    let probe = tokio::time::timeout(Duration::from_secs(30), host.probe()).await.expect("a probe");
    assert_eq!(recording::comparable_head(&probe), expected);
}
