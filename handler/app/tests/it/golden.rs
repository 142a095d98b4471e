//! Items and files as the program has stored them before, in `tests/golden/`: the present program reads them, and still writes the same shape.
//! A change that breaks one of the two breaks an upgrade or a rollback.
//!
//! `UPDATE_GOLDEN=1 cargo test -p changefeed --test it golden` writes the files again. CONTRIBUTING.md says when that is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, Inventory, OtherState};
use changefeed_cosmos::{DocumentName, Key, compress, digest};
use changefeed_history::{Batch, TimeZone, Version};
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, DeletesKnown};
use chrono::Utc;
use reqwest::StatusCode;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::backups::{assert_sound, body_of, run_backup};
use crate::support::digests::{LATER, at, verify_digests, write, write_digests};
use crate::support::golden::{HIERARCHICAL, KINDS, Names, kind_of, shape};
use crate::support::jobs::{capture, finish, start_restore};
use crate::support::verify::{run_verification, text_larger_than_an_item};
use crate::support::{DEADLINE, Handler, Instance, World, until};

/// Files of these folders, below the folder of the backups.
const FOLDERS: [&str; 3] = ["digests", "finished", "unfinished"];
/// A document that fits into a record only when it is compressed.
const COMPRESSED_LENGTH: usize = 1_900_000;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What the present program stores.
struct Written {
    items: BTreeMap<String, Vec<Value>>,
    folder: tempfile::TempDir,
}

impl Written {
    async fn collect(&mut self, world: &World, containers: &[&str]) {
        let names = Names::of(world, self.folder.path()).await;
        for container in containers {
            for mut item in world.query(container, "SELECT * FROM c").await {
                let fields = item.as_object_mut().expect("an item");
                fields.retain(|name, _| !["_rid", "_self", "_etag", "_attachments", "_ts"].contains(&name.as_str()));
                self.items.entry(kind_of(container, &item)).or_default().push(names.hide(&item));
            }
        }
    }
}

fn delivered_by_host() -> Batch {
    Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true }
}

/// A delete as the feed of all versions delivers it.
fn delete_of(document: &Value, lsn: i64) -> Value {
    json!({"current": {}, "previous": document, "metadata": {"operationType": "delete", "id": document["id"],
        "partitionKey": {"pk": document["pk"]}, "crts": document["_ts"], "lsn": lsn, "previousImageLSN": lsn - 1}})
}

/// Lets the program store each kind of item.
async fn written() -> Written {
    let folder = tempfile::tempdir().expect("folder");
    let location = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let first = world.put("a", json!({"id": "plain", "pk": "a", "n": 1, "updatedBy": "me"})).await;
    let instance = Instance::start(&world.endpoint.connection_string(), &["--from", "beginning"]).expect("an instance");
    until("the first version", DEADLINE, async || world.versions().await.len() == 1).await;
    assert!(instance.end("-TERM").await.success());

    // Now the lease has something to process.
    let second = world.put("a", json!({"id": "plain", "pk": "a", "n": 2, "updatedBy": "me"})).await;
    let retention = ("CHANGEFEED_RETENTION_DAYS", "400");
    let handler = Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), retention]);
    for timer in ["/Retention", "/WatchLeases"] {
        let (status, answer) = handler.post(timer, &json!({"Data": {"timer": {}}, "Metadata": {}})).await;
        assert_eq!(status, StatusCode::OK, "{timer}: {answer}");
    }

    let changefeed = at(&world, 0);
    capture(&changefeed, &[second]).await;
    let deleted = write(&world, &changefeed, &["deleted", "gone", "erased"], "a text").await;
    for id in ["deleted", "gone"] {
        world.container("events").await.delete_item("a", id, None).await.expect("deleted");
    }
    capture(&changefeed, &[delete_of(&deleted[0], 1_000_000)]).await;
    inexact_and_its_twin(&changefeed).await;
    let letter = to_raw_value(&json!(5)).expect("raw");
    changefeed.capture.capture(&delivered_by_host(), vec![letter]).await.expect("captured");

    let version = crate::support::version_id(&first);
    let restore = serde_json::from_value(json!({"id": "plain", "partitionKey": ["a"], "version": version}));
    changefeed.restores.run(&restore.expect("a request")).await.expect("restored");
    let changefeed = at(&world, LATER);
    write_digests(&changefeed, folder.path()).await;
    let large = json!({"id": "parts", "pk": "a", "text": text_larger_than_an_item()});
    capture(&changefeed, &[world.put("a", large).await]).await;
    world.container("events").await.delete_item("a", "parts", None).await.expect("deleted");
    let large = json!({"id": "compressed", "pk": "a", "text": "a".repeat(COMPRESSED_LENGTH)});
    capture(&changefeed, &[world.put("a", large).await]).await;
    run_verification(&changefeed, json!({"repair": true})).await;
    // At the time of the first version, the other documents had none.
    let third = world.put("a", json!({"id": "plain", "pk": "a", "n": 3, "updatedBy": "me"})).await;
    capture(&changefeed, &[third]).await;
    let request = json!({"all": true, "asOf": first["_ts"], "job": true});
    let job = start_restore(&changefeed, request.clone()).await;
    assert_eq!(finish(&changefeed, &job).await, JobState::Unknowns);
    let mut dry_run = request;
    dry_run["dryRun"] = json!(true);
    let plan = start_restore(&changefeed, dry_run).await;
    assert_eq!(finish(&changefeed, &plan).await, JobState::Planned);

    run_backup(&changefeed, json!({"to": location("finished")})).await;
    let request = serde_json::from_value(json!({"to": location("unfinished"), "ruPerSecond": 10})).expect("a request");
    let unfinished = changefeed.backups.create_job(&request).await.expect("a job");
    let second = tokio::time::sleep(Duration::from_secs(1));
    changefeed.runner.run_slice(&unfinished.id, "test", second).await.expect("a slice");

    let erasure = json!({"id": "erased", "pk": "a", "confirm": 1});
    let erasure = serde_json::from_value(erasure).expect("a request");
    let erasure = changefeed.erasures.create_job(&erasure).await.expect("a job");
    assert_eq!(finish(&changefeed, &erasure.id).await, JobState::Done);
    take_backup_of_policy(&changefeed, &location("policy")).await;

    let mut written = Written { items: BTreeMap::new(), folder };
    written.collect(&world, &["changes", "dead-letters", "jobs", "leases"]).await;

    let world = hierarchical_world().await;
    let stored = world.put(("a", "b"), json!({"id": "1", "tenant": "a", "user": "b"})).await;
    capture(&world.changefeed(|_| ()), &[stored]).await;
    written.collect(&world, &["changes"]).await;
    written
}

