//! Batches of a Cosmos DB trigger: body, framing, retries and responses.

use std::time::Duration;

use changefeed_processor::Change;
use local_host::{Delivery, Framing, InvocationError};
use serde_json::{Value, json};

use crate::captured_log::{self, Entry};
use crate::test_host::{App, TestHost, with_deadline};

fn app() -> App {
    App::new(json!({})).with_cosmos("OnChange", Value::Null)
}

fn app_with_retry(retry: Value) -> App {
    App::new(json!({})).with_cosmos("OnChange", retry)
}

fn fixed_delay(max_retry_count: i64) -> Value {
    json!({"strategy": "fixedDelay", "maxRetryCount": max_retry_count, "delayInterval": "00:00:00.01"})
}

/// A batch of LatestVersion mode.
fn changes(documents: &[Value]) -> Vec<Change> {
    documents.iter().map(|document| Change { current: Some(document.clone()), ..Change::default() }).collect()
}

/// The documents in the body of an invocation.
fn documents(body: &Value) -> Value {
    let once = body["Data"]["documents"].as_str().expect("a string");
    let twice: String = serde_json::from_str(once).expect("a string in a string");
    serde_json::from_str(&twice).expect("an array in a string in a string")
}

#[tokio::test]
async fn a_batch_is_posted_to_the_function_with_the_hosts_headers_and_encoded_three_times() {
    let host = TestHost::start(app()).await;
    let batch = [json!({"id": "1", "at": "2024-01-01T10:00:00.000+02:00"}), json!({"id": "2", "n": 1e2})];
    let delivered = changes(&batch);
    let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &delivered), async {
        let mut call = host.call().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/OnChange"));
        assert_eq!(call.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(call.header("x-azure-functions-hostversion").is_some_and(|version| version.starts_with("4.")));
        assert!(call.header("user-agent").is_some_and(|agent| agent.starts_with("Azure-Functions-Host/4.")));
        assert_eq!(call.header("x-azure-functions-invocationid").map(str::len), Some(36));
        let body = call.json().await;
        assert_eq!(documents(&body), json!([{"id": "1", "at": "2024-01-01T08:00:00+00:00"}, {"id": "2", "n": 100.0}]));
        assert_eq!(body["Metadata"]["sys"]["MethodName"], "OnChange");
        assert_eq!(body["Metadata"].get("RetryContext"), None);
        call.succeed().await;
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn the_framing_of_bodies_alternates_by_default() {
    for (framing, expected) in [
        (Framing::Alternate, ["chunked", "length", "chunked", "length"]),
        (Framing::Chunked, ["chunked"; 4]),
        (Framing::ContentLength, ["length"; 4]),
    ] {
        let host = TestHost::start_with(app(), &[], |options| options.framing = framing).await;
        let text = "x".repeat(100_000);
        for expected in expected {
            let batch = [json!({"id": "1", "text": text})];
            let delivered = changes(&batch);
            let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &delivered), async {
                let mut call = host.call().await;
                let (chunked, length) = (call.header("transfer-encoding"), call.header("content-length"));
                let framing = if chunked.is_some() { "chunked" } else { "length" };
                assert_eq!((framing, chunked.is_some()), (expected, length.is_none()));
                assert_eq!(documents(&call.json().await), json!(batch));
                call.succeed().await;
            });
            assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
        }
    }
}

#[tokio::test]
async fn a_failure_without_a_retry_policy_skips_the_batch() {
    let host = TestHost::start(app()).await;
    let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
        let mut call = host.call().await;
        call.body().await;
        call.answer("503 Service Unavailable", &["Content-Type: application/json"], "{}").await;
    });
    let error = InvocationError::Status { status: 503, reason: "Service Unavailable".to_owned() };
    assert_eq!(delivery.expect("a function"), Delivery::Skipped(error));
}

