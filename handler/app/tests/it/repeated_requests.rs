//! Requests that the Functions host sends again, because the connection closed before the answer: with the same invocation id, a POST
//! without a body up to 10 times, a DELETE too. Nothing happens twice, and the answer is the same.

use std::io::Write;
use std::net::TcpStream;

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::all_routes::routes;
use crate::support::{DEADLINE, Handler, World, batch_of, until, version_id};

const INVOCATION: &str = "9b2d7c1e-0000-4000-8000-00000000000a";
const OTHER_INVOCATION: &str = "9b2d7c1e-0000-4000-8000-00000000000b";

/// What a repetition of a request without a body can do.
enum Repetition {
    /// Nothing: without a body the request is refused, or it only reads.
    Nothing,
    /// Nothing new: batches are delivered again at any time, a timer calls again, and other tests do both.
    Delivery,
    /// It would do something twice.
    Effects(&'static [Story]),
}

/// The state in which a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Verify,
    CancelVerification,
    CancelRestore,
    CancelBackup,
    CancelDigests,
    ExecutePlan,
    Undo,
    UndoInConflict,
    Replay,
    ReplayInVain,
    Discard,
}

/// Every route that a POST or a DELETE can change something by is decided here.
fn repetition(method: &Method, path: &str) -> Repetition {
    use Repetition::{Delivery, Effects, Nothing};
    match (method.as_str(), path) {
        ("POST", "/CosmosChangeFeed" | "/CosmosChangeFeedAllVersions" | "/Retention" | "/RunJobs" | "/WatchLeases") => {
            Delivery
        }
        ("POST", "/BackupPolicy" | "/CosmosChangeFeed_none" | "/CosmosChangeFeedAllVersions_none") => Delivery,
        // Setting the same policy again changes nothing.
        ("PUT", "/api/backup-policy") => Nothing,
        // Removing it again has the same answer.
        ("DELETE", "/api/backup-policy") => Delivery,
        ("POST", "/api/populate" | "/api/truncate" | "/api/query" | "/api/restores" | "/api/backups") => Nothing,
        ("POST", "/api/backups/none/verify" | "/api/erasures" | "/api/erasures/lift" | "/api/digests") => Nothing,
        // Without the number of backups, nothing is deleted.
        ("POST", "/api/backups/prune") => Nothing,
        ("POST", "/api/verify") => Effects(&[Story::Verify]),
        ("POST", "/api/verify/none/cancel") => Effects(&[Story::CancelVerification]),
        ("POST", "/api/restores/none/cancel") => Effects(&[Story::CancelRestore]),
        ("POST", "/api/backups/none/cancel") => Effects(&[Story::CancelBackup]),
        ("POST", "/api/digests/none/cancel") => Effects(&[Story::CancelDigests]),
        ("POST", "/api/restores/none/execute") => Effects(&[Story::ExecutePlan]),
        ("POST", "/api/restores/none/undo") => Effects(&[Story::Undo, Story::UndoInConflict]),
        ("POST", "/api/dead-letters/none/replay") => Effects(&[Story::Replay, Story::ReplayInVain]),
        ("DELETE", "/api/dead-letters/none") => Effects(&[Story::Discard]),
        other => panic!("{other:?}: decide what a repetition does"),
    }
}

/// Every POST and DELETE.
fn requests() -> Vec<(Method, String)> {
    let all =
        routes().into_iter().flat_map(|(path, methods)| methods.into_iter().map(move |method| (method, path.clone())));
    all.filter(|(method, _)| ![Method::GET, Method::HEAD].contains(method)).collect()
}

/// Every item of the containers, with its etag.
async fn stored(world: &World) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for container in ["events", "changes", "jobs", "dead-letters"] {
        let mut items = world.query(container, "SELECT * FROM c").await;
        items.sort_by_key(|item| item["id"].to_string());
        all.extend(items.into_iter().map(|item| (container, item)));
    }
    all
}

/// Puts a document and captures it; returns the id of its version.
async fn put(world: &World, handler: &Handler, n: u32) -> String {
    let stored = world.put("a", json!({"id": "1", "pk": "a", "n": n})).await;
    handler.invoke(&batch_of(std::slice::from_ref(&stored)), false).await;
    version_id(&stored)
}

