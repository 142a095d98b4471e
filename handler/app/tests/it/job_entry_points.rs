//! Jobs through every entry point: the HTTP functions, the trigger, `changefeed process` and the command line.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use changefeed_jobs::{JobOptions, JobState};
use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::jobs::{capture, small_limits, start_restore};
use crate::support::{DEADLINE, Handler, Local, World, batch_of, executable, signal, until};

/// The batch with a job that the change feed of the jobs container delivers.
async fn job_batch(world: &World, id: &str) -> String {
    batch_of(&world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await)
}

/// Invokes the trigger with the changes of a job until the job ends. Returns the restore.
async fn run_by_trigger(world: &World, handler: &Handler, id: &str) -> Value {
    loop {
        let (status, answer) = handler.invoke_function("RunJobs", &job_batch(world, id).await, false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(
            answer["Logs"].is_array() && answer["Outputs"].is_object(),
            "the response of a function has logs and outputs: {answer}"
        );
        let (_, view) = handler.get(&format!("/api/restores/{id}")).await;
        if !["queued", "running"].contains(&view["state"].as_str().expect("state")) {
            return view;
        }
    }
}

/// A budget of request units per second with which a restore of sixty documents takes most of a minute.
const SLOW: u32 = 20;

fn versions(count: usize) -> Vec<Value> {
    let version = |n: usize| json!({"id": format!("item-{n}"), "pk": format!("key-{}", n % 7), "_ts": 1000, "_lsn": n, "_etag": format!("\"{n}\"")});
    (0..count).map(version).collect()
}

#[tokio::test]
async fn a_restore_beyond_the_limits_of_a_request_becomes_a_job_that_the_trigger_runs() {
    let world = World::new().await;
    let handler = world.handler();
    let (status, answer) = handler.invoke(&batch_of(&versions(1001)), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, accepted) = handler.post("/api/restores", &json!({"all": true, "asOf": 2000, "reason": "r"})).await;
    assert_eq!((status, &accepted["state"]), (StatusCode::ACCEPTED, &json!("queued")), "{accepted}");
    assert!(accepted["progress"].is_object() && accepted.get("job").is_none(), "{accepted}");
    assert!(world.live("key-1", "item-1").await.is_none(), "no worker has started");

    let id = accepted["id"].as_str().expect("id").to_owned();
    let view = run_by_trigger(&world, &handler, &id).await;
    assert_eq!((&view["state"], &view["counts"]["create"]), (&json!("done"), &json!(1001)), "{view}");
    assert_eq!((&view["reason"], &view["progress"]["done"]), (&json!("r"), &json!(1001)), "{view}");
    assert_eq!(world.query("events", "SELECT c.id FROM c").await.len(), 1001);

    let mut items = view["items"].as_array().expect("items").clone();
    assert!((1..=200).contains(&items.len()), "{}", items.len());
    let mut continuation = view["continuation"].as_str().map(str::to_owned);
    while let Some(token) = continuation {
        let (_, page) = handler.get(&format!("/api/restores/{id}/items?continuation={token}")).await;
        items.extend(page["items"].as_array().expect("items").clone());
        continuation = page["continuation"].as_str().map(str::to_owned);
    }
    let mut ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().expect("id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((items.len(), ids.len()), (1001, 1001));
    assert!(items.iter().all(|item| item["action"] == "create" && item.get("liveEtag").is_none()));

    let (status, undo) = handler.post(&format!("/api/restores/{id}/undo"), &json!({})).await;
    assert_eq!((status, &undo["undoOf"]), (StatusCode::ACCEPTED, &json!(id)), "{undo}");
    let undone = run_by_trigger(&world, &handler, undo["id"].as_str().expect("id")).await;
    assert_eq!((&undone["state"], &undone["counts"]["delete"]), (&json!("done"), &json!(1001)), "{undone}");
    assert_eq!(world.query("events", "SELECT c.id FROM c").await, Vec::<Value>::new());
    let (_, list) = handler.get("/api/restores").await;
    let listed = list["items"].as_array().expect("items");
    assert_eq!(listed.iter().find(|restore| restore["id"] == id).expect("listed")["undoneBy"], undo["id"], "{list}");
    assert!(listed.iter().all(|restore| restore.get("job").is_none() && restore["progress"].is_object()), "{list}");
}

#[tokio::test]
async fn a_long_list_of_documents_with_duplicates_restores_each_document_once() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke(&batch_of(&versions(300)), false).await;
    let mut documents: Vec<Value> =
        versions(300).iter().map(|version| json!({"id": version["id"], "partitionKey": [version["pk"]]})).collect();
    documents.extend_from_within(..50);
    let request = json!({"documents": documents, "asOf": 2000, "job": true});
    let (status, accepted) = handler.post("/api/restores", &request).await;
    assert_eq!((status, &accepted["request"]["documents"]), (StatusCode::ACCEPTED, &json!(350)), "{accepted}");
    let view = run_by_trigger(&world, &handler, accepted["id"].as_str().expect("id")).await;
    assert_eq!((&view["state"], &view["counts"]["create"]), (&json!("done"), &json!(300)), "{view}");
    assert_eq!(world.query("events", "SELECT c.id FROM c").await.len(), 300);
}

#[tokio::test]
async fn a_job_is_created_cancelled_and_rejected_over_http() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke(&batch_of(&versions(3)), false).await;
    let refused = async |path: &str, body: Value, status: u16, part: &str| {
        let (found, answer) = handler.post(path, &body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(found.as_u16() == status && message.contains(part), "{found} {answer}");
    };
    refused("/api/restores", json!({"all": true, "asOf": 1, "ruPerSecond": 1}), 400, "ruPerSecond").await;
    refused("/api/restores", json!({"all": true, "asOf": 1, "jobs": true}), 400, "jobs").await;
    refused("/api/restores", json!({"partitionKey": ["a", 1], "asOf": 1, "job": true}), 400, "2 components").await;
    refused("/api/restores/none/cancel", json!({}), 404, "no such").await;
    let (_, small) = handler.post("/api/restores", &json!({"all": true, "asOf": 2000})).await;
    assert_eq!(
        (&small["state"], &small["counts"]["create"]),
        (&json!("done"), &json!(3)),
        "a small restore does not become a job"
    );
    refused(&format!("/api/restores/{}/cancel", small["id"].as_str().expect("id")), json!({}), 404, "no such").await;

    let (status, accepted) = handler.post("/api/restores", &json!({"all": true, "asOf": 2000, "job": true})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let id = accepted["id"].as_str().expect("id");
    refused(&format!("/api/restores/{id}/undo"), json!({}), 409, "not ended").await;
    let (status, cancelled) = handler.post(&format!("/api/restores/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")), "{cancelled}");
    let (status, answer) = handler.get(&format!("/api/restores/{id}/items?continuation=x")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    // Other items of the container and jobs that do not exist are skipped.
    let others =
        json!([{"id": "x", "kind": "restore-items"}, 5, {"id": "y", "job": {}, "state": "queued"}]).to_string();
    let (status, answer) = handler.invoke_function("RunJobs", &others, true).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn a_transient_failure_to_read_a_job_returns_the_batch_to_the_trigger() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke(&batch_of(&versions(3)), false).await;
    let (_, accepted) = handler.post("/api/restores", &json!({"all": true, "asOf": 2000, "job": true})).await;
    let id = accepted["id"].as_str().expect("id");
    let batch = job_batch(&world, id).await;
    world.endpoint.inject(Fault {
        container: Some("jobs".into()),
        kind: RequestKind::Read,
        times: 50,
        effect: Effect::Status { status: 503, substatus: 0 },
    });
    let (status, answer) = handler.invoke_function("RunJobs", &batch, false).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("TryAgain")));
    world.endpoint.clear_faults();
    assert_eq!(run_by_trigger(&world, &handler, id).await["state"], "done");
}