async fn hierarchical_world() -> World {
    World::with_keys(&["/tenant", "/user"], &["/pk", "/sourceId"]).await
}

/// A version that the host has rewritten, and the exact one that a restore stores beside it.
async fn inexact_and_its_twin(changefeed: &Changefeed) {
    let rewritten = json!({"id": "twin", "pk": "a", "at": "2024-01-01T10:00:00+02:00", "_ts": 1_700_000_000, "_lsn": 1, "_etag": "\"t\""});
    let rewritten = to_raw_value(&rewritten).expect("raw");
    changefeed.capture.capture(&delivered_by_host(), vec![rewritten]).await.expect("captured");
    let name = DocumentName { id: "twin".to_owned(), partition_key: Key::text("a") };
    let inexact = changefeed.history.version(&name, "1700000000-t").await.expect("a version");
    let mut document = inexact.document.clone().expect("a document");
    document["at"] = json!("2024-01-01T12:00:00+04:00");
    let exact = Version { exact: true, document: Some(document), ..inexact };
    let deadline = Instant::now() + Duration::from_secs(60);
    changefeed.history.ensure_stored_exactly(&name, &exact, false, deadline).await.expect("stored");
}

async fn take_backup_of_policy(changefeed: &Changefeed, to: &str) {
    let policy =
        serde_json::from_value(json!({"to": to, "every": "1d", "at": "02:00", "keepDaily": 7})).expect("a policy");
    let policies = &changefeed.backup_policy;
    policies.set(policy, &TimeZone::UTC).await.expect("set");
    let look = async || policies.look_at(Utc::now(), &DeletesKnown::Yes).await.expect("a look");
    for id in look().await.unfinished() {
        assert_eq!(finish(changefeed, id).await, JobState::Done);
    }
    look().await;
}

fn file(kind: &str) -> PathBuf {
    golden().join(format!("{kind}.json"))
}

fn stored(kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}

