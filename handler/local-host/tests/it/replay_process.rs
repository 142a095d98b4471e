//! The life of the process, replayed: ends of the handler, the pauses between retries, and the end of the host.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use changefeed_processor::Change;
use futures::future::join_all;
use local_host::{Delivery, HostFailure};
use serde_json::{Value, json};

use crate::cosmos_account::Account;
use crate::recording;
use crate::test_host::{App, Call, Process, TestHost, with_deadline};

/// Long enough for a restart of the handler, as the second of the recording was.
const RETRY_DELAY: &str = "00:00:00.7";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The number of the attempt, and the message of the exception of the one before.
async fn retry_of(call: &mut Call) -> (Value, Value) {
    let retry = &call.json().await["Metadata"]["RetryContext"];
    (retry["RetryCount"].clone(), retry["Exception"]["InnerException"]["Message"].clone())
}

async fn end(process: &mut Process, code: &Value) {
    match code.as_u64() {
        Some(code) => process.command(&format!("exit {code}")).await,
        None => {
            let kill = tokio::process::Command::new("kill").args(["-9", &process.pid().to_string()]).status().await;
            assert!(kill.expect("kill").success());
        }
    }
}

/// The handler ends during the first calls as often as in the row, and the last of its processes answers.
async fn replay_ends(retry: &Value, row: &Value) {
    let mut retry = retry.clone();
    retry["delayInterval"] = json!(RETRY_DELAY);
    let host = TestHost::start(App::new(json!({})).with_cosmos("CosmosChangeFeed", retry)).await;
    let (mut worker_ids, mut ports) = (BTreeSet::new(), BTreeSet::new());
    let mut observe = |process: &Process| {
        worker_ids.insert(process.variable("FUNCTIONS_CUSTOMHANDLER_WORKER_ID").to_owned());
        ports.insert(process.variable("FUNCTIONS_CUSTOMHANDLER_PORT").to_owned());
    };
    let exits = row["exits"].as_u64().expect("a number");
    let starts = row["processStarts"].as_u64().expect("a number");
    let changes: [Change; 0] = [];
    // A process ends when it is dropped here, so the last one is kept until its answer has arrived.
    let (delivery, _last) = tokio::join!(host.running.deliver("CosmosChangeFeed", &changes), async {
        let mut process = host.process().await;
        observe(&process);
        for (index, request) in list(&row["requests"]).iter().enumerate() {
            let mut call = host.call().await;
            assert_eq!(
                retry_of(&mut call).await,
                (request["retryCount"].clone(), request["exception"].clone()),
                "{row}"
            );
            let ended = index as u64 + 1;
            if ended > exits {
                call.succeed().await;
                continue;
            }
            end(&mut process, &row["exitCode"]).await;
            if ended < starts {
                process = host.process().await;
                observe(&process);
            }
        }
        process
    });
    let delivery = delivery.expect("a function");
    if row["hostExitCode"].is_null() {
        // Checkpointed, also after the last retry.
        let succeeded = starts > exits;
        assert_eq!(matches!(delivery, Delivery::Succeeded), succeeded, "{row}: {delivery:?}");
        assert_eq!(matches!(delivery, Delivery::Skipped(_)), !succeeded, "{row}: {delivery:?}");
        assert!(list(&row["leaseContinuations"]).iter().any(Value::is_string), "{row}");
    } else {
        let failure = with_deadline(host.running.failed()).await;
        assert!(matches!(failure, HostFailure::RestartLimit { errors: 3, .. }), "{row}: {failure}");
        assert_eq!(delivery, Delivery::Stopped, "{row}");
        assert!(list(&row["leaseContinuations"]).iter().all(Value::is_null), "{row}");
    }
    assert_eq!(json!(worker_ids.len()), row["workerIds"], "{row}");
    assert_eq!(json!(ports.len()), row["ports"], "{row}");
}

#[tokio::test]
async fn the_handler_is_restarted_after_the_same_exit_codes() {
    let recording = recording::read("crash-codes.json");
    let retry = &recording["functionJson"]["retry"];
    with_deadline(join_all(list(&recording["observed"]["table"]).iter().map(|row| replay_ends(retry, row)))).await;
}

/// The shortest and the longest pause before each retry, in shortest pauses.
const RETRY_PAUSES: [(f64, f64); 5] = [(1.0, 1.0), (1.8, 2.2), (2.6, 3.4), (4.2, 5.0), (5.0, 5.0)];
/// What the recording has on top of a pause: the call itself.
const CALL_SECONDS: f64 = 0.15;
/// A tenth of the recorded intervals.
const MINIMUM: Duration = Duration::from_millis(100);