async fn id_of(handler: &Handler, path: &str, body: Value) -> String {
    let (status, answer) = handler.post(path, &body).await;
    assert!(status.is_success(), "{path}: {answer}");
    answer["id"].as_str().expect("id").to_owned()
}

/// The id of the only dead letter.
async fn dead_letter_id(handler: &Handler) -> String {
    let (_, letters) = handler.get("/api/dead-letters").await;
    letters["items"][0]["id"].as_str().expect("a dead letter").to_owned()
}

/// The id of a small restore of a document that has changed.
async fn restored(world: &World, handler: &Handler) -> String {
    let version = put(world, handler, 1).await;
    put(world, handler, 2).await;
    id_of(handler, "/api/restores", json!({"id": "1", "partitionKey": ["a"], "version": version})).await
}

/// The id of a dry run that is a job and has been planned.
async fn planned(world: &World, handler: &Handler) -> String {
    put(world, handler, 1).await;
    let request = json!({"all": true, "asOf": "-0s", "dryRun": true, "job": true});
    let id = id_of(handler, "/api/restores", request).await;
    loop {
        let job = world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await;
        if job[0]["state"] == "planned" {
            return id;
        }
        handler.invoke_function("RunJobs", &batch_of(&job), false).await;
    }
}

impl Story {
    /// The path of the request, when everything is in place for it.
    async fn begin(self, world: &World, handler: &Handler, folder: &tempfile::TempDir) -> String {
        let all = json!({"all": true, "asOf": 2000, "job": true});
        match self {
            Self::Verify => "/api/verify".to_owned(),
            Self::CancelVerification => {
                format!("/api/verify/{}/cancel", id_of(handler, "/api/verify", json!({})).await)
            }
            Self::CancelRestore => format!("/api/restores/{}/cancel", id_of(handler, "/api/restores", all).await),
            Self::CancelBackup => {
                let to = folder.path().join("backup");
                let request = serde_json::from_value(json!({ "to": to })).expect("a request");
                let backup = world.changefeed(|_| ()).backups.create_job(&request).await.expect("a job");
                format!("/api/backups/{}/cancel", backup.id)
            }
            Self::CancelDigests => {
                let request = serde_json::from_value(json!({ "to": folder.path() })).expect("a request");
                let job = world.changefeed(|_| ()).digests.create_job(&request).await.expect("a job");
                format!("/api/digests/{}/cancel", job.id)
            }
            Self::ExecutePlan => format!("/api/restores/{}/execute", planned(world, handler).await),
            Self::Undo => format!("/api/restores/{}/undo", restored(world, handler).await),
            Self::UndoInConflict => {
                let restore = restored(world, handler).await;
                put(world, handler, 3).await;
                format!("/api/restores/{restore}/undo")
            }
            Self::Replay => {
                let effect = Effect::Status { status: 413, substatus: 0 };
                let container = Some("changes".to_owned());
                world.endpoint.inject(Fault { container, kind: RequestKind::Write, times: 1, effect });
                put(world, handler, 1).await;
                format!("/api/dead-letters/{}/replay", dead_letter_id(handler).await)
            }
            Self::ReplayInVain => {
                handler.invoke("[5]", false).await;
                format!("/api/dead-letters/{}/replay", dead_letter_id(handler).await)
            }
            Self::Discard => {
                handler.invoke("[5]", false).await;
                format!("/api/dead-letters/{}", dead_letter_id(handler).await)
            }
        }
    }

