//! Backups in Azure Blob Storage, or in its emulator, by the command line and by the functions: `scripts/azurite` runs them.

use std::process::{Command, Output, Stdio};

use changefeed_jobs::{SliceEnd, job_to_run};
use changefeed_operations::Changefeed;
use serde_json::{Value, json};

use crate::support::backups::{Documents, live};
use crate::support::{Handler, World};

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/azurite sets it"))
}

/// A URL of a prefix that nobody else has.
fn place(name: &str) -> String {
    let storage = setting("CHANGEFEED_TEST_STORAGE");
    let (_, endpoint) = storage.split_once("BlobEndpoint=").expect("an endpoint");
    let container = setting("CHANGEFEED_TEST_STORAGE_CONTAINER");
    format!("{endpoint}/{container}/app-{}-{}/{name}", std::process::id(), rand::random::<u32>())
}

async fn world() -> World {
    let world = World::new().await;
    for n in 0..60 {
        let key = format!("key-{}", n % 5);
        world.put(key.clone(), json!({"id": format!("item-{n}"), "pk": key, "n": n})).await;
    }
    world
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_changefeed"));
    command
        .args(arguments)
        .env("CosmosDB", world.endpoint.connection_string())
        .env("CHANGEFEED_BACKUP_STORAGE", setting("CHANGEFEED_TEST_STORAGE"))
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("joined")
}

async fn answer(world: &World, arguments: &[&str]) -> Value {
    let output = run(world, &[arguments, &["--output", "json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn commands_write_verify_and_restore_a_backup_in_blobs() {
    let world = world().await;
    let before = live(&world).await;
    let place = place("b");
    let backup = answer(&world, &["backup", "create", "--to", &place]).await;
    assert_eq!((&backup["counts"]["documents"], backup.get("onlyOn")), (&json!(60), None), "{backup}");
    assert_eq!(answer(&world, &["backup", "verify", &place]).await["documents"], 60);
    let (above, _) = place.rsplit_once('/').expect("a folder");
    assert_eq!(answer(&world, &["backup", "list", above]).await["items"][0]["documents"], 60);
    answer(&world, &["truncate", "--container", "events", "--max", "1000", "--yes"]).await;
    assert_eq!(live(&world).await, Documents::new());
    answer(&world, &["backup", "restore", &place, "--yes"]).await;
    assert_eq!(live(&world).await, before);
    let jobs = world.query("jobs", "SELECT * FROM c").await;
    assert!(!json!(jobs).to_string().contains("AccountKey"));
}

/// Works on every job that is for all, as the trigger does.
async fn run_jobs(world: &World, store: &Changefeed) {
    for item in world.query("jobs", "SELECT * FROM c").await {
        let Some(id) = job_to_run(&item) else { continue };
        while !matches!(
            store.runner.run_slice(id, "test", std::future::pending()).await.expect("slice"),
            SliceEnd::Ended(_)
        ) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn functions_write_verify_and_restore_a_backup_in_blobs() {
    let world = world().await;
    let before = live(&world).await;
    let storage = setting("CHANGEFEED_TEST_STORAGE");
    let connection_string = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection_string), ("CHANGEFEED_BACKUP_STORAGE", &storage)]);
    let runner = world.store(|options| {
        options.locations.connection_string = Some(storage.clone());
        options.locations.host = None;
    });
    let place = place("b");
    let (status, backup) = handler.post("/api/backups", &json!({"to": place})).await;
    assert_eq!(status.as_u16(), 202, "{backup}");
    run_jobs(&world, &runner).await;
    let path = format!("/api/backups/{}", backup["id"].as_str().expect("id"));
    let (_, done) = handler.get(&path).await;
    assert_eq!((&done["state"], &done["counts"]["documents"]), (&json!("done"), &json!(60)), "{done}");
    let (_, verified) = handler.post(&format!("{path}/verify"), &json!({})).await;
    assert_eq!((&verified["sound"], &verified["documents"]), (&json!(true), &json!(60)), "{verified}");
    handler.post("/api/truncate", &json!({"container": "events", "max": 1000})).await;
    let (status, restore) = handler.post("/api/restores", &json!({"from": place})).await;
    assert_eq!(status.as_u16(), 202, "{restore}");
    run_jobs(&world, &runner).await;
    assert_eq!(live(&world).await, before);
    let (_, status) = handler.get("/api/status").await;
    assert!(!status.to_string().contains("Eby8vdM0"), "no key is shown");
}