#[tokio::test]
async fn retries_have_the_pauses_of_an_exponential_backoff() {
    let recording = recording::read("retry-exponential.json");
    let recorded: Vec<f64> =
        serde_json::from_value(recording["observed"]["secondsBetweenRequests"].clone()).expect("seconds");
    let mut retry = recording["functionJson"]["retry"].clone();
    (retry["minimumInterval"], retry["maximumInterval"]) = (json!("00:00:00.1"), json!("00:00:00.5"));
    let host = TestHost::start(App::new(json!({})).with_cosmos("Expo", retry)).await;
    let (delivery, pauses) = tokio::join!(host.running.deliver("Expo", &[]), async {
        let (mut answered, mut pauses) = (None::<Instant>, Vec::new());
        for recorded in list(&recording["answers"]) {
            let call = host.call().await;
            pauses.extend(answered.map(|answered| answered.elapsed()));
            let answer = (text(&recorded["status"]), ["Content-Type: application/json"], text(&recorded["body"]));
            // Before the answer, so that the pause cannot seem shorter than it was.
            answered = Some(Instant::now());
            call.answer(answer.0, &answer.1, answer.2).await;
        }
        pauses
    });
    assert_eq!(delivery.expect("a function"), Delivery::Succeeded);
    assert_eq!((recorded.len(), pauses.len()), (RETRY_PAUSES.len(), RETRY_PAUSES.len()));
    for ((recorded, pause), (least, most)) in recorded.iter().zip(&pauses).zip(RETRY_PAUSES) {
        assert!((least..=most + CALL_SECONDS).contains(recorded), "{recorded} is not in {least}..={most}");
        // A busy machine may take longer.
        assert!(
            *pause >= MINIMUM.mul_f64(least) && *pause < MINIMUM.mul_f64(most) + Duration::from_secs(2),
            "{pauses:?}"
        );
    }
}

/// A host on an account with a document, whose call is in progress if the row says so.
async fn replay_shutdown(row: &Value) {
    let account = Account::new().await;
    let retry = json!({"strategy": "exponentialBackoff", "maxRetryCount": -1, "minimumInterval": "00:00:01", "maximumInterval": "00:05:00"});
    let app = App::new(json!({})).with_trigger("CosmosChangeFeed", json!({"startFromBeginning": true}), retry);
    let host = TestHost::start_with(app, &[], |options| {
        account.connect(options);
        options.shutdown_timeout = Duration::from_secs(60);
    })
    .await;
    with_deadline(host.running.wait_until_ready()).await.expect("a host");
    let process = host.process().await;
    let mut call = None;
    if row["invocationInFlight"] == true {
        account.write(json!({"id": "1", "pk": "a"})).await;
        call = Some(host.call().await);
    }
    let TestHost { running, .. } = host;
    let mut stopping = std::pin::pin!(running.stop());
    let mut before = None;
    if let Some(call) = call {
        // The leases without a call are released at once; the handler lives until it has answered.
        let released = async {
            loop {
                let leases = account.leases().await;
                let mut owned = leases.into_iter().filter(|lease| !lease["Owner"].is_null());
                if let (Some(lease), None) = (owned.next(), owned.next()) {
                    return lease;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = &mut stopping => panic!("the host did not wait for the call"),
            lease = with_deadline(released) => before = Some(lease),
        }
        call.succeed().await;
    }
    with_deadline(stopping).await;
    process.ended().await;
    let leases = account.leases().await;
    let owners: Vec<&Value> = leases.iter().map(|lease| &lease["Owner"]).collect();
    assert_eq!(json!(owners), row["leaseOwners"], "{row}");
    if let Some(before) = before {
        // The recorded lease had no checkpoint before. The stand-in host may have stored where it started.
        assert!(list(&row["leaseContinuations"]).iter().all(Value::is_null), "{row}");
        let lease = leases.iter().find(|lease| lease["id"] == before["id"]).expect("the lease");
        assert_eq!(lease["ContinuationToken"], before["ContinuationToken"], "{row}");
    }
}

#[tokio::test]
async fn a_host_that_stops_waits_for_the_call_and_does_not_checkpoint_it() {
    let recording = recording::read("shutdown.json");
    // A program cannot react to SIGKILL. Signals to the host are those of the program around it.
    let rows = list(&recording["observed"]["table"]).iter().filter(|row| row["signalToTheHost"] != "SIGKILL");
    assert!(rows.clone().all(|row| row["signalsSeenByTheHandler"] == json!([])));
    join_all(rows.map(replay_shutdown)).await;
}