#[tokio::test]
async fn a_job_with_a_transient_failure_does_not_delay_later_jobs() {
    let world = World::new().await;
    let handler = world.handler();
    handler.invoke(&batch_of(&versions(3)), false).await;
    let restore = async || {
        let (_, accepted) = handler.post("/api/restores", &json!({"all": true, "asOf": 2000, "job": true})).await;
        accepted["id"].as_str().expect("id").to_owned()
    };
    let failing = restore().await;
    world.endpoint.inject(Fault {
        container: Some("changes".into()),
        kind: RequestKind::Query,
        times: 1000,
        effect: Effect::Status { status: 503, substatus: 0 },
    });
    let before = job_batch(&world, &failing).await;
    let (status, answer) = handler.invoke_function("RunJobs", &before, false).await;
    assert_eq!(status, StatusCode::OK, "acknowledged: {answer}");
    assert!(answer["Logs"][0].as_str().expect("a log").contains("failed and is retried"), "{answer}");
    assert_ne!(job_batch(&world, &failing).await, before, "the job was saved, so the change feed redelivers it");
    world.endpoint.clear_faults();
    let next = restore().await;
    assert_eq!(run_by_trigger(&world, &handler, &next).await["state"], "done");
    assert_eq!(run_by_trigger(&world, &handler, &failing).await["state"], "done");
}

