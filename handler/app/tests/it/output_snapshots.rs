//! Snapshots of output: tables of the command line and JSON responses of the main routes.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of, executable, snapshots};

/// A history with two versions of a document and one dead letter. Returns the id of the older version too.
async fn history() -> (World, Handler, String) {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let handler = world.handler();
    for (lsn, name) in ["old", "new"].into_iter().enumerate() {
        let mut stored = world.put("a", json!({"id": "1", "pk": "a", "name": name, "zip": 28036})).await;
        // Both versions may have one second: the sequence number orders them.
        stored["_lsn"] = json!(lsn + 1);
        handler.invoke_until_accepted(&batch_of(&[stored])).await;
    }
    handler.invoke_until_accepted("[5]").await;
    let (_, versions) = handler.get("/api/history/versions?id=1&pk=a").await;
    let older = versions["items"][1]["id"].as_str().expect("a version").to_owned();
    (world, handler, older)
}

async fn command_output(world: &World, arguments: &[&str]) -> String {
    let mut command = executable();
    command.args(arguments).env("CosmosDB", world.endpoint.connection_string()).env("TZ", "UTC").stdin(Stdio::null());
    command.env("RUST_LOG", "off").env("COSMOS_DISABLE_IMDS", "1");
    let output = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
    format!("{}exit code {}\n", String::from_utf8_lossy(&output.stdout), output.status.code().unwrap_or(-1))
}

async fn response_text(handler: &Handler, path: &str) -> String {
    let (status, answer) = handler.get(path).await;
    format!("{status}\n{}\n", serde_json::to_string_pretty(&answer).expect("JSON"))
}

#[tokio::test]
async fn tables_match_their_snapshots() {
    let (world, _handler, older) = history().await;
    for (name, arguments) in [
        ("history-versions", &["history", "versions", "--id", "1", "--pk", "a"][..]),
        ("history-search", &["history", "search", "--filter", "zip=28036"]),
        ("status", &["status"]),
        ("restore-plan", &["restore", "run", "--id", "1", "--pk", "a", "--version", &older, "--dry-run"]),
        ("dead-letters", &["dead-letters", "list"]),
        ("provision", &["provision"]),
    ] {
        let text = command_output(&world, arguments).await;
        snapshots("tables").bind(|| insta::assert_snapshot!(name, text));
    }
}

#[tokio::test]
async fn json_responses_match_their_snapshots() {
    let (_world, handler, older) = history().await;
    for (name, path) in [
        ("history-versions", "/api/history/versions?id=1&pk=a"),
        ("history-document", "/api/history/document?id=1&pk=a&asOf=-0s"),
        ("history-search", "/api/history/search?filter=zip%3D28036"),
        ("restores", "/api/restores"),
        ("backups", "/api/backups"),
        ("verify", "/api/verify"),
        ("dead-letters", "/api/dead-letters"),
        ("status", "/api/status"),
        ("not-found", "/api/nothing"),
        ("unknown-parameter", "/api/history/versions?id=1&pk=a&colour=red"),
    ] {
        let text = response_text(&handler, path).await;
        snapshots("json").bind(|| insta::assert_snapshot!(name, text));
    }
    let request = json!({"id": "1", "partitionKey": ["a"], "version": older, "dryRun": true});
    let (_, plan) = handler.post("/api/restores", &request).await;
    let text = serde_json::to_string_pretty::<Value>(&plan).expect("JSON");
    snapshots("json").bind(|| insta::assert_snapshot!("restore-plan", text));
}
