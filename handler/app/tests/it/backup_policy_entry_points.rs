//! The backup policy over HTTP, on the command line, by the timer, and in `changefeed process`.

use std::path::Path;

use changefeed_backup_format::{BackupLocation, Inventory};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{BlobService, CommandLine, DEADLINE, Handler, Instance, World, batch_of, until};

const PATH: &str = "/api/backup-policy";

async fn put(handler: &Handler, policy: &Value) -> (StatusCode, Value) {
    handler.send(Method::PUT, PATH, "application/json", policy.to_string()).await
}

/// Calls the function as the timer of the host does; returns its log.
async fn tick(handler: &Handler) -> String {
    let (status, answer) = handler.post("/BackupPolicy", &json!({"Data": {"timer": {}}, "Metadata": {}})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["Logs"].as_array().expect("logs").iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_policy_is_set_shown_and_removed_over_http_and_holds_no_secret() {
    let world = World::new().await;
    let storage = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=http://127.0.0.1:9/a";
    let connection = world.endpoint.connection_string();
    let zone = ("CHANGEFEED_TIME_ZONE", "Europe/Berlin");
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_BACKUP_STORAGE", storage), zone]);
    assert_eq!(tick(&handler).await, "no backup policy is set");
    assert_eq!(handler.get(PATH).await, (StatusCode::OK, json!({"policy": null})));
    for (policy, expected, code) in [
        (json!({"to": "/folder", "every": "1d"}), "folders are available only to the command line", "InvalidRequest"),
        (json!({"to": "https://a.example.com/c", "every": "1d"}), "not within", "PlaceNotAllowed"),
        (json!({"to": "http://127.0.0.1:9/a/c?sig=c2VjcmV0", "every": "1d"}), "must not be stored", "InvalidRequest"),
        (json!({"to": "http://127.0.0.1:9/a/c", "every": "10m"}), "from 1h to 366d", "InvalidRequest"),
        (json!({"to": "http://127.0.0.1:9/a/c"}), "missing field `every`", "InvalidRequest"),
    ] {
        let (status, refused) = put(&handler, &policy).await;
        let message = refused["error"]["message"].as_str().expect("a message");
        assert_eq!((status, refused["error"]["code"].as_str()), (StatusCode::BAD_REQUEST, Some(code)), "{refused}");
        assert!(message.contains(expected) && !message.contains("c2VjcmV0"), "{message}");
    }
    // The storage account does not answer, so nothing is stored.
    let (status, refused) = put(&handler, &json!({"to": "http://127.0.0.1:9/a/c", "every": "1d"})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refused}");
    assert_eq!(world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup-policy'").await, Vec::<Value>::new());
    let (status, removed) = handler.send(Method::DELETE, PATH, "", "").await;
    assert_eq!((status, removed), (StatusCode::OK, json!({"policy": null})));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_set_run_show_and_remove_the_policy() {
    let world = World::new().await;
    for n in 0..20 {
        world.put("a", json!({"id": format!("item-{n}"), "pk": "a"})).await;
    }
    let folder = tempfile::tempdir().expect("folder");
    let to = folder.path().join("backups").to_string_lossy().into_owned();
    let command = CommandLine::new(&world);
    let (code, refused) = command.text(&["backup", "policy", "set", "--to", &to, "--every", "90m"]).await;
    assert!(code == 2 && refused.contains("from 1h to 366d"), "{code}: {refused}");
    let (code, none) = command.text(&["backup", "policy", "show"]).await;
    assert!(code == 0 && none.contains("No backup policy is set"), "{code}: {none}");
    let keep = ["--keep-daily", "7", "--keep-monthly", "12", "--time-zone", "Europe/Berlin"];
    let set = [&["backup", "policy", "set", "--to", &to, "--every", "1d", "--at", "2:00"][..], &keep].concat();
    let (code, set) = command.json(&set).await;
    let policy = json!({"to": to, "every": "1d", "at": "02:00", "timeZone": "Europe/Berlin", "fullEvery": "7d",
        "digests": true, "keepDaily": 7, "keepMonthly": 12, "requestedBy": set["policy"]["requestedBy"]});
    assert_eq!((code, &set["policy"]), (0, &policy), "{set}");
    assert!(set["policy"]["requestedBy"].as_str().is_some_and(|name| name.starts_with("tester@")), "{set}");
    assert!(set["onlyOn"].is_string() && set["nextRun"].is_string() && set.get("last").is_none(), "{set}");

    // The functions cannot reach the folder, and say so.
    let handler = world.handler();
    let log = tick(&handler).await;
    assert!(log.contains("folder of machine") && log.contains("changefeed backup policy run"), "{log}");
    let (status, shown) = handler.get(PATH).await;
    assert_eq!((status, &shown), (StatusCode::OK, &set));

    let (code, run) = command.text(&["backup", "policy", "run"]).await;
    assert!(code == 0 && run.contains("20 documents") && run.contains("a full backup, because"), "{code}: {run}");
    let (code, again) = command.text(&["backup", "policy", "run"]).await;
    assert!(code == 0 && again.contains("the next backup is due at") && !again.contains("started"), "{code}: {again}");
    let (code, shown) = command.text(&["backup", "policy", "show"]).await;
    for expected in [
        "every 1d at 02:00 (Europe/Berlin); a full backup every 7d",
        "7 daily, 12 monthly",
        ", done, 20 documents",
        "written with each backup",
        "Last digests job ",
    ] {
        assert!(code == 0 && shown.contains(expected), "{expected}: {shown}");
    }
    let (_, shown) = command.json(&["backup", "policy", "show"]).await;
    assert_eq!(shown["last"], shown["lastDone"], "{shown}");
    assert_eq!(shown["last"]["backup"]["counts"]["documents"], 20, "{shown}");
    let (_, over_http) = handler.get(PATH).await;
    assert_eq!(over_http, shown);
    let (code, removed) = command.text(&["backup", "policy", "remove"]).await;
    assert!(code == 0 && removed.contains("was removed"), "{removed}");
    let (code, removed) = command.text(&["backup", "policy", "remove"]).await;
    assert!(code == 0 && removed.contains("No backup policy is set"), "{removed}");
    assert_eq!(finished(&to).await, 1, "its backup is not changed");
}

async fn finished(to: impl AsRef<Path>) -> usize {
    Inventory::take(&BackupLocation::folder(to.as_ref())).await.map_or(0, |inventory| inventory.backups.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_process_take_the_backup_that_is_due_once() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    let folder = tempfile::tempdir().expect("folder");
    let to = folder.path().join("backups").to_string_lossy().into_owned();
    let command = CommandLine::new(&world);
    let (code, set) = command.text(&["backup", "policy", "set", "--to", &to, "--every", "1d"]).await;
    assert_eq!(code, 0, "{set}");
    let connection = world.endpoint.connection_string();
    let first = Instance::start(&connection, &[]).expect("an instance");
    let second = Instance::start(&connection, &[]).expect("an instance");
    until("the backup", DEADLINE, async || finished(&to).await == 1).await;
    until("its end in the policy", DEADLINE, async || {
        command.json(&["backup", "policy", "show"]).await.1["lastDone"]["backup"]["state"] == "done"
    })
    .await;
    assert_eq!(world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup'").await.len(), 1);
    for instance in [first, second] {
        assert!(instance.end("-TERM").await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_takes_backups_into_blobs_and_prunes_them() {
    let world = World::new().await;
    world.put("a", json!({"id": "1", "pk": "a"})).await;
    let service = BlobService::start().await;
    let (connection, storage) = (world.endpoint.connection_string(), service.connection_string());
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_BACKUP_STORAGE", &storage)]);
    let to = service.location("backups/orders");
    let policy =
        json!({"to": format!("{to}/"), "every": "1h", "keepDaily": 1, "ruPerSecond": 5000, "reason": "orders"});
    let (status, set) = put(&handler, &policy).await;
    assert_eq!((status, &set["policy"]["to"]), (StatusCode::OK, &json!(to)), "{set}");
    assert_eq!((&set["policy"]["timeZone"], set.get("onlyOn")), (&json!("UTC"), None), "{set}");
    assert_eq!(put(&handler, &policy).await, (status, set), "the same policy changes nothing");
    let log = tick(&handler).await;
    assert!(log.contains("started backup") && log.contains("the next backup is due at"), "{log}");
    let (_, running) = handler.get(PATH).await;
    let id = running["last"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(running["last"]["backup"]["state"], "queued", "{running}");
    assert!(tick(&handler).await.contains("is being written"));
    let job = world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await;
    handler.invoke_function("RunJobs", &batch_of(&job), false).await;
    let log = tick(&handler).await;
    assert!(log.contains(": done") && log.contains("deleted 0 backups"), "{log}");
    let (_, done) = handler.get(PATH).await;
    assert_eq!((&done["lastDone"]["id"], &done["lastDone"]["pruned"]["deleted"]), (&json!(id), &json!([])), "{done}");
    assert_eq!(done["lastDone"]["backup"]["counts"]["documents"], 1, "{done}");
    assert!(service.paths().iter().any(|path| path.ends_with("/manifest.json")), "{:?}", service.paths());
    let jobs = json!(world.query("jobs", "SELECT * FROM c").await).to_string();
    assert!(!jobs.contains("c2VjcmV0") && !jobs.contains("AccountKey"), "{jobs}");
    let (status, removed) = handler.send(Method::DELETE, PATH, "", "").await;
    assert_eq!((status, removed), (StatusCode::OK, json!({"policy": null})));
    assert_eq!(handler.get(PATH).await.1, json!({"policy": null}));
}
