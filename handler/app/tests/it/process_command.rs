//! `changefeed process`: capture and jobs without the Functions host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use azure_data_cosmos::options::{ContentResponseOnWrite, ItemWriteOptions};
use local_cosmos::{Endpoint, Options};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Instance, Starting, World, executable, until};

/// Containers for carts: `events` has the partition key `/cartId`.
async fn cart_world() -> World {
    let world = World::with_keys(&["/cartId"], &["/pk", "/sourceId"]).await;
    world.create("leases", &["/id"]).await;
    world
}

fn start(world: &World, arguments: &[&str]) -> Instance {
    Instance::start(&world.endpoint.connection_string(), arguments).expect("started")
}

fn cart(id: &str, quantity: u32) -> Value {
    json!({"id": id, "cartId": "cart-1", "quantity": quantity})
}

/// The operations of the versions of a document, in order.
async fn operations(world: &World, id: &str) -> Vec<String> {
    let mut versions: Vec<Value> =
        world.versions().await.into_values().filter(|version| version["sourceId"] == id).collect();
    versions.sort_by_key(|version| (version["sourceTs"].as_i64(), version["lsn"].as_i64()));
    versions.iter().map(|version| version["operation"].as_str().expect("operation").to_owned()).collect()
}

#[tokio::test]
async fn an_expiring_document_is_captured_with_its_expiry_time_and_can_be_restored() {
    let world = cart_world().await;
    let instance = start(&world, &["--from", "beginning"]);
    let mut book = cart("book", 9);
    book["ttl"] = json!(3);
    let stored = world.put("cart-1", book.clone()).await;
    until("the version", DEADLINE, async || world.versions().await.len() == 1).await;
    let version = world.only_version().await;
    let written = stored["_ts"].as_i64().expect("_ts");
    assert_eq!(version["expiresAt"], written + 3);
    until("the expiry", DEADLINE, async || world.live("cart-1", "book").await.is_none()).await;

    let handler = world.handler();
    let as_of = async |time: i64| {
        let path = format!("/api/history/document?id=book&partitionKey=%5B%22cart-1%22%5D&asOf={time}");
        handler.get(&path).await.1
    };
    assert_eq!(as_of(written + 2).await["state"], "version");
    assert_eq!(as_of(written + 3).await["state"], "absent");
    let request = json!({"id": "book", "partitionKey": ["cart-1"], "version": version["id"]});
    let (_, report) = handler.post("/api/restores", &request).await;
    assert_eq!(report["counts"]["create"], 1, "{report}");
    assert_eq!(world.live("cart-1", "book").await.expect("restored")["quantity"], 9);
    assert!(instance.end("-TERM").await.success());
}

#[tokio::test]
async fn every_version_and_delete_is_captured_and_a_deleted_document_can_be_restored() {
    let world = cart_world().await;
    let instance = start(&world, &["--mode", "AllVersionsAndDeletes"]);
    assert_eq!(instance.ready["mode"], "AllVersionsAndDeletes");
    world.put("cart-1", cart("pro", 2)).await;
    world.put("cart-1", cart("book", 8)).await;
    world.put("cart-1", cart("pro", 3)).await;
    let events = world.container("events").await;
    events.delete_item("cart-1", "book", None).await.expect("delete");
    let mut short = cart("short", 1);
    short["ttl"] = json!(1);
    world.put("cart-1", short).await;
    until("every version", DEADLINE, async || world.versions().await.len() == 6).await;
    assert_eq!(operations(&world, "pro").await, ["create", "replace"]);
    assert_eq!(operations(&world, "book").await, ["create", "delete"]);
    assert_eq!(operations(&world, "short").await, ["create", "expire"]);
    let printed = instance.printed();
    let deleted = printed.iter().find(|line| line["operation"] == "delete").expect("the delete is printed");
    assert_eq!(deleted["id"], "book");

    let versions = world.versions().await;
    let of = |operation: &str| {
        let version =
            versions.values().find(|version| version["sourceId"] == "book" && version["operation"] == operation);
        version.expect("version")["id"].clone()
    };
    let handler = world.handler();
    for (version, quantity) in [(of("create"), Some(8)), (of("delete"), None)] {
        let request = json!({"id": "book", "partitionKey": ["cart-1"], "version": version, "deleteCreatedAfter": true});
        let (status, report) = handler.post("/api/restores", &request).await;
        assert_eq!((status.as_u16(), report["state"].as_str()), (200, Some("done")), "{report}");
        let live = world.live("cart-1", "book").await;
        assert_eq!(live.and_then(|live| live["quantity"].as_i64()), quantity);
    }
    // The writes of the restore are captured.
    until("the version of the restore", DEADLINE, async || {
        // A create, or a write when the second restore saved it before the feed delivered it.
        operations(&world, "book").await.iter().filter(|operation| *operation != "delete").count() == 2
    })
    .await;
    assert!(instance.end("-INT").await.success());
}

