//! Backups in Azure Blob Storage or its emulator, with commands and with functions. `scripts/azurite` runs these tests.

use std::process::{Output, Stdio};

use changefeed_backup_format::LocationAccess;
use changefeed_jobs::{SliceEnd, job_to_run};
use changefeed_operations::Changefeed;
use serde_json::{Value, json};

use crate::read_costs::store_versions;
use crate::support::backups::{Documents, live_documents};
use crate::support::verify::overwrite_record;
use crate::support::{Handler, World, executable};

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/azurite sets it"))
}

/// A URL with a unique prefix.
fn location(name: &str) -> String {
    let storage = setting("CHANGEFEED_TEST_STORAGE");
    let (_, endpoint) = storage.split_once("BlobEndpoint=").expect("an endpoint");
    let container = setting("CHANGEFEED_TEST_STORAGE_CONTAINER");
    format!("{endpoint}/{container}/app-{}-{}/{name}", std::process::id(), rand::random::<u32>())
}

async fn world_with_documents() -> World {
    let world = World::new().await;
    for n in 0..60 {
        let key = format!("key-{}", n % 5);
        world.put(key.clone(), json!({"id": format!("item-{n}"), "pk": key, "n": n})).await;
    }
    world
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = executable();
    command
        .args(arguments)
        .env("CosmosDB", world.endpoint.connection_string())
        .env("CHANGEFEED_BACKUP_STORAGE", setting("CHANGEFEED_TEST_STORAGE"))
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("joined")
}