#[tokio::test]
async fn the_change_feed_runs_a_job_to_its_end_in_the_functions_app() {
    let local = Local::start(&["--populate", "400", "--seed", "3"]).await;
    local.until_all_captured(DEADLINE).await;
    let newest = local.query("events", "SELECT VALUE c._ts FROM c").await.iter().filter_map(Value::as_i64).max();
    let newest = newest.expect("a document");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > newest).await;
    local.post("populate", json!({"count": 300, "seed": 4})).await;
    local.until_all_captured(DEADLINE).await;
    let job = local.post("restores", json!({"all": true, "asOf": newest, "job": true})).await;
    let path = format!("restores/{}", job["id"].as_str().expect("id"));
    until("the job is done", DEADLINE, async || local.get(&path).await["state"] == "done").await;
    let plan = local.post("restores", json!({"all": true, "asOf": newest, "dryRun": true})).await;
    assert_eq!((&plan["counts"]["create"], &plan["counts"]["replace"]), (&json!(0), &json!(0)), "{}", plan["counts"]);

    let undo = local.post(&format!("{path}/undo"), json!({})).await;
    let path = format!("restores/{}", undo["id"].as_str().expect("id"));
    until("the undo is done", DEADLINE, async || local.get(&path).await["state"] == "done").await;
    let exit = local.interrupt();
    assert!(exit.success(), "{exit}");
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = executable();
    command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).stdin(Stdio::null());
    command
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = command(world, arguments);
    tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run")
}

#[tokio::test]
async fn a_process_instance_runs_jobs_and_releases_them_when_it_stops() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    capture(&changefeed, &versions(60)).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": 2000, "ruPerSecond": SLOW})).await;
    let intervals = ["--poll-delay-ms", "100", "--lease-acquire-interval-ms", "200"];
    let arguments = [&["process"][..], &intervals].concat();
    let mut process = command(&world, &arguments).stdout(Stdio::null()).spawn().expect("process");
    until("a document is restored", DEADLINE, async || {
        changefeed.restores.record(&id).await.expect("record").counts.total() > 0
    })
    .await;
    signal("-TERM", process.id());
    assert!(process.wait().expect("ended").success());
    let job = changefeed.jobs.job(&id).await.expect("job");
    assert!(job.state == JobState::Running && job.job.claim.is_none(), "{job:?}");
    changefeed.jobs.set_budget(&id, 100_000.0).await.expect("no worker holds the job");

    let mut process = command(&world, &arguments).stdout(Stdio::null()).spawn().expect("process");
    until("the job is done", DEADLINE, async || changefeed.jobs.job(&id).await.expect("job").state == JobState::Done)
        .await;
    signal("-TERM", process.id());
    assert!(process.wait().expect("ended").success());
    assert_eq!(changefeed.restores.record(&id).await.expect("record").counts.create, 60);
}

