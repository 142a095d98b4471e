//! `changefeed switch-mode` says each step of a switch of the change feed mode, and checks it. No change is missed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local_host::{Host, HostOptions, RunningHost};
use serde_json::{Value, json};

use crate::docs_reference::root;
use crate::support::{CommandLine, DEADLINE, Instance, World, until};

const LATEST: &str = "CosmosChangeFeed";
const ALL: &str = "CosmosChangeFeedAllVersions";
const TO_ALL: [&str; 3] = ["switch-mode", "--to", "AllVersionsAndDeletes"];

async fn world() -> World {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world
}

/// The stand-in host on the functions of this repository, without the disabled one.
async fn host(world: &World, disabled: &[&str]) -> RunningHost {
    let mut settings = BTreeMap::from([("CosmosDB".to_owned(), world.endpoint.connection_string())]);
    for (name, value) in [
        ("CHANGEFEED_DATABASE", "dev"),
        ("CHANGEFEED_MONITORED_CONTAINER", "events"),
        ("CHANGEFEED_LEASES_CONTAINER", "leases"),
        ("CHANGEFEED_JOBS_CONTAINER", "jobs"),
    ] {
        settings.insert(name.to_owned(), value.to_owned());
    }
    settings.extend(disabled.iter().map(|function| (format!("AzureWebJobs.{function}.Disabled"), "true".to_owned())));
    let options = HostOptions {
        script_root: root(),
        port: 0,
        settings,
        executable: Some(Path::new(env!("CARGO_BIN_EXE_changefeed")).to_owned()),
        ..HostOptions::default()
    };
    let host = Host::start(options).await.expect("a host");
    tokio::time::timeout(DEADLINE, host.wait_until_ready()).await.expect("in time").expect("a host");
    host
}

/// Creates and deletes a document.
async fn create_and_delete(world: &World, id: &str) {
    world.put("a", json!({"id": id, "pk": "a"})).await;
    world.container("events").await.delete_item("a", id, None).await.expect("deleted");
}

/// Runs the command, which has to end with 3 because a step is left. Returns the name of that step, and what to do.
async fn next(command_line: &CommandLine, arguments: &[&str]) -> (String, String) {
    let (code, printed) = command_line.json(arguments).await;
    assert_eq!(code, 3, "{printed}");
    let steps = printed["items"].as_array().expect("steps");
    let states: Vec<&str> = steps.iter().map(|step| step["state"].as_str().expect("a state")).collect();
    let at = states.iter().position(|state| *state != "done").expect("a step that is not done");
    assert!(states[at + 1..].iter().all(|state| *state == "later"), "{states:?}");
    let actions: Vec<&str> =
        steps[at]["actions"].as_array().expect("actions").iter().filter_map(Value::as_str).collect();
    (steps[at]["name"].as_str().expect("a name").to_owned(), actions.join("\n"))
}