#[tokio::test]
async fn instances_share_the_leases_report_their_health_and_release_their_leases() {
    let world = cart_world().await;
    let first = start(&world, &["--instance", "first", "--health-port", "0"]);
    let second = start(&world, &["--instance", "second"]);
    let handler = world.handler();
    let all_leases = async || handler.get("/api/status").await.1["leases"].as_array().expect("leases").clone();
    let leases =
        async || -> Vec<Value> { all_leases().await.into_iter().filter(|lease| lease["feed"] == "capture").collect() };
    let owned_by = async |name: &str| leases().await.iter().filter(|lease| lease["owner"] == name).count();
    until("two leases for each instance", DEADLINE, async || {
        owned_by("first").await == 2 && owned_by("second").await == 2
    })
    .await;
    assert_eq!((first.ready["instance"].as_str(), first.health("/live").await.0), (Some("first"), 200));
    assert_eq!(first.health("/ready").await.0, 200);

    for number in 0..20 {
        world.put(format!("cart-{number}"), json!({"id": "item", "cartId": format!("cart-{number}")})).await;
    }
    until("the versions", DEADLINE, async || world.versions().await.len() == 20).await;
    assert!(second.end("-TERM").await.success());
    until("all leases for the first instance", DEADLINE, async || owned_by("first").await == 4).await;
    let (_, metrics) = first.health("/metrics").await;
    for expected in [
        "changefeed_leases_held{feed=\"capture\"} 4",
        "changefeed_lease_lag_transactions{feed=\"capture\",mode=\"LatestVersion\",lease=\"0\"} 0",
        "changefeed_lease_stuck{feed=\"jobs\",mode=\"LatestVersion\",lease=\"0\"} 0",
        "# EOF",
    ] {
        assert!(metrics.contains(expected), "{expected}: {metrics}");
    }
    let stored = metrics.lines().find_map(|line| line.strip_prefix("changefeed_versions_stored_total "));
    assert!(stored.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| count > 0), "{metrics}");

    assert!(first.end("-TERM").await.success());
    let released = all_leases().await;
    assert!(released.iter().all(|lease| lease["isFree"] == true && lease["isStuck"] == false), "{released:?}");
    assert!(released.iter().any(|lease| lease["feed"] == "jobs"), "{released:?}");
    world.put("cart-1", json!({"id": "late", "cartId": "cart-1"})).await;
    let stuck =
        async || -> Vec<Value> { leases().await.into_iter().filter(|lease| lease["isStuck"] == true).collect() };
    until("a lease without an owner is stuck", DEADLINE, async || !stuck().await.is_empty()).await;
    assert_eq!(stuck().await.iter().map(|lease| lease["lag"].as_i64()).collect::<Vec<_>>(), [Some(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_repaired_exported_imported_and_reset() {
    let world = cart_world().await;
    assert!(start(&world, &[]).end("-TERM").await.success());
    let command = |arguments: &[&str]| {
        let run = executable()
            .args(arguments)
            .env("CosmosDB", world.endpoint.connection_string())
            .env("COSMOS_DISABLE_IMDS", "1")
            .output()
            .expect("changefeed");
        (run.status.code(), String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr))
    };
    assert_eq!(command(&["status"]).0, Some(0));
    let (code, exported) = command(&["leases", "export"]);
    assert_eq!(code, Some(0), "{exported}");
    let exported: Value = serde_json::from_str(&exported).expect("JSON");
    let deleted = &exported[1];
    let id = deleted["id"].as_str().expect("id");
    world.container("leases").await.delete_item(id.to_owned(), id, None).await.expect("delete");
    let (code, printed) = command(&["status"]);
    assert!(code == Some(3) && printed.contains("changefeed leases repair"), "{printed}");
    assert_eq!(command(&["leases", "repair"]), (Some(0), "created 1 leases\n".to_owned()));
    assert_eq!(command(&["status"]).0, Some(0));

    let (code, printed) = command(&["leases", "reset", "--to", "-1h"]);
    assert!(code == Some(1) && printed.contains("--yes"), "{printed}");
    assert_eq!(command(&["leases", "reset", "--to", "now", "--yes"]), (Some(0), "reset 4 leases\n".to_owned()));
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), exported.to_string()).expect("written");
    let path = file.path().to_str().expect("a path");
    let (code, printed) = command(&["leases", "import", path]);
    assert!(code == Some(1) && printed.contains("4 leases already"), "{printed}");
    assert_eq!(command(&["leases", "import", path, "--overwrite"]), (Some(0), "stored 4 leases\n".to_owned()));
    std::fs::write(file.path(), json!([deleted]).to_string()).expect("written");
    let (code, printed) = command(&["leases", "import", path, "--overwrite"]);
    assert!(code == Some(2) && printed.contains("leave out the range"), "{printed}");
}

