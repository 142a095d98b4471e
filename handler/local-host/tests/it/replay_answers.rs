//! Answers of handlers, replayed: the stand-in host makes the same of each as the real host.

use std::time::Duration;

use local_host::{Delivery, InvocationError};
use serde_json::{Value, json};

use crate::captured_log;
use crate::recording;
use crate::test_host::{App, TestHost};

#[tokio::test]
async fn every_recorded_answer_has_the_same_outcome() {
    captured_log::start();
    let host = TestHost::start(App::new(json!({})).with_cosmos("Answers", Value::Null)).await;
    for row in recording::read("answer-table.json").as_array().expect("rows") {
        let (case, answer) = (&row["case"], &row["answer"]);
        let (delivery, ()) = tokio::join!(host.running.deliver("Answers", &[]), async {
            let mut call = host.call().await;
            call.body().await;
            if answer["close"] == true {
                return drop(call);
            }
            let headers = answer["headers"].as_object().expect("headers");
            let chunked = headers.contains_key("Transfer-Encoding");
            let mut headers: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {}", value.as_str().expect("a text"))).collect();
            let body = answer["body"].as_str().expect("a text");
            if !chunked {
                headers.push(format!("Content-Length: {}", body.len()));
            }
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            call.head(answer["status"].as_str().expect("a text"), &headers).await;
            call.send(body).await;
            call.done();
            for expected in row["followedTo"].as_array().expect("requests") {
                let call = host.call().await;
                assert_eq!(json!(call.head[0]), *expected, "{case}");
                call.succeed().await;
            }
        });
        let delivery = delivery.expect("a function");
        assert_eq!(delivery == Delivery::Succeeded, row["outcome"] == "Succeeded", "{case}: {delivery:?}");
        let exceptions = row["exceptions"].to_string();
        match delivery {
            Delivery::Skipped(InvocationError::InvalidResponse(invalid)) => {
                let problem = json!(invalid.problem.to_string()).to_string();
                assert!(exceptions.contains(problem.trim_matches('"')), "{case}: {problem} instead of {exceptions}");
            }
            Delivery::Skipped(error @ InvocationError::Status { .. }) => {
                assert!(exceptions.contains(&error.to_string()), "{case}: {error} instead of {exceptions}");
            }
            _ => {}
        }
        for line in row["logged"].as_array().expect("lines") {
            let line = format!("Answers: {}", line.as_str().expect("a text"));
            assert!(!captured_log::entries(&line).is_empty(), "{case}: {line}");
        }
    }
}

#[tokio::test]
async fn an_empty_answer_hangs_until_the_timeout_and_the_retry_has_a_new_process() {
    let recording = recording::read("empty-answer-hangs.json");
    let mut retry = recording["functionJson"]["retry"].clone();
    retry["delayInterval"] = json!("00:00:00.01");
    let app = App::new(json!({})).with_cosmos("CosmosChangeFeed", retry);
    let timeout = Duration::from_secs(1);
    let host = TestHost::start_with(app, &[], |options| options.function_timeout = Some(timeout)).await;
    let first = host.process().await;
    let (delivery, ()) = tokio::join!(host.running.deliver("CosmosChangeFeed", &[]), async {
        for (request, answer) in recording["requests"]
            .as_array()
            .expect("requests")
            .iter()
            .zip(recording["answers"].as_array().expect("answers"))
        {
            let mut call = host.call().await;
            let (found, recorded) = (call.json().await, request["body"].as_str().expect("a text"));
            let recorded: Value = serde_json::from_str(recorded).expect("JSON");
            let count = |body: &Value| body["Metadata"]["RetryContext"]["RetryCount"].clone();
            assert_eq!(count(&found), count(&recorded));
            let body = answer["body"].as_str().expect("a text");
            call.answer(answer["status"].as_str().expect("a text"), &["Content-Type: application/json"], body).await;
        }
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
    first.ended().await;
    host.process().await;
}