#[tokio::test]
async fn the_command_line_plans_and_executes_a_large_restore_with_a_job() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    capture(&changefeed, &versions(60)).await;
    let dry = run(&world, &["restore", "run", "--all", "--as-of", "2000", "--job", "--dry-run"]).await;
    let printed = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(dry.status.success() && printed.contains("60 to create") && printed.contains("item-1"), "{printed}");
    let unconfirmed = run(&world, &["restore", "run", "--all", "--as-of", "2000", "--job"]).await;
    assert!(String::from_utf8_lossy(&unconfirmed.stderr).contains("Write 60 documents?"), "{unconfirmed:?}");
    assert_eq!((unconfirmed.status.code(), world.query("events", "SELECT * FROM c").await.len()), (Some(1), 0));
    let done = run(&world, &["restore", "run", "--all", "--as-of", "2000", "--job", "--yes", "--output", "json"]).await;
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert!(done.status.success() && report["counts"]["create"] == 60, "{report}");
    let items = run(&world, &["restore", "items", report["id"].as_str().expect("id"), "--output", "jsonl"]).await;
    let lines = String::from_utf8_lossy(&items.stdout).into_owned();
    assert_eq!(lines.lines().filter(|line| line.contains("\"action\":\"create\"")).count(), 60, "{lines}");

    // One document has changed since: a conflict for the undo.
    world.put("key-1", json!({"id": "item-1", "pk": "key-1", "n": 1})).await;
    let id = report["id"].as_str().expect("id");
    let undone = run(&world, &["restore", "undo", id, "--yes"]).await;
    let printed = String::from_utf8_lossy(&undone.stdout).into_owned();
    assert!(undone.status.code() == Some(3) && printed.contains("59 deleted, 1 in conflict"), "{undone:?}");
}

#[tokio::test]
async fn following_a_job_reports_the_worker_that_holds_it() {
    let world = World::new().await;
    let changefeed =
        world.changefeed(|options| options.jobs = JobOptions { claim: Duration::from_secs(3), ..small_limits() });
    capture(&changefeed, &versions(20)).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": 2000, "ruPerSecond": 100})).await;
    let claimed = until("the job is claimed", DEADLINE, async || {
        changefeed.jobs.job(&id).await.expect("job").job.claim.is_some()
    });
    tokio::select! {
        end = changefeed.runner.run_slice(&id, "elsewhere:1", std::future::pending()) => panic!("{end:?}"),
        () = claimed => {}
    }
    let resumed = run(&world, &["restore", "show", &id, "--follow"]).await;
    let printed = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success(), "{printed}");
    assert_eq!(printed.matches("waiting for worker elsewhere:1, which holds this job until ").count(), 1, "{printed}");
    assert!(printed.contains(&format!("Restoring: job {id}")), "{printed}");
}

#[tokio::test]
async fn following_a_job_can_be_interrupted_and_resumed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    capture(&changefeed, &versions(60)).await;
    let id = start_restore(&changefeed, json!({"all": true, "asOf": 2000, "ruPerSecond": SLOW})).await;
    let mut following =
        command(&world, &["restore", "show", &id, "--follow"]).stderr(Stdio::piped()).spawn().expect("follow");
    until("a document is restored", DEADLINE, async || {
        changefeed.restores.record(&id).await.expect("record").counts.total() > 0
    })
    .await;
    signal("-INT", following.id());
    let exit = tokio::task::spawn_blocking(move || {
        let mut printed = String::new();
        following.stderr.take().expect("stderr").read_to_string(&mut printed).expect("stderr");
        (following.wait().expect("ended"), printed)
    });
    let (exit, printed) = tokio::time::timeout(Duration::from_secs(30), exit).await.expect("in time").expect("ended");
    assert!(exit.code() == Some(1) && printed.contains(&format!("restore show {id} --follow")), "{printed}");
    assert_eq!(changefeed.jobs.job(&id).await.expect("job").state, JobState::Running);
    changefeed.jobs.set_budget(&id, 100_000.0).await.expect("no worker holds the job");
    let resumed = run(&world, &["restore", "show", &id, "--follow", "--output", "json"]).await;
    let view: Value = serde_json::from_slice(&resumed.stdout).expect("JSON");
    assert!(resumed.status.success() && view["state"] == "done" && view["counts"]["create"] == 60, "{view}");
}