#[tokio::test]
async fn attempts_share_one_invocation_id_and_carry_the_previous_error() {
    let host = TestHost::start(app_with_retry(fixed_delay(2))).await;
    let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
        let mut ids = Vec::new();
        for attempt in 0..3 {
            let mut call = host.call().await;
            ids.push(call.header("x-azure-functions-invocationid").map(str::to_owned));
            let retry = &call.json().await["Metadata"]["RetryContext"];
            assert_eq!((&retry["RetryCount"], &retry["MaxRetryCount"]), (&json!(attempt), &json!(2)));
            assert_eq!((&retry["Instance"], &retry["State"]), (&Value::Null, &json!({})));
            let exception = &retry["Exception"];
            match attempt {
                0 => assert_eq!(exception, &Value::Null),
                _ => {
                    let class = "Microsoft.Azure.WebJobs.Host.FunctionInvocationException";
                    assert_eq!(exception["ClassName"], class);
                    assert_eq!(
                        exception["InnerException"]["Message"],
                        "Response status code does not indicate success: 500 (Internal Server Error)."
                    );
                    assert!(exception["StackTraceString"].is_string() && exception["WatsonBuckets"].is_null());
                }
            }
            match attempt {
                2 => call.succeed().await,
                _ => call.answer("500 Internal Server Error", &[], "").await,
            }
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn a_batch_is_skipped_after_its_retries_and_each_batch_has_its_own() {
    let host = TestHost::start(app_with_retry(fixed_delay(1))).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
            for attempt in 0..2 {
                let mut call = host.call().await;
                assert_eq!(call.json().await["Metadata"]["RetryContext"]["RetryCount"], attempt);
                ids.push(call.header("x-azure-functions-invocationid").map(str::to_owned));
                call.answer("400 Bad Request", &["Content-Type: text/plain"], "no").await;
            }
        });
        assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Status { status: 400, .. }))));
    }
    assert!(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn the_retry_policy_of_host_json_is_the_default() {
    let app =
        App::new(json!({"retry": fixed_delay(7)})).with_cosmos("Own", fixed_delay(3)).with_cosmos("Other", Value::Null);
    let host = TestHost::start(app).await;
    for (function, expected) in [("Own", 3), ("Other", 7)] {
        let (delivery, ()) = tokio::join!(host.running.deliver(function, &[]), async {
            let mut call = host.call().await;
            assert_eq!(call.json().await["Metadata"]["RetryContext"]["MaxRetryCount"], expected);
            call.succeed().await;
        });
        assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
    }
}

#[tokio::test]
async fn unlimited_retries_continue_until_the_host_stops() {
    let host = TestHost::start(app_with_retry(fixed_delay(-1))).await;
    let delivery = host.running.deliver("OnChange", &[]);
    let attempts = async {
        for attempt in 0..5 {
            let mut call = host.call().await;
            let retry = &call.json().await["Metadata"]["RetryContext"];
            assert_eq!((&retry["RetryCount"], &retry["MaxRetryCount"]), (&json!(attempt), &json!(-1)));
            call.answer("500 Internal Server Error", &[], "").await;
        }
    };
    tokio::select! {
        delivery = delivery => panic!("{delivery:?}"),
        () = attempts => {}
    }
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn invalid_responses_fail_the_invocation() {
    let host = TestHost::start(app()).await;
    for (headers, body, problem) in [
        (vec!["Content-Type: text/plain"], "{}", "media type 'text/plain'"),
        (vec![], "{}", "media type 'application/octet-stream'"),
        (vec!["Content-Type: application/json"], "{", "Unexpected end when reading JSON"),
        (vec!["Content-Type: application/json"], "[]", "requires a JSON object"),
        (vec!["Content-Type: application/json"], r#"{"Logs":[{}]}"#, "Logs"),
        (vec!["Content-Type: application/json"], r#"{"Outputs":[]}"#, "IDictionary"),
    ] {
        let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
            let mut call = host.call().await;
            call.body().await;
            call.answer("200 OK", &headers, body).await;
        });
        let Ok(Delivery::Skipped(InvocationError::InvalidResponse(error))) = delivery else { panic!("{delivery:?}") };
        assert!(error.problem.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn the_logs_of_a_success_are_logged_and_those_of_a_failure_are_not() {
    captured_log::start();
    let host = TestHost::start(App::new(json!({})).with_cosmos("Logging", Value::Null)).await;
    for (status, text) in [("200 OK", "stored 17 versions"), ("500 Internal Server Error", "stored 18 versions")] {
        let (delivery, ()) = tokio::join!(host.running.deliver("Logging", &[]), async {
            let body = json!({"Outputs": {}, "Logs": [text], "ReturnValue": null}).to_string();
            host.call().await.answer(status, &["Content-Type: application/json"], &body).await;
        });
        delivery.expect("a function");
    }
    let message = "Logging: stored 17 versions".to_owned();
    let expected = Entry { target: "function".to_owned(), level: log::Level::Info, message };
    assert_eq!(captured_log::entries("stored 17 versions"), [expected]);
    assert_eq!(captured_log::entries("stored 18 versions"), []);
    let warnings = captured_log::entries("Lease 0 encountered an unhandled user exception during processing.");
    assert!(warnings.iter().any(|entry| entry.level == log::Level::Warn));
}

#[tokio::test]
async fn a_broken_connection_fails_the_invocation() {
    let host = TestHost::start(app()).await;
    let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
        let mut call = host.call().await;
        call.body().await;
        drop(call);
    });
    assert!(matches!(delivery, Ok(Delivery::Skipped(InvocationError::Transport(_)))), "{delivery:?}");
}

#[tokio::test]
async fn a_null_response_hangs_until_the_timeout_which_kills_the_handler_without_counting_an_error() {
    let timeout = Duration::from_millis(200);
    let set = |options: &mut local_host::HostOptions| {
        options.function_timeout = Some(timeout);
        options.restart_limit = Some(2);
    };
    let host = TestHost::start_with(app(), &[], set).await;
    let responses = [("204 No Content", ""), ("200 OK", ""), ("200 OK", "null"), ("200 OK", " \n")];
    for (status, body) in responses {
        let process = host.process().await;
        let (delivery, ()) = tokio::join!(host.running.deliver("OnChange", &[]), async {
            let mut call = host.call().await;
            call.body().await;
            call.answer(status, &["Content-Type: application/json"], body).await;
        });
        assert_eq!(
            delivery.expect("a function"),
            Delivery::Skipped(InvocationError::Timeout(timeout)),
            "{status} {body}"
        );
        process.ended().await;
    }
    host.process().await;
    let (delivery, ()) =
        tokio::join!(host.running.deliver("OnChange", &[]), async { host.call().await.succeed().await });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
}

#[tokio::test]
async fn a_stop_abandons_the_batch_in_flight() {
    let host = TestHost::start(app_with_retry(fixed_delay(-1))).await;
    let delivery = host.running.deliver("Other", &[]).await;
    assert!(delivery.expect_err("no function").to_string().contains("no function Other"));
    let call = {
        let delivery = host.running.deliver("OnChange", &[]);
        tokio::select! {
            delivery = delivery => panic!("{delivery:?}"),
            call = host.call() => call,
        }
    };
    with_deadline(host.running.stop()).await;
    call.abandoned().await;
}