    /// Whether the request has had its effect exactly once.
    fn is_done_once(self, stored: &[(&str, Value)]) -> bool {
        let count = |container: &str, is_effect: &dyn Fn(&Value) -> bool| {
            stored.iter().filter(|(found, item)| *found == container && is_effect(item)).count()
        };
        let letters = |is_effect: &dyn Fn(&Value) -> bool| {
            count("dead-letters", &|item| item["capturedAt"].is_string() && is_effect(item))
        };
        match self {
            Self::Verify => count("jobs", &|job| job["kind"] == "verify") == 1,
            Self::CancelVerification | Self::CancelRestore | Self::CancelBackup | Self::CancelDigests => {
                count("jobs", &|job| job["state"] == "cancelled") == 1
            }
            Self::ExecutePlan => count("jobs", &|job| job["state"] == "queued") == 1,
            Self::Undo | Self::UndoInConflict => count("jobs", &|job| job["undoOf"].is_string()) == 1,
            Self::Replay => letters(&|_| true) == 0 && count("changes", &|_| true) == 1,
            Self::ReplayInVain => letters(&|letter| letter["attempts"] == 1) == 1,
            Self::Discard => letters(&|_| true) == 0,
        }
    }

    /// Whether the process may stop working on the request when its sender is gone, without a long wait in the next one: a restore within
    /// one request may be running until the time for it is over.
    fn may_be_left(self) -> bool {
        !matches!(self, Self::Undo | Self::UndoInConflict)
    }
}

/// Sends a request and closes the connection before the answer.
fn send_and_hang_up(handler: &Handler, method: &Method, path: &str) {
    drop(send_without_reading(handler, method, path));
}

/// Sends a request, and does not read the answer. Returns the open connection.
fn send_without_reading(handler: &Handler, method: &Method, path: &str) -> TcpStream {
    let address = handler.url().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).expect("a connection");
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-Azure-Functions-InvocationId: {INVOCATION}\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("sent");
    connection
}

#[tokio::test]
async fn a_request_without_a_body_that_is_sent_again_has_the_same_answer_and_no_further_effect() {
    let mut stories = 0;
    for (method, route) in requests() {
        let Repetition::Effects(cases) = repetition(&method, &route) else { continue };
        for story in cases {
            let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
            let handler = world.handler();
            let path = story.begin(&world, &handler, &folder).await;
            let first = handler.send_as_host(method.clone(), &path, INVOCATION).await;
            assert!(first.0.is_success(), "{story:?}: {first:?}");
            let after_first = stored(&world).await;
            assert!(story.is_done_once(&after_first), "{story:?}: {after_first:?}");
            for _ in 0..2 {
                assert_eq!(handler.send_as_host(method.clone(), &path, INVOCATION).await, first, "{story:?}");
            }
            assert_eq!(stored(&world).await, after_first, "{story:?}");
            stories += 1;
        }
    }
    assert_eq!(stories, 11);
}

#[tokio::test]
async fn a_request_whose_sender_hung_up_is_done_once_when_it_is_sent_again() {
    for (method, route) in requests() {
        let Repetition::Effects(cases) = repetition(&method, &route) else { continue };
        for story in cases.iter().filter(|story| story.may_be_left()) {
            let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
            let handler = world.handler();
            let path = story.begin(&world, &handler, &folder).await;
            send_and_hang_up(&handler, &method, &path);
            let second = handler.send_as_host(method.clone(), &path, INVOCATION).await;
            assert!(second.0.is_success(), "{story:?}: {second:?}");
            let third = handler.send_as_host(method.clone(), &path, INVOCATION).await;
            assert_eq!(third, second, "{story:?}");
            let stored = stored(&world).await;
            assert!(story.is_done_once(&stored), "{story:?}: {stored:?}");
        }
    }
}

#[tokio::test]
async fn an_undo_whose_answer_was_lost_is_answered_with_its_record() {
    for (story, state) in [(Story::Undo, "done"), (Story::UndoInConflict, "conflicts")] {
        let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
        let handler = world.handler();
        let path = story.begin(&world, &handler, &folder).await;
        let connection = send_without_reading(&handler, &Method::POST, &path);
        until("the record of the undo", DEADLINE, async || {
            let jobs = world.query("jobs", "SELECT * FROM c").await;
            let is_recorded = jobs.iter().any(|job| job["undoOf"].is_string() && job["state"] == state);
            is_recorded && (state != "done" || jobs.iter().any(|job| job["undoneBy"].is_string()))
        })
        .await;
        drop(connection);
        let after_first = stored(&world).await;
        assert!(story.is_done_once(&after_first), "{story:?}: {after_first:?}");
        let (status, second) = handler.send_as_host(Method::POST, &path, INVOCATION).await;
        assert_eq!((status, &second["state"]), (StatusCode::OK, &json!(state)), "{story:?}: {second}");
        let (_, record) = handler.get(&format!("/api/restores/{}", second["id"].as_str().expect("id"))).await;
        for property in ["id", "state", "counts", "items", "requestCharge"] {
            assert_eq!(second[property], record[property], "{story:?}: {property}");
        }
        assert_eq!(stored(&world).await, after_first, "{story:?}: nothing is written twice");
    }
}