async fn json_output(world: &World, arguments: &[&str]) -> Value {
    let output = run(world, &[arguments, &["--output", "json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn commands_create_verify_and_restore_a_backup_in_blobs() {
    let world = world_with_documents().await;
    let before = live_documents(&world).await;
    let location = location("b");
    let backup = json_output(&world, &["backup", "create", "--to", &location]).await;
    assert_eq!((&backup["counts"]["documents"], backup.get("onlyOn")), (&json!(60), None), "{backup}");
    assert_eq!(json_output(&world, &["backup", "verify", &location]).await["documents"], 60);
    let (parent, _) = location.rsplit_once('/').expect("a folder");
    assert_eq!(json_output(&world, &["backup", "list", parent]).await["items"][0]["documents"], 60);
    json_output(&world, &["truncate", "--container", "events", "--max", "1000", "--yes"]).await;
    assert_eq!(live_documents(&world).await, Documents::new());
    json_output(&world, &["backup", "restore", &location, "--yes"]).await;
    assert_eq!(live_documents(&world).await, before);
    let jobs = world.query("jobs", "SELECT * FROM c").await;
    assert!(!json!(jobs).to_string().contains("AccountKey"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn versions_are_exported_to_a_blob() {
    let world = World::new().await;
    store_versions(&world, "d", 300, false).await;
    let location = location("versions.csv");
    let exported = run(&world, &["history", "export", "--file", &location]).await;
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let again = run(&world, &["history", "export", "--file", &location]).await;
    let message = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && message.contains("--overwrite"), "{message}");
    let access = LocationAccess { connection_string: Some(setting("CHANGEFEED_TEST_STORAGE")), ..Default::default() };
    let (folder, name) = access.open(&location).expect("a location").split().expect("a name");
    let (bytes, _) = folder.read(&name, 1 << 20).await.expect("a blob");
    assert_eq!(csv::Reader::from_reader(bytes.as_ref()).records().count(), 300);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn digests_in_blobs_name_an_altered_version_and_a_missing_file() {
    let world = World::new().await;
    store_versions(&world, "d", 60, false).await;
    world.endpoint.set_clock(4600).expect("the clock");
    let location = location("history");
    let digest = json_output(&world, &["digest", "write", "--to", &location]).await;
    assert!(digest["counts"]["versions"] == 60 && digest.get("onlyOn").is_none(), "{digest}");
    let verified = json_output(&world, &["verify", "--digests", &location]).await;
    assert_eq!((&verified["state"], &verified["counts"]["versions"]), (&json!("done"), &json!(60)), "{verified}");
    let mut version = world.versions().await.pop_first().expect("a version").1;
    version["document"]["altered"] = json!(true);
    overwrite_record(&world, version.clone()).await;
    let access = LocationAccess { connection_string: Some(setting("CHANGEFEED_TEST_STORAGE")), ..Default::default() };
    let folder = access.open(&location).and_then(|location| location.child("digests")).expect("a location");
    let verify = ["verify", "--digests", &location, "--output", "json"];
    let found = async || {
        let output = run(&world, &verify).await;
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["findings"].clone()
    };
    let findings = found().await;
    assert_eq!((&findings[0]["kind"], &findings[0]["version"]), (&json!("altered"), &version["id"]), "{findings}");
    for file in folder.list().await.expect("files") {
        folder.delete(&file.name).await.expect("deleted");
    }
    let findings = found().await;
    assert_eq!(findings[0]["kind"], "chainBroken", "{findings}");
}

/// Runs every job that any machine can run, as the trigger does.
async fn run_jobs(world: &World, changefeed: &Changefeed) {
    for item in world.query("jobs", "SELECT * FROM c").await {
        let Some(job) = job_to_run(&item) else { continue };
        while !matches!(
            changefeed.runner.run_slice(&job.id, "test", std::future::pending()).await.expect("slice"),
            SliceEnd::Ended(_)
        ) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a storage account: scripts/azurite"]
async fn functions_create_verify_and_restore_a_backup_in_blobs() {
    let world = world_with_documents().await;
    let before = live_documents(&world).await;
    let storage = setting("CHANGEFEED_TEST_STORAGE");
    let connection_string = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection_string), ("CHANGEFEED_BACKUP_STORAGE", &storage)]);
    let runner = world.changefeed(|options| {
        options.locations.connection_string = Some(storage.clone());
        options.locations.host = None;
    });
    let location = location("b");
    let (status, backup) = handler.post("/api/backups", &json!({"to": location})).await;
    assert_eq!(status.as_u16(), 202, "{backup}");
    run_jobs(&world, &runner).await;
    let path = format!("/api/backups/{}", backup["id"].as_str().expect("id"));
    let (_, done) = handler.get(&path).await;
    assert_eq!((&done["state"], &done["counts"]["documents"]), (&json!("done"), &json!(60)), "{done}");
    let (_, verified) = handler.post(&format!("{path}/verify"), &json!({})).await;
    assert_eq!((&verified["sound"], &verified["documents"]), (&json!(true), &json!(60)), "{verified}");
    // The console shows its files, and those of an increment with the backup that it continues.
    let increment = format!("{location}-increment");
    world.put("key-1", json!({"id": "later", "pk": "key-1"})).await;
    let (status, second) = handler.post("/api/backups", &json!({"to": increment, "incrementalFrom": location})).await;
    assert_eq!(status.as_u16(), 202, "{second}");
    run_jobs(&world, &runner).await;
    for (backup, parts) in [
        (&backup, vec!["part-00000.ndjson.zst", "Preview the restore", "/verify\""]),
        (&second, vec!["Continues", "With the backups that it continues."]),
    ] {
        let id = backup["id"].as_str().expect("id");
        let page = crate::console::html(&handler, &format!("/api/views/backups?id={id}")).await;
        assert!(page.contains(&location) && parts.iter().all(|part| page.contains(part)), "{page}");
    }
    world.container("events").await.delete_item("key-1", "later", None).await.expect("deleted");
    handler.post("/api/truncate", &json!({"container": "events", "max": 1000, "confirm": "events"})).await;
    let (status, restore) = handler.post("/api/restores", &json!({"from": location})).await;
    assert_eq!(status.as_u16(), 202, "{restore}");
    run_jobs(&world, &runner).await;
    assert_eq!(live_documents(&world).await, before);
    let (_, status) = handler.get("/api/status").await;
    assert!(!status.to_string().contains("Eby8vdM0"), "the status has no key");
}