/// A lock makes the instance wait for another one that creates the leases.
#[tokio::test]
async fn an_instance_that_is_stopped_during_its_start_reports_its_state_and_releases_its_leases() {
    let world = cart_world().await;
    assert!(start(&world, &[]).end("-TERM").await.success());
    let leases = world.query("leases", "SELECT * FROM c").await;
    let jobs =
        world.client.sdk().database_client("dev").container_client("jobs".to_owned(), None).await.expect("container");
    let rid =
        jobs.read(None).await.expect("read").into_model().expect("model").system_properties.resource_id.expect("rid");
    let info = leases.iter().filter_map(|lease| lease["id"].as_str());
    let info = info.filter(|id| id.ends_with(".info") && id.contains(&*rid)).collect::<Vec<_>>();
    assert_eq!(info.len(), 1, "{leases:?}");
    let container = world.container("leases").await;
    container.delete_item(info[0].to_owned(), info[0], None).await.expect("delete");
    let lock = info[0].replace(".info", ".lock");
    container.create_item(lock.clone(), &lock, json!({"id": lock}), None).await.expect("lock");

    let port = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
    let starting = Starting::new(&world.endpoint.connection_string(), &["--health-port", &port.to_string()]);
    let ready = async || {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}/ready")).await.ok()?;
        answer.text().await.ok()
    };
    until("an answer", DEADLINE, async || ready().await.as_deref() == Some("starting\n")).await;
    let owned = async || {
        let leases = world.query("leases", "SELECT * FROM c WHERE IS_STRING(c.Owner)").await;
        leases.len()
    };
    until("the instance owns the leases of the capture", DEADLINE, async || owned().await == 4).await;
    assert!(starting.end("-TERM").await.success());
    assert_eq!(owned().await, 0, "the leases are released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_reports_the_reason() {
    let world = cart_world().await;
    let connection_string = world.endpoint.connection_string();
    let refused = |arguments: &[&str]| match Instance::start(&connection_string, arguments) {
        Ok(_) => panic!("{arguments:?} was accepted"),
        Err(refused) => (refused.status.code(), refused.stderr),
    };
    for (arguments, expected) in [
        (["--mode", "Everything"], "AllVersionsAndDeletes"),
        (["--from", "tomorrow morning"], "beginning"),
        (["--health-port", "70000"], "65535"),
        (["--lease-acquire-interval-ms", "0"], "--lease-acquire-interval-ms"),
    ] {
        let (code, printed) = refused(&arguments);
        assert!(code == Some(2) && printed.contains(expected), "{arguments:?}: {printed}");
    }
    let (code, printed) = refused(&["--mode", "AllVersionsAndDeletes", "--from", "beginning"]);
    assert!(code == Some(2) && printed.contains("starts from now"), "{printed}");
    let settings = tempfile::NamedTempFile::new().expect("a file");
    let prefixes =
        json!({"CHANGEFEED_LEASE_PREFIX": "all-versions-", "CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX": "others-"});
    let file = json!({"IsEncrypted": false, "Values": prefixes}).to_string();
    std::fs::write(settings.path(), file).expect("written");
    let with_settings = ["--settings", settings.path().to_str().expect("a path")];
    assert!(start(&world, &with_settings).end("-TERM").await.success());
    let (code, printed) = refused(&["--mode", "AllVersionsAndDeletes"]);
    assert!(code == Some(2) && printed.contains("LatestVersion") && printed.contains("another name"), "{printed}");

    let empty = Endpoint::start(Options::default()).await.expect("endpoint");
    let refused = Instance::start(&empty.connection_string(), &[]).err().expect("no containers");
    assert!(refused.stderr.contains("changefeed provision"), "{}", refused.stderr);
}

