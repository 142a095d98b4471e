//! Documents whose ids cannot be part of a URL path. Some SDKs create them. Each is captured, listed, restored, verified and backed
//! up like any other, and no request for one of them reaches a neighbor, the container or the database.

use std::process::Stdio;

use azure_data_cosmos::TransactionalBatch;
use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{AsOf, TimeExpression};
use changefeed_jobs::JobState;
use changefeed_operations::{Action, Changefeed, Restored, TruncateRequest, UndoRequest};
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::backups::{Documents, assert_sound, live_documents, name_of, run_backup, run_restore, truncate};
use crate::support::jobs::{capture, finish, restore_request, restore_view, small_limits, start_restore};
use crate::support::verify::run_verification;
use crate::support::{DEADLINE, World, batch_of, executable, until};

const ODD: [&str; 13] = [
    ".",
    "..",
    "a/b",
    "a\\b",
    "pre\tcious",
    "pre\r\ncious",
    "q?x",
    "h#x",
    "%2e%2e",
    "50%",
    "x ",
    "../docs/precious",
    "../../jobs",
];
/// What the paths of some of them would address, and ids that a path can carry.
const NEIGHBORS: [&str; 5] = ["precious", "b", "q", "x", "ü"];

fn ids() -> impl Iterator<Item = &'static str> {
    ODD.into_iter().chain(NEIGHBORS)
}

fn document(id: &str, v: u32) -> Value {
    json!({"id": id, "pk": "a", "v": v})
}

fn name(id: &str) -> DocumentName {
    DocumentName { id: id.to_owned(), partition_key: Key::text("a") }
}

/// Writes documents, and captures them as AllVersionsAndDeletes mode reports them. Returns the second of the last write, which has
/// passed.
async fn write(world: &World, changefeed: &Changefeed, ids: impl Iterator<Item = &'static str>, v: u32) -> i64 {
    let before = live_documents(world).await;
    for id in ids {
        world.put("a", document(id, v)).await;
    }
    let mut written = world.feed().await.changes().await;
    written.retain(|document| document["v"] == v);
    let event = |document: &Value| {
        let is_new = !before.contains_key(&name_of(document));
        let operation = if is_new { "create" } else { "replace" };
        let metadata = json!({"operationType": operation, "lsn": document["_lsn"], "crts": document["_ts"]});
        json!({"current": document, "metadata": metadata})
    };
    capture(changefeed, &written.iter().map(event).collect::<Vec<_>>()).await;
    let newest = written.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
    newest
}

/// Deletes a document of `events`, whatever its id is.
async fn delete(world: &World, id: &'static str) {
    let batch = TransactionalBatch::new("a").delete_item(id, None);
    let response = world.container("events").await.execute_transactional_batch(batch, None).await.expect("batch");
    let results = response.into_model().expect("results");
    assert_eq!(results.results()[0].status_code(), 204, "{id:?}");
}

