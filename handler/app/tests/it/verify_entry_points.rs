//! Verifications through every entry point: the HTTP functions, the trigger and the command line.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use changefeed_jobs::JobState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::jobs::small_limits;
use crate::support::verify::write_and_delete;
use crate::support::{DEADLINE, World, batch_of, executable, signal, until};

#[tokio::test]
async fn a_verification_over_http_is_a_job_that_the_trigger_runs() {
    let world = World::new().await;
    let (handler, changefeed) = (world.handler(), world.changefeed(|options| options.jobs = small_limits()));
    write_and_delete(&world, &changefeed, 8).await;
    let request = json!({"graceSeconds": 0, "requestedBy": "operator", "ruPerSecond": 5000});
    let (status, accepted) = handler.post("/api/verify", &request).await;
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
    assert_eq!(view["requestedBy"], "operator");
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
    let mut command = executable();
    command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).stdin(Stdio::null());
    command
}

async fn run(world: &World, arguments: &[&str]) -> (Output, String) {
    let mut command = command(world, arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, printed)
}

#[tokio::test]
async fn the_command_line_finds_lists_confirms_and_repairs_with_exit_codes() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (clean, printed) = run(&world, &["verify", "--grace-seconds", "0"]).await;
    assert!(clean.status.success() && printed.contains("no differences"), "{printed}");

    write_and_delete(&world, &changefeed, 30).await;
    let (found, printed) = run(&world, &["verify", "--grace-seconds", "0"]).await;
    assert_eq!(found.status.code(), Some(3), "{printed}");
    assert!(printed.contains("30 gone") && printed.contains("gone-0") && printed.contains("--all"), "{printed}");
    let answer = String::from_utf8_lossy(&found.stdout).into_owned();
    let id = answer.lines().last().and_then(|line| line.split(' ').next()).expect("id").to_owned();
    let (all, printed) = run(&world, &["verify", "show", &id, "--all"]).await;
    assert!(all.status.success() && (0..30).all(|n| printed.contains(&format!("gone-{n:02}"))), "{printed}");
    let (list, printed) = run(&world, &["verify", "list"]).await;
    assert!(list.status.success() && printed.contains(&id), "{printed}");

    let (refused, printed) = run(&world, &["verify", "--repair", "--grace-seconds", "0"]).await;
    assert_eq!(refused.status.code(), Some(1), "{printed}");
    assert!(printed.contains("30 gone") && printed.contains("--yes"), "{printed}");
    assert_eq!(world.versions().await.len(), 30);
    let (repaired, printed) =
        run(&world, &["verify", "--repair", "--yes", "--grace-seconds", "0", "--output", "json"]).await;
    let view: Value = serde_json::from_slice(&repaired.stdout).expect("JSON");
    assert!(repaired.status.success(), "{printed}");
    assert_eq!((&view["state"], &view["counts"]["repaired"]), (&json!("done"), &json!(30)), "{view}");
    let (clean, printed) = run(&world, &["verify", "--grace-seconds", "0"]).await;
    assert!(clean.status.success(), "{printed}");
    let (_, printed) = run(&world, &["history", "versions", "--id", "gone-00", "--pk", "a"]).await;
    assert!(printed.contains("delete (inferred)"), "{printed}");
    assert_eq!(run(&world, &["verify", "--yes"]).await.0.status.code(), Some(2));
    assert_eq!(run(&world, &["verify", "show", "none"]).await.0.status.code(), Some(1));
}

/// `script` of util-linux runs the command on a terminal, so that it asks.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_not_shown_before_the_question_is_not_repaired() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let stored = write_and_delete(&world, &changefeed, 2).await;
    let line = format!("'{}' verify --repair --grace-seconds 0", env!("CARGO_BIN_EXE_changefeed"));
    let mut asking = Command::new("script")
        .args(["--quiet", "--return", "--command", line.as_str(), "/dev/null"])
        .env("CosmosDB", world.endpoint.connection_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script");
    let mut shown = asking.stdout.take().expect("stdout");
    let shown = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"[y/N] ") && shown.read(&mut byte).expect("a terminal") == 1 {
            text.push(byte[0]);
        }
        (String::from_utf8_lossy(&text).into_owned(), shown)
    });
    let (text, mut rest) = shown.await.expect("shown");
    assert!(text.contains("2 gone") && text.contains("Repair 2 findings? [y/N]"), "{text}");
    world.put("a", json!({"id": "never captured", "pk": "a"})).await;
    asking.stdin.take().expect("stdin").write_all(b"y\n").expect("an answer");
    let ended = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        // Reading a terminal whose command has ended is an error.
        drop(rest.read_to_end(&mut text));
        (asking.wait().expect("ended"), String::from_utf8_lossy(&text).into_owned())
    });
    let (exit, text) = ended.await.expect("ended");
    assert_eq!(exit.code(), Some(0), "{text}");
    assert!(text.contains("2 gone, 2 repaired") && !text.contains("never captured"), "{text}");
    assert_eq!(world.versions().await.len(), stored.len() + 2);
}

#[tokio::test]
async fn following_a_verification_can_be_interrupted_and_resumed() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    write_and_delete(&world, &changefeed, 3).await;
    let mut following =
        command(&world, &["verify", "--grace-seconds", "8"]).stderr(Stdio::piped()).spawn().expect("verify");
    until("the verification waits for the grace time", DEADLINE, async || {
        world.query("jobs", "SELECT c.id FROM c WHERE c.kind = 'findings'").await.len() == 1
    })
    .await;
    signal("-INT", following.id());
    let exit = tokio::task::spawn_blocking(move || {
        let mut printed = String::new();
        following.stderr.take().expect("stderr").read_to_string(&mut printed).expect("stderr");
        (following.wait().expect("ended"), printed)
    });
    let (exit, printed) = exit.await.expect("ended");
    assert_eq!(exit.code(), Some(1), "there is no result yet: {printed}");
    assert!(printed.contains("Verifying: job ") && printed.contains("after 8 s"), "{printed}");
    let id =
        printed.split("verify show ").nth(1).and_then(|rest| rest.split(' ').next()).expect("the command that resumes");
    assert_eq!(changefeed.jobs.job(id).await.expect("job").state, JobState::Running);
    let (resumed, printed) = run(&world, &["verify", "show", id, "--follow", "--output", "json"]).await;
    let view: Value = serde_json::from_slice(&resumed.stdout).expect("JSON");
    assert_eq!((resumed.status.code(), &view["counts"]["gone"]), (Some(3), &json!(3)), "{printed}");
}