/// A version with parts, made small: what a text needs that is larger than an item, with a short text.
fn small_parts(items: &mut BTreeMap<String, Vec<Value>>) {
    let data = compress(r#"{"id":"parts","pk":"a","text":"short"}"#).expect("compressed");
    let record = &mut items.get_mut("version-with-parts").expect("a version")[0];
    (record["documentParts"], record["documentDigest"]) = (json!(1), json!(digest(&data)));
    let id = format!("{}-document-{}-0000", record["id"].as_str().expect("an id"), digest(&data));
    let parts = items.get_mut("version-part").expect("parts");
    parts.truncate(1);
    let part = &mut parts[0];
    (part["id"], part["number"], part["digest"], part["data"]) =
        (json!(id), json!(0), json!(digest(&data)), json!(data));
}

fn update(mut written: Written) {
    small_parts(&mut written.items);
    let _ = std::fs::remove_dir_all(golden());
    std::fs::create_dir_all(golden()).expect("a folder");
    for (kind, items) in &written.items {
        let text = serde_json::to_string_pretty(items).expect("JSON") + "\n";
        std::fs::write(file(kind), text).expect("written");
    }
    for folder in FOLDERS {
        copy(&written.folder.path().join(folder), &golden().join(folder));
    }
    std::fs::write(golden().join(".gitattributes"), "# Every byte counts.\n* -text\n").expect("written");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[tokio::test]
async fn the_program_writes_items_of_the_shape_that_it_has_written_before() {
    let written = Box::pin(written()).await;
    let kinds: BTreeSet<&str> = written.items.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        KINDS.iter().map(|(kind, _)| *kind).collect(),
        "a kind of item without a file, or a file without an item"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return update(written);
    }
    for (kind, items) in &written.items {
        let (now, before) = (shape(items), shape(&stored(kind)));
        let (added, removed): (Vec<_>, Vec<_>) = (now.difference(&before).collect(), before.difference(&now).collect());
        assert!(
            added.is_empty() && removed.is_empty(),
            "{kind} has another shape: {added:#?} in addition, without {removed:#?}; CONTRIBUTING.md says how a format changes"
        );
    }
}

/// A world with the items of the files, and a folder with the files of backups and digests.
async fn loaded() -> (World, tempfile::TempDir) {
    let (world, folder) = (World::new().await, tempfile::tempdir().expect("folder"));
    world.create("leases", &["/id"]).await;
    // Later than the last hour of the digests: no item is added to one of their hours.
    world.endpoint.set_clock(86_400).expect("the clock");
    FOLDERS.iter().for_each(|name| copy(&golden().join(name), &folder.path().join(name)));
    for (kind, container) in KINDS.iter().filter(|(kind, _)| *kind != HIERARCHICAL) {
        load(&world, folder.path(), kind, container).await;
    }
    (world, folder)
}

async fn load(world: &World, folder: &Path, kind: &str, container: &str) {
    let names = Names::of(world, folder).await;
    let container_client = world.container(container).await;
    for item in stored(kind) {
        let item: Value = serde_json::from_str(&names.show(&item.to_string())).expect("JSON");
        let id = item["id"].as_str().expect("an id").to_owned();
        let upserted = match container {
            "changes" => container_client.upsert_item(crate::support::verify::record_key(&item), &id, item, None).await,
            _ => container_client.upsert_item(id.clone(), &id, item, None).await,
        };
        upserted.unwrap_or_else(|error| panic!("{kind} {id}: {error}"));
    }
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

#[tokio::test]
async fn every_version_of_the_files_is_listed_shown_and_restored() {
    let (world, _folder) = loaded().await;
    let handler = world.handler();
    for (kind, expected) in [("plain", 2), ("deleted", 2), ("gone", 2), ("twin", 2), ("parts", 2), ("compressed", 1)] {
        let listed = get(&handler, &format!("/api/history/versions?id={kind}&pk=a")).await;
        assert!(listed["items"].as_array().is_some_and(|items| items.len() >= expected), "{kind}: {listed}");
    }
    // The versions were written with a clock that was ahead: later than all of them.
    for id in ["deleted", "gone", "parts"] {
        let state = get(&handler, &format!("/api/history/document?id={id}&pk=a&asOf=2000000000")).await;
        assert_eq!(state["state"], "absent", "{id}: {state}");
    }
    let mut restored = 0;
    for kind in ["version", "version-compressed", "version-with-parts", "version-inexact", "version-exact-twin"] {
        for version in stored(kind) {
            let (id, version_id) =
                (version["sourceId"].as_str().expect("an id"), version["id"].as_str().expect("an id"));
            let shown = get(&handler, &format!("/api/history/versions/{version_id}?id={id}&pk=a")).await;
            let expected = match kind {
                "version-compressed" => json!({"id": id, "pk": "a", "text": "a".repeat(COMPRESSED_LENGTH)}),
                "version-with-parts" => json!({"id": id, "pk": "a", "text": "short"}),
                _ => version["document"].clone(),
            };
            assert!(shown["document"] == expected, "{kind} {version_id}");
            // A version that the host may have rewritten is restored only with force.
            let request = json!({"id": id, "partitionKey": ["a"], "version": version_id, "force": true});
            let (status, report) = handler.post("/api/restores", &request).await;
            assert_eq!(status, StatusCode::OK, "{kind} {version_id}: {report}");
            let live = world.live("a", id).await.map(body_of);
            assert!(live == Some(body_of(expected)), "{kind} {version_id}: {report}");
            restored += 1;
        }
    }
    assert!(restored >= 6, "{restored}");

    let (world, folder) = (hierarchical_world().await, tempfile::tempdir().expect("folder"));
    load(&world, folder.path(), HIERARCHICAL, "changes").await;
    let version = stored(HIERARCHICAL)[0]["id"].clone();
    let request = json!({"id": "1", "partitionKey": ["a", "b"], "version": version});
    let (_, report) = world.handler().post("/api/restores", &request).await;
    assert_eq!(report["counts"]["create"], 1, "{report}");
}

#[tokio::test]
async fn every_record_of_the_files_is_listed_and_shown_and_what_is_unfinished_is_finished() {
    let (world, folder) = loaded().await;
    let handler = world.handler();
    for (list, kinds) in [
        ("restores", &["restore", "restore-job"][..]),
        ("backups", &["backup-job"]),
        ("verify", &["verify-job"]),
        ("digests", &["digest-job"]),
        ("erasures", &["erase-job"]),
        ("dead-letters", &["dead-letter"]),
    ] {
        let expected: BTreeSet<String> =
            kinds.iter().flat_map(|kind| stored(kind)).map(|item| item["id"].to_string()).collect();
        let listed = get(&handler, &format!("/api/{list}")).await;
        let listed = listed["items"].as_array().expect("items");
        assert_eq!(listed.iter().map(|item| item["id"].to_string()).collect::<BTreeSet<_>>(), expected, "{list}");
        for item in listed {
            let id = item["id"].as_str().expect("an id");
            let shown = get(&handler, &format!("/api/{list}/{id}")).await;
            assert_eq!((&shown["id"], &shown["state"]), (&item["id"], &item["state"]), "{shown}");
            match list {
                "restores" if item["state"] == "planned" => {
                    assert_eq!(
                        handler.post(&format!("/api/restores/{id}/execute"), &json!({})).await.0,
                        StatusCode::ACCEPTED
                    );
                }
                "restores" => {
                    let undo = handler.post(&format!("/api/restores/{id}/undo"), &json!({"dryRun": true})).await;
                    assert!(undo.0.is_success(), "{undo:?}");
                    get(&handler, &format!("/api/restores/{id}/items")).await;
                }
                "verify" => {
                    let path = format!("/api/verify/{id}/findings?maxItems=1000");
                    let (mut found, mut continuation) = (0, Some(String::new()));
                    while let Some(token) = continuation {
                        let page = get(&handler, &format!("{path}{token}")).await;
                        found += page["items"].as_array().expect("items").len();
                        continuation = page["continuation"].as_str().map(|token| format!("&continuation={token}"));
                    }
                    let pages = stored("findings");
                    let expected = pages.iter().map(|page| page["items"].as_array().map_or(0, Vec::len)).sum::<usize>();
                    assert_eq!(found, expected);
                }
                "dead-letters" => {
                    assert_eq!(shown["payload"], "5");
                    let (_, replayed) = handler.post(&format!("/api/dead-letters/{id}/replay"), &json!({})).await;
                    assert_eq!(replayed["outcome"], "stillDead", "{replayed}");
                }
                _ => {}
            }
        }
    }
    let policy = get(&handler, "/api/backup-policy").await;
    for pointer in ["/last/backup/state", "/lastDone/backup/state", "/lastDigests/state"] {
        assert_eq!(policy.pointer(pointer), Some(&json!("done")), "{pointer}: {policy}");
    }
    let status = get(&handler, "/api/status").await;
    assert!(status["retention"].is_object() && status.get("retentionError").is_none(), "{status}");
    assert!(
        !status["leases"].as_array().expect("leases").is_empty() && status.get("leasesError").is_none(),
        "{status}"
    );

    let changefeed = world.changefeed(|options| options.batch_timeout = Duration::from_secs(4));
    let erased = to_raw_value(&world.put("a", json!({"id": "erased", "pk": "a"})).await).expect("raw");
    let report = changefeed.capture.capture(&delivered_by_host(), vec![erased]).await.expect("captured");
    assert_eq!((report.erased, report.stored), (1, 0), "{report:?}");
    let (record, findings) = verify_digests(&changefeed, folder.path()).await;
    assert_eq!((record.state, findings), (JobState::Done, Vec::new()));

    let inventory = Inventory::take(&BackupLocation::folder(folder.path())).await.expect("inventory");
    assert_eq!(inventory.backups.len(), 1, "{inventory:?}");
    let backup = changefeed.backups.show(&inventory.backups[0].header.id).await.expect("a backup");
    assert_sound(&backup).await;
    let unfinished = inventory.others.iter().find_map(|other| match &other.state {
        OtherState::Unfinished(header) => Some(header.id.clone()),
        _ => None,
    });
    let unfinished = unfinished.expect("progress.json");
    assert_eq!(finish(&changefeed, &unfinished).await, JobState::Done);
    assert_sound(&changefeed.backups.show(&unfinished).await.expect("a backup")).await;
}