/// No request had the path of something else than a document of its container, or of a container.
fn assert_own_paths(world: &World) {
    for request in world.endpoint.take_requests() {
        let segments: Vec<&str> = request.path.split('/').skip(1).collect();
        match segments.as_slice() {
            [] | [""] | ["dbs", "dev"] | ["dbs", "dev", "colls"] => {}
            ["dbs", "dev", "colls", container] | ["dbs", "dev", "colls", container, "docs" | "pkranges"] => {
                assert!(
                    ["events", "changes", "jobs", "dead-letters", "leases"].contains(container),
                    "{}",
                    request.path
                );
            }
            ["dbs", "dev", "colls", "events", "docs", id] => {
                let neighbors = NEIGHBORS.map(|id| if id == "ü" { "%C3%BC" } else { id });
                assert!(neighbors.contains(id), "{}", request.path);
            }
            ["dbs", "dev", "colls", _, "docs", id] => {
                assert!(id.chars().all(|character| character.is_ascii_alphanumeric() || character == '-'), "{id}");
            }
            _ => panic!("a request had the path {}", request.path),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_captured_listed_and_read_as_of_a_time_under_their_own_ids() {
    let world = World::new().await;
    let handler = world.handler();
    world.endpoint.take_requests();
    let mut delivered = Vec::new();
    for (number, id) in ids().enumerate() {
        let mut stored =
            world.put("a", json!({"id": id, "pk": "a", "number": number, "at": "2026-11-20T10:00:00+02:00"})).await;
        // The host rewrites the time, so capture reads the document.
        stored["at"] = json!("2026-11-20T08:00:00+00:00");
        delivered.push(stored);
    }
    handler.invoke_until_accepted(&batch_of(&delivered)).await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    let versions = world.versions().await;
    assert_eq!(versions.len(), delivered.len());
    let second = delivered.iter().filter_map(|document| document["_ts"].as_i64()).max().expect("a document");
    for (number, id) in ids().enumerate() {
        let version = versions.values().find(|version| version["sourceId"] == id).expect(id);
        let expected = (&json!(true), &json!(number), &json!("2026-11-20T10:00:00+02:00"));
        let document = &version["document"];
        assert_eq!((&version["exact"], &document["number"], &document["at"]), expected, "{id:?}");
        let url = reqwest::Url::parse_with_params("http://h/", [("id", id), ("pk", "a")]).expect("url");
        let query = url.query().expect("query");
        let (status, page) = handler.get(&format!("/api/history/versions?{query}")).await;
        assert_eq!(
            (status, &page["items"][0]["document"]["number"]),
            (StatusCode::OK, &json!(number)),
            "{id:?}: {page}"
        );
        let version_id = version["id"].as_str().expect("id");
        let (_, shown) = handler.get(&format!("/api/history/versions/{version_id}?{query}")).await;
        assert_eq!(&shown["sourceId"], id, "{shown}");
        let (_, as_of) = handler.get(&format!("/api/history/document?{query}&asOf={second}")).await;
        assert_eq!(&as_of["version"]["document"]["number"], &json!(number), "{as_of}");
        let (_, difference) = handler.get(&format!("/api/history/diff?{query}&from={version_id}&to=live")).await;
        assert_eq!(difference["changes"], json!([]), "{difference}");
    }
    assert_own_paths(&world);
}

/// Documents that are replaced, deleted and created after a time, and the state at that time and now.
struct Changed {
    second: i64,
    then: Documents,
    now: Documents,
}

/// A third of the documents is replaced, a third deleted, and a third created. The next run moves each to another third.
async fn change(world: &World, changefeed: &Changefeed, shift: usize) -> Changed {
    let third =
        |part: usize| ids().enumerate().filter(move |(number, _)| (number + shift) % 3 == part).map(|(_, id)| id);
    let second = write(world, changefeed, third(0).chain(third(1)), 1).await;
    let then = live_documents(world).await;
    write(world, changefeed, third(0).chain(third(2)), 2).await;
    for id in third(1) {
        delete(world, id).await;
    }
    Changed { second, then, now: live_documents(world).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_restored_in_a_request_and_the_restore_is_undone() {
    for shift in 0..3 {
        let world = World::new().await;
        let changefeed = world.changefeed(|_| ());
        let changed = change(&world, &changefeed, shift).await;
        world.endpoint.take_requests();
        let request = json!({"all": true, "asOf": changed.second, "deleteCreatedAfter": true});
        let Restored::Report(report) = changefeed.restores.run(&restore_request(request)).await.expect("restore")
        else {
            panic!("it is small");
        };
        assert_eq!(report.state, JobState::Done, "{report:?}");
        assert_eq!((report.counts.writes(), report.counts.total()), (ids().count() as u64, ids().count() as u64));
        assert_eq!(live_documents(&world).await, changed.then);
        let id = report.id.expect("id");
        let undone = changefeed.restores.undo(&id, &UndoRequest::default()).await.expect("undo");
        let Restored::Report(undone) = undone else { panic!("it is small") };
        assert_eq!(undone.state, JobState::Done, "{undone:?}");
        assert_eq!(live_documents(&world).await, changed.now);
        world.query("events", "SELECT * FROM c").await;
        assert_own_paths(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_restored_by_a_job() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let changed = change(&world, &changefeed, 1).await;
    // Writes whose replies are lost are recognized.
    let (container, kind) = (Some("events".into()), RequestKind::Write);
    world.endpoint.inject(Fault { container, kind, times: 5, effect: Effect::LoseReply });
    let id = start_restore(&changefeed, json!({"all": true, "asOf": changed.second, "deleteCreatedAfter": true})).await;
    assert_eq!(finish(&changefeed, &id).await, JobState::Done, "{:?}", restore_view(&changefeed, &id).await);
    assert_eq!(live_documents(&world).await, changed.then);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_one_is_deleted_beside_its_neighbor() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = write(&world, &changefeed, ["precious"].into_iter(), 1).await;
    write(&world, &changefeed, ["pre\tcious"].into_iter(), 1).await;
    let request =
        json!({"documents": [{"id": "pre\tcious", "partitionKey": ["a"]}], "asOf": second, "deleteCreatedAfter": true});
    let Restored::Report(report) = changefeed.restores.run(&restore_request(request)).await.expect("restore") else {
        panic!("it is small");
    };
    assert_eq!((report.items[0].action, report.items[0].id.as_str()), (Action::Delete, "pre\tcious"));
    let left: Vec<_> = live_documents(&world).await.into_keys().map(|(_, id)| id).collect();
    assert_eq!(left, ["\"precious\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_verified_and_only_what_is_gone_is_recorded_as_deleted() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    write(&world, &changefeed, ids(), 1).await;
    let (record, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));
    for id in ODD {
        delete(&world, id).await;
    }
    world.put("a", document("..", 2)).await;
    let (_, findings) = run_verification(&changefeed, json!({"repair": true})).await;
    assert_eq!(findings.len(), ODD.len(), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.repaired), "{findings:?}");
    let now = TimeExpression::from(chrono::Utc::now());
    for id in ids() {
        let state = changefeed.history.document_as_of(&name(id), now).await.expect("state");
        let is_live = NEIGHBORS.contains(&id) || id == "..";
        assert_eq!(matches!(state, AsOf::Version { .. }), is_live, "{id:?}: {state:?}");
    }
    assert_eq!(run_verification(&changefeed, json!({})).await.1, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_backed_up_live_and_as_of_a_time_truncated_and_restored() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let folder = tempfile::tempdir().expect("folder");
    let location = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let changed = change(&world, &changefeed, 2).await;
    let live = run_backup(&changefeed, json!({"to": location("live")})).await;
    let then = run_backup(&changefeed, json!({"to": location("then"), "asOf": changed.second})).await;
    for (view, documents) in [(live, changed.now), (then, changed.then)] {
        assert_sound(&view).await;
        world.endpoint.take_requests();
        truncate(&changefeed).await;
        assert_eq!(live_documents(&world).await, Documents::new());
        run_restore(&changefeed, json!({"from": view.location()})).await;
        assert_eq!(live_documents(&world).await, documents);
        assert_own_paths(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn truncating_a_container_deletes_its_documents_and_neither_a_container_nor_the_database() {
    let world = World::new().await;
    let handler = world.handler();
    for id in ids() {
        world.put("a", document(id, 1)).await;
    }
    let (status, report) =
        handler.post("/api/truncate", &json!({"container": "events", "max": 100, "confirm": "events"})).await;
    assert_eq!((status, &report["deleted"]), (StatusCode::OK, &json!(ids().count())), "{report}");
    for container in ["events", "changes", "dead-letters"] {
        assert_eq!(world.query(container, "SELECT * FROM c").await, Vec::<Value>::new(), "{container}");
    }
    let records = world.query("jobs", "SELECT VALUE c.kind FROM c").await;
    assert_eq!(records, [json!("truncate")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_cannot_do_is_reported_for_its_document_and_the_others_are_written() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let second = write(&world, &changefeed, ids(), 1).await;
    write(&world, &changefeed, ids(), 2).await;
    let refuse = Fault {
        container: Some("events".into()),
        kind: RequestKind::Write,
        times: 1000,
        effect: Effect::Status { status: 400, substatus: 0 },
    };
    world.endpoint.inject(refuse.on_item("a/b"));
    let request = restore_request(json!({"all": true, "asOf": second}));
    let Restored::Report(report) = changefeed.restores.run(&request).await.expect("restore") else { panic!("small") };
    let failed: Vec<_> = report.items.iter().filter(|item| item.action != Action::Replace).collect();
    assert_eq!((failed.len(), failed[0].action, failed[0].id.as_str()), (1, Action::Failed, "a/b"), "{failed:?}");
    assert!(failed[0].message.as_ref().is_some_and(|message| message.contains("not supported")), "{failed:?}");
    for document in world.query("events", "SELECT * FROM c").await {
        let expected = if document["id"] == "a/b" { 2 } else { 1 };
        assert_eq!(document["v"], expected, "{document}");
    }
    let request = TruncateRequest {
        container: "events".into(),
        max: 1000,
        confirm: "events".into(),
        requested_by: None,
        allow_changes: false,
    };
    let report = changefeed.documents.truncate(&request, &|_, _| ()).await.expect("truncated");
    assert_eq!((report.deleted, report.not_deleted), (ids().count() as u64 - 1, 1));
    assert!(report.messages[0].contains("a/b") && report.messages[0].contains("not supported"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_no_record_of_ours_can_have_is_refused_with_what_is_allowed() {
    let world = World::new().await;
    let handler = world.handler();
    let document = world.put("a", document("precious", 1)).await;
    handler.invoke_until_accepted(&batch_of(&[document])).await;
    world.endpoint.take_requests();
    for id in
        ["..%2f..%2f..", "%2e%2e%2f%2e%2e", "..%5c..", "a%09b", "a%2fb", "%252e%252e", "a%3fb", "a%23b", "a%20b", "%00"]
    {
        for (method, path) in [
            (Method::GET, format!("/api/dead-letters/{id}")),
            (Method::DELETE, format!("/api/dead-letters/{id}")),
            (Method::POST, format!("/api/dead-letters/{id}/replay")),
            (Method::GET, format!("/api/restores/{id}")),
            (Method::GET, format!("/api/restores/{id}/items")),
            (Method::POST, format!("/api/restores/{id}/undo")),
            (Method::POST, format!("/api/restores/{id}/cancel")),
            (Method::GET, format!("/api/backups/{id}")),
            (Method::POST, format!("/api/backups/{id}/cancel")),
            (Method::POST, format!("/api/backups/{id}/verify")),
            (Method::GET, format!("/api/verify/{id}")),
            (Method::GET, format!("/api/verify/{id}/findings")),
            (Method::POST, format!("/api/verify/{id}/cancel")),
            (Method::GET, format!("/api/history/versions/{id}?id=precious&pk=a")),
            (Method::GET, format!("/api/history/diff?id=precious&pk=a&from={id}&to=live")),
        ] {
            let (status, answer) = handler.send(method.clone(), &path, "application/json", "{}").await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            let is_explained = message.contains("invalid id") && message.contains("1 to 255 characters");
            assert!(status == StatusCode::BAD_REQUEST && is_explained, "{method} {path}: {status} {answer}");
        }
    }
    let paths: Vec<String> = world.endpoint.take_requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths.iter().filter(|path| path.contains("/docs/")).count(), 0, "{paths:?}");
    assert!(world.live("a", "precious").await.is_some());
    for arguments in [
        &["dead-letters", "discard", "../../..", "--yes"][..],
        &["dead-letters", "show", ".."],
        &["restore", "undo", "../..", "--yes"],
        &["verify", "show", "a\tb"],
        &["history", "show", "../../..", "--id", "precious", "--pk", "a"],
    ] {
        let mut command = executable();
        command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).stdin(Stdio::null());
        let output = tokio::task::block_in_place(|| command.output().expect("changefeed"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("invalid id"), "{arguments:?}: {error}");
    }
    assert!(world.live("a", "precious").await.is_some());
    let request = json!({"id": "precious", "partitionKey": ["a"], "version": "../../.."});
    let (status, answer) = handler.post("/api/restores", &request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
}
