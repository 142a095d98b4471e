//! Verifications while others write, and from outside: the HTTP functions, the trigger, and the command line.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use changefeed_jobs::{JobState, SliceEnd};
use changefeed_operations::Changefeed;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::jobs::{capture, finish, run_slice_until, small_limits};
use crate::support::verify::{
    finding_summaries, run_verification, start_verification, verification_result, version_of,
};
use crate::support::{DEADLINE, World, batch_of, signal, until};

async fn gone(world: &World, changefeed: &Changefeed, count: usize) -> Vec<Value> {
    let mut stored = Vec::new();
    for n in 0..count {
        stored.push(world.put("a", json!({"id": format!("gone-{n:02}"), "pk": "a"})).await);
    }
    capture(changefeed, &stored).await;
    for n in 0..count {
        world.container("events").await.delete_item("a", &format!("gone-{n:02}"), None).await.expect("delete");
    }
    stored
}

fn removal(id: &str, lsn: i64) -> Value {
    let metadata = json!({"crts": chrono::Utc::now().timestamp(), "lsn": lsn, "operationType": "delete", "id": id,
        "partitionKey": {"pk": "a"}});
    json!({"current": null, "metadata": metadata})
}

#[tokio::test]
async fn what_happens_between_the_two_looks_is_seen() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let stored = gone(&world, &changefeed, 5).await;
    let id = start_verification(&changefeed, json!({"graceSeconds": 4, "repair": true})).await;
    // The slice ends between the two looks, so that nothing depends on how long what follows takes.
    let all_are_suspected =
        async || changefeed.jobs.job(&id).await.expect("job").job.progress().phase.as_deref() == Some("confirm");
    assert_eq!(run_slice_until(&changefeed, &id, all_are_suspected).await, SliceEnd::More);
    let (record, _) = verification_result(&changefeed, &id).await;
    assert_eq!((record.counts.repaired, record.counts.pending), (0, 0), "the second look was to come later");
    // One delete is told late, one document comes to life, another does and is captured and is gone again.
    capture(&changefeed, &[removal("gone-00", 1_000_000)]).await;
    world.put("a", json!({"id": "gone-01", "pk": "a"})).await;
    let reborn = world.put("a", json!({"id": "gone-02", "pk": "a", "again": true})).await;
    capture(&changefeed, &[reborn]).await;
    world.container("events").await.delete_item("a", "gone-02", None).await.expect("delete");
    let state = finish(&changefeed, &id).await;
    let (record, findings) = verification_result(&changefeed, &id).await;
    let expected: Vec<_> = stored[3..]
        .iter()
        .map(|stored| ("gone".to_owned(), stored["id"].as_str().expect("id").to_owned(), version_of(stored)))
        .collect();
    assert_eq!((state, finding_summaries(&findings)), (JobState::Done, expected));
    assert_eq!((record.counts.pending, record.counts.repaired), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_a_capture_that_lags_give_no_findings() {
    // On a machine that is too busy to capture within the grace time, a longer one has to do.
    for grace in [3, 12, 48] {
        if writers_and_a_capture_that_lags(grace).await {
            return;
        }
    }
    panic!("capture lags for most of a minute");
}

/// False when capture lagged for longer than the grace time, so that findings are right.
async fn writers_and_a_capture_that_lags(grace: u64) -> bool {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let mut feed = world.feed().await;
    for n in 0..30 {
        world.put("a", json!({"id": format!("item-{n}"), "pk": "a", "v": 0})).await;
    }
    capture(&changefeed, &feed.changes().await).await;
    let over = std::sync::atomic::AtomicBool::new(false);
    let writing = async {
        let (mut step, mut lag, mut captured_at) = (0_usize, Duration::ZERO, Instant::now());
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            step += 1;
            let id = format!("item-{}", step * 7 % 40);
            world.put("a", json!({"id": id, "pk": "a", "v": step})).await;
            if step.is_multiple_of(3) {
                // Capture lags by some writes, and more by deletes.
                let changed = feed.changes().await;
                let lsn = changed.iter().filter_map(|change| change["_lsn"].as_i64()).max().expect("a write");
                let deleted = world.container("events").await.delete_item("a", &id, None).await;
                capture(&changefeed, &changed).await;
                lag = lag.max(captured_at.elapsed());
                captured_at = Instant::now();
                tokio::time::sleep(Duration::from_millis(100)).await;
                if deleted.is_ok() {
                    capture(&changefeed, &[removal(&id, lsn + 1)]).await;
                }
            }
        }
        capture(&changefeed, &feed.changes().await).await;
        lag.max(captured_at.elapsed())
    };
    let verifying = async {
        let mut verified = Vec::new();
        for repair in [false, true, true] {
            let (record, findings) =
                run_verification(&changefeed, json!({"graceSeconds": grace, "repair": repair})).await;
            verified.push((record.state, findings));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        verified
    };
    let (lag, verified) = tokio::join!(writing, verifying);
    // Times of documents are whole seconds.
    if lag + Duration::from_secs(1) >= Duration::from_secs(grace) {
        return false;
    }
    for one in verified {
        assert_eq!(one, (JobState::Done, Vec::new()));
    }
    let (record, findings) = run_verification(&changefeed, json!({})).await;
    assert_eq!((record.state, findings, record.counts.pending), (JobState::Done, Vec::new(), 0));
    let inferred = world.versions().await.into_values().filter(|version| version["inferred"] == true);
    assert_eq!(inferred.count(), 0);
    true
}

#[tokio::test]
async fn two_repairs_at_once_record_everything_once() {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    gone(&world, &changefeed, 12).await;
    for n in 0..12 {
        world.put("b", json!({"id": format!("never-{n}"), "pk": "b"})).await;
    }
    let repair = || run_verification(&changefeed, json!({"repair": true}));
    let (one, other) = tokio::join!(repair(), repair());
    assert_eq!((one.0.state, other.0.state), (JobState::Done, JobState::Done));
    // Twelve that are gone, each with its delete, and twelve that were missing.
    assert_eq!(world.versions().await.len(), 36);
}

#[tokio::test]
async fn a_verification_over_http_is_a_job_that_the_trigger_does() {
    let world = World::new().await;
    let (handler, changefeed) = (world.handler(), world.changefeed(|options| options.jobs = small_limits()));
    gone(&world, &changefeed, 8).await;
    let asked = json!({"graceSeconds": 0, "requestedBy": "somebody", "ruPerSecond": 5000});
    let (status, accepted) = handler.post("/api/verify", &asked).await;
    assert_eq!((status, &accepted["state"]), (StatusCode::ACCEPTED, &json!("queued")), "{accepted}");
    assert!(accepted["progress"].is_object() && accepted.get("job").is_none(), "{accepted}");
    let id = accepted["id"].as_str().expect("id");
    let path = format!("/api/verify/{id}");
    let view = loop {
        let job = world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await;
        let (status, answer) = handler.invoke_function("RunJobs", &batch_of(&job), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let (_, view) = handler.get(&path).await;
        if !["queued", "running"].contains(&view["state"].as_str().expect("state")) {
            break view;
        }
    };
    assert_eq!((&view["state"], &view["counts"]["gone"]), (&json!("findings"), &json!(8)), "{view}");
    assert_eq!(view["requestedBy"], "somebody");
    let mut findings = view["findings"].as_array().expect("findings").clone();
    let mut continuation = view["continuation"].as_str().map(str::to_owned);
    while let Some(token) = continuation {
        let (_, page) = handler.get(&format!("{path}/findings?continuation={token}")).await;
        findings.extend(page["items"].as_array().expect("items").clone());
        continuation = page["continuation"].as_str().map(str::to_owned);
    }
    assert_eq!(findings.len(), 8);
    let (_, list) = handler.get("/api/verify").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");

    let (_, accepted) = handler.post("/api/verify", &json!({"repair": true})).await;
    let path = format!("/api/verify/{}", accepted["id"].as_str().expect("id"));
    let (status, cancelled) = handler.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")), "{cancelled}");
    for (path, body) in [("/api/verify", json!({"filter": []})), ("/api/verify", json!({"ruPerSecond": 1}))] {
        assert_eq!(handler.post(path, &body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(handler.get("/api/verify/none").await.0, StatusCode::NOT_FOUND);
    assert_eq!(handler.post("/api/verify/none/cancel", &json!({})).await.0, StatusCode::NOT_FOUND);
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_changefeed"));
    command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).stdin(Stdio::null());
    command
}

async fn run(world: &World, arguments: &[&str]) -> (Output, String) {
    let mut command = command(world, arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, told)
}

#[tokio::test]
async fn the_command_line_finds_shows_asks_and_repairs_and_its_exit_code_says_so() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (clean, told) = run(&world, &["verify", "--grace", "0"]).await;
    assert!(clean.status.success() && told.contains("no differences"), "{told}");

    gone(&world, &changefeed, 30).await;
    let (found, told) = run(&world, &["verify", "--grace", "0"]).await;
    assert_eq!(found.status.code(), Some(3), "{told}");
    assert!(told.contains("30 gone") && told.contains("gone-0") && told.contains("--all"), "{told}");
    let answer = String::from_utf8_lossy(&found.stdout).into_owned();
    let id = answer.lines().last().and_then(|line| line.split(' ').next()).expect("id").to_owned();
    let (all, told) = run(&world, &["verify", "show", &id, "--all"]).await;
    assert!(all.status.success() && (0..30).all(|n| told.contains(&format!("gone-{n:02}"))), "{told}");
    let (list, told) = run(&world, &["verify", "list"]).await;
    assert!(list.status.success() && told.contains(&id), "{told}");

    let (refused, told) = run(&world, &["verify", "--repair", "--grace", "0"]).await;
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("30 gone") && told.contains("--yes"), "{told}");
    assert_eq!(world.versions().await.len(), 30);
    let (repaired, told) = run(&world, &["verify", "--repair", "--yes", "--grace", "0", "--output", "json"]).await;
    let view: Value = serde_json::from_slice(&repaired.stdout).expect("JSON");
    assert!(repaired.status.success(), "{told}");
    assert_eq!((&view["state"], &view["counts"]["repaired"]), (&json!("done"), &json!(30)), "{view}");
    let (clean, told) = run(&world, &["verify", "--grace", "0"]).await;
    assert!(clean.status.success(), "{told}");
    let (_, told) = run(&world, &["history", "versions", "--id", "gone-00", "--pk", "a"]).await;
    assert!(told.contains("delete (inferred)"), "{told}");
    assert_eq!(run(&world, &["verify", "--yes"]).await.0.status.code(), Some(2));
    assert_eq!(run(&world, &["verify", "show", "none"]).await.0.status.code(), Some(1));
}

#[tokio::test]
async fn whoever_follows_a_verification_may_leave_and_come_back() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    gone(&world, &changefeed, 3).await;
    let mut following = command(&world, &["verify", "--grace", "8"]).stderr(Stdio::piped()).spawn().expect("verify");
    until("it waits", DEADLINE, async || {
        world.query("jobs", "SELECT c.id FROM c WHERE c.kind = 'findings'").await.len() == 1
    })
    .await;
    signal("-INT", following.id());
    let left = tokio::task::spawn_blocking(move || {
        let mut told = String::new();
        std::io::Read::read_to_string(&mut following.stderr.take().expect("stderr"), &mut told).expect("told");
        (following.wait().expect("ended"), told)
    });
    let (exit, told) = left.await.expect("ended");
    assert_eq!(exit.code(), Some(1), "nothing is known yet: {told}");
    assert!(told.contains("Verifying: job ") && told.contains("after 8 s"), "{told}");
    let id = told.split("verify show ").nth(1).and_then(|rest| rest.split(' ').next()).expect("how to go on");
    assert_eq!(changefeed.jobs.job(id).await.expect("job").state, JobState::Running);
    let (back, told) = run(&world, &["verify", "show", id, "--follow", "--output", "json"]).await;
    let view: Value = serde_json::from_slice(&back.stdout).expect("JSON");
    assert_eq!((back.status.code(), &view["counts"]["gone"]), (Some(3), &json!(3)), "{told}");
}