/// Writes and deletes random documents, and records the etags and the number of deletes.
struct Writer {
    random: StdRng,
    etags: BTreeSet<String>,
    deletes: BTreeMap<String, usize>,
}

impl Writer {
    async fn write(&mut self, world: &World, count: usize) {
        for _ in 0..count {
            let key = format!("cart-{}", self.random.random_range(0..8));
            if self.random.random_ratio(1, 6) {
                if world.container("events").await.delete_item(key.clone(), "item", None).await.is_ok() {
                    *self.deletes.entry(key).or_default() += 1;
                }
                continue;
            }
            let mut options = ItemWriteOptions::default();
            options.operation.content_response_on_write = Some(ContentResponseOnWrite::Enabled);
            let item = json!({"id": "item", "cartId": key, "number": self.random.random_range(0..1_000_000)});
            let events = world.container("events").await;
            let stored: Value =
                events.upsert_item(key, "item", item, Some(options)).await.expect("upsert").into_model().expect("item");
            self.etags.insert(stored["_etag"].as_str().expect("etag").to_owned());
        }
    }
}

/// Starts, stops, kills and suspends instances while documents change and partitions split and merge. Checks that every change
/// is captured.
async fn capture_with_unreliable_instances(seed: u64, mode: &str) {
    let world = cart_world().await;
    let mut writer = Writer { random: StdRng::seed_from_u64(seed), etags: BTreeSet::new(), deletes: BTreeMap::new() };
    let mut instances = vec![start(&world, &["--mode", mode])];
    for _ in 0..16 {
        writer.write(&world, 12).await;
        let victim = writer.random.random_range(0..instances.len().max(1));
        match writer.random.random_range(0..8) {
            0..=2 if instances.len() < 3 => instances.push(start(&world, &["--mode", mode])),
            3 if !instances.is_empty() => drop(instances.swap_remove(victim).end("-KILL").await),
            4 if !instances.is_empty() => assert!(instances.swap_remove(victim).end("-TERM").await.success()),
            5 if !instances.is_empty() => {
                instances[victim].signal("-STOP");
                // Longer than the lease expiry time.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                writer.write(&world, 5).await;
                instances[victim].signal("-CONT");
            }
            6 => drop(world.endpoint.split("dev", "events", None, Duration::from_millis(50)).await),
            _ => {
                let partitions = world.endpoint.partitions("dev", "events").await.expect("partitions");
                if let [first, second, ..] = partitions.as_slice() {
                    let pair = [first.id.as_str(), second.id.as_str()];
                    world.endpoint.merge("dev", "events", pair, Duration::from_millis(50)).await.expect("merge");
                }
            }
        }
    }
    instances.push(start(&world, &["--mode", mode]));
    let newest: Vec<String> = world
        .query("events", "SELECT * FROM c")
        .await
        .iter()
        .map(|document| document["_etag"].as_str().expect("etag").to_owned())
        .collect();
    let expected: BTreeSet<String> = match mode {
        "LatestVersion" => newest.into_iter().collect(),
        _ => newest.into_iter().chain(writer.etags).collect(),
    };
    let deletes: usize = if mode == "LatestVersion" { 0 } else { writer.deletes.values().sum() };
    until(&format!("every change is captured (seed {seed}, {mode})"), DEADLINE, async || {
        let versions = world.query("changes", "SELECT * FROM c").await;
        let captured: BTreeSet<&str> = versions.iter().filter_map(|version| version["etag"].as_str()).collect();
        let removals = versions.iter().filter(|version| version["operation"] == "delete").count();
        // Deletes in two partitions may have the same time and number, but not deletes of one document.
        let unique: BTreeSet<_> =
            versions.iter().map(|version| (version["pk"].as_str(), version["id"].as_str())).collect();
        assert_eq!(unique.len(), versions.len(), "a version is stored once");
        expected.iter().all(|etag| captured.contains(etag.as_str())) && removals == deletes
    })
    .await;
}

#[tokio::test]
async fn the_newest_version_of_every_document_is_captured_by_unreliable_instances() {
    for seed in 0..2 {
        capture_with_unreliable_instances(seed, "LatestVersion").await;
    }
}

#[tokio::test]
async fn every_version_and_delete_is_captured_by_unreliable_instances() {
    for seed in 10..12 {
        capture_with_unreliable_instances(seed, "AllVersionsAndDeletes").await;
    }
}