/// The ids of the documents that have a version with this operation.
async fn documents(world: &World, operation: &str) -> Vec<String> {
    let versions = world.versions().await;
    let of_operation = versions.values().filter(|version| version["operation"] == operation);
    of_operation.map(|version| version["sourceId"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_app_switches_to_all_versions_without_a_missed_change() {
    let world = Arc::new(world().await);
    let command_line = CommandLine::new(&world);
    let running = host(&world, &[ALL]).await;
    world.put("a", json!({"id": "before", "pk": "a"})).await;
    until("the version", DEADLINE, async || documents(&world, "write").await == ["before"]).await;

    let (step, action) = next(&command_line, &[&TO_ALL[..], &["--wait", "0"]].concat()).await;
    assert!(
        step == "start capture in the new mode" && action.contains("AllVersions.Disabled=false"),
        "{step}: {action}"
    );

    // A change of a setting starts the app again. Documents are written all the time.
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
        async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                world.put("a", json!({"id": format!("meanwhile-{count}"), "pk": "a"})).await;
                count += 1;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            count
        }
    });
    running.stop().await;
    let running = host(&world, &[]).await;
    let (step, action) = next(&command_line, &[&TO_ALL[..], &["--wait", "180"]].concat()).await;
    assert!(step == "stop capture in the former mode", "{step}: {action}");
    assert!(
        action.contains("AzureWebJobs.CosmosChangeFeed.Disabled=true CHANGEFEED_MODE=AllVersionsAndDeletes"),
        "{action}"
    );
    create_and_delete(&world, "with both modes").await;

    running.stop().await;
    create_and_delete(&world, "while the app starts").await;
    let running = host(&world, &[LATEST]).await;
    let (step, action) = next(&command_line, &TO_ALL).await;
    assert_eq!((step.as_str(), action.as_str()), ("verify the history", "changefeed verify --repair"));
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.expect("the writer");
    create_and_delete(&world, "in the new mode").await;

    let deleted = ["with both modes", "while the app starts", "in the new mode"];
    until("every delete", DEADLINE, async || {
        let mut found = documents(&world, "delete").await;
        found.sort();
        let mut expected = deleted.map(str::to_owned);
        expected.sort();
        found == expected
    })
    .await;
    let (code, printed) = command_line.text(&["verify", "--repair", "--yes", "--grace-seconds", "0"]).await;
    assert_eq!(code, 0, "nothing is missing: {printed}");
    let versions = world.versions().await;
    let has_version = |id: &str| versions.values().any(|version| version["sourceId"] == id);
    assert!((0..written).all(|count| has_version(&format!("meanwhile-{count}"))));

    // Without a terminal nothing is removed unless that is confirmed.
    let (step, action) = next(&command_line, &TO_ALL).await;
    assert_eq!(step, "remove the leases of the former mode");
    assert!(action.ends_with("--yes"), "{action}");
    let (code, printed) = command_line.text(&[&TO_ALL[..], &["--yes"]].concat()).await;
    assert!(code == 0 && printed.contains("Nothing is left to do"), "{code}: {printed}");
    let (_, leases) = command_line.json(&["leases", "list"]).await;
    let modes: Vec<&Value> = leases["items"].as_array().expect("leases").iter().map(|lease| &lease["mode"]).collect();
    assert_eq!(modes, [&json!("AllVersionsAndDeletes"); 4]);
    let (_, status) = command_line.json(&["status"]).await;
    assert_eq!(status["mode"], "AllVersionsAndDeletes");
    assert_eq!(command_line.json(&TO_ALL).await.0, 0, "it can be run again");

    let (step, action) = next(&command_line, &["switch-mode", "--to", "LatestVersion"]).await;
    assert!(
        step == "start capture in the new mode" && action.contains("ChangeFeed.Disabled=false"),
        "{step}: {action}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_mode_has_to_capture_what_the_new_one_does_not() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    let connection = world.endpoint.connection_string();
    let latest = Instance::start(&connection, &[]).expect("an instance");
    world.put("a", json!({"id": "captured", "pk": "a"})).await;
    until("the version", DEADLINE, async || documents(&world, "write").await == ["captured"]).await;
    assert!(latest.end("-TERM").await.success());
    world.put("a", json!({"id": "waits", "pk": "a"})).await;

    // Both modes seem to be there, but one of them was stopped too early.
    let all = Instance::start(&connection, &["--mode", "AllVersionsAndDeletes"]).expect("an instance");
    let to_all = [&TO_ALL[..], &["--wait", "180"]].concat();
    let (step, action) = next(&command_line, &to_all).await;
    assert_eq!(step, "let the former mode catch up");
    assert!(action.contains("changefeed process --mode LatestVersion"), "{action}");
    let latest = Instance::start(&connection, &["--mode", "LatestVersion"]).expect("an instance");
    let (step, _) = next(&command_line, &to_all).await;
    assert_eq!(step, "stop capture in the former mode");
    assert!(latest.end("-TERM").await.success());
    assert_eq!(next(&command_line, &to_all).await.0, "verify the history");
    let mut written = documents(&world, "write").await;
    written.sort();
    assert_eq!(written, ["captured", "waits"]);
    assert!(all.end("-TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_both_modes_are_listed_and_changed_only_when_one_is_named() {
    let world = world().await;
    let command_line = CommandLine::new(&world);
    let connection = world.endpoint.connection_string();
    for mode in ["LatestVersion", "AllVersionsAndDeletes"] {
        let instance = Instance::start(&connection, &["--mode", mode]).expect("an instance");
        assert!(instance.end("-TERM").await.success());
    }
    let (code, printed) = command_line.text(&["leases", "list", "--output", "csv"]).await;
    assert_eq!(code, 0);
    let of_mode = |mode: &str| printed.lines().filter(|line| line.contains(mode)).count();
    assert_eq!((of_mode("capture,LatestVersion,"), of_mode("capture,AllVersionsAndDeletes,")), (4, 4), "{printed}");
    // Exported leases have their mode.
    let (code, exported) = command_line.text(&["leases", "export", "--mode", "AllVersionsAndDeletes"]).await;
    assert_eq!(code, 0, "{exported}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), exported).expect("written");
    let import = ["leases", "import", file.path().to_str().expect("a path"), "--overwrite"];
    assert_eq!(command_line.text(&import).await, (0, "stored 4 leases\n".to_owned()));
    let (code, printed) = command_line.text(&[&import[..], &["--mode", "LatestVersion"]].concat()).await;
    assert!(code == 1 && printed.contains("are of AllVersionsAndDeletes mode"), "{code}: {printed}");
    let (code, printed) = command_line.text(&["leases", "reset", "--to", "now", "--yes"]).await;
    assert!(code == 1 && printed.contains("both modes have leases; pass --mode"), "{code}: {printed}");
    let reset = ["leases", "reset", "--to", "now", "--yes", "--mode", "LatestVersion"];
    assert_eq!(command_line.text(&reset).await, (0, "reset 4 leases\n".to_owned()));
}