/// The process may stop working on a request whose sender is gone. Its undo is then left running until the time for it is over.
#[tokio::test]
async fn an_undo_whose_sender_hung_up_is_done_once() {
    for story in [Story::Undo, Story::UndoInConflict] {
        let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
        let timeout = ("CHANGEFEED_BATCH_TIMEOUT_SECONDS", "3");
        let handler = Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), timeout]);
        let path = story.begin(&world, &handler, &folder).await;
        send_and_hang_up(&handler, &Method::POST, &path);
        let second = handler.send_as_host(Method::POST, &path, INVOCATION).await;
        assert_eq!(second.0, StatusCode::OK, "{story:?}: {second:?}");
        let stored = stored(&world).await;
        assert!(story.is_done_once(&stored), "{story:?}: {stored:?}");
    }
}

#[tokio::test]
async fn other_requests_without_a_body_change_nothing() {
    let world = World::new().await;
    let handler = world.handler();
    put(&world, &handler, 1).await;
    let before = stored(&world).await;
    let mut sent = 0;
    for (method, path) in requests() {
        if !matches!(repetition(&method, &path), Repetition::Nothing) {
            continue;
        }
        let first = handler.send_as_host(method.clone(), &path, INVOCATION).await;
        assert!(first.0.is_client_error(), "{path}: {first:?}");
        assert_eq!(handler.send_as_host(method, &path, INVOCATION).await, first, "{path}");
        sent += 1;
    }
    assert_eq!(sent, 11);
    assert_eq!(stored(&world).await, before);
}

#[tokio::test]
async fn another_request_is_not_taken_for_a_repetition() {
    let world = World::new().await;
    let handler = world.handler();
    let (_, first) = handler.send_as_host(Method::POST, "/api/verify", INVOCATION).await;
    let (_, other) = handler.send_as_host(Method::POST, "/api/verify", OTHER_INVOCATION).await;
    assert_ne!(first["id"], other["id"]);

    handler.invoke("[5]", false).await;
    let path = format!("/api/dead-letters/{}", dead_letter_id(&handler).await);
    let replay = format!("{path}/replay");
    for (invocation, attempts) in [(INVOCATION, 1), (INVOCATION, 1), (OTHER_INVOCATION, 2)] {
        let (_, answer) = handler.send_as_host(Method::POST, &replay, invocation).await;
        assert_eq!((&answer["outcome"], &answer["attempts"]), (&json!("stillDead"), &json!(attempts)), "{answer}");
    }
    assert_eq!(handler.send_as_host(Method::DELETE, &path, INVOCATION).await.0, StatusCode::OK);
    assert_eq!(handler.send_as_host(Method::DELETE, &path, OTHER_INVOCATION).await.0, StatusCode::NOT_FOUND);
    assert_eq!(handler.send_as_host(Method::POST, &replay, OTHER_INVOCATION).await.0, StatusCode::NOT_FOUND);

    // The item that remembers a request is not a dead letter, and does not stand in the way of a new one.
    let (status, letters) = handler.get("/api/dead-letters").await;
    assert_eq!((status, &letters["items"]), (StatusCode::OK, &json!([])));
    let remembered = format!("/api/dead-letters/request-{INVOCATION}");
    assert_eq!(handler.get(&remembered).await.0, StatusCode::NOT_FOUND);
    handler.invoke("[5]", false).await;
    assert_eq!(handler.get(&path).await.0, StatusCode::OK);
}
