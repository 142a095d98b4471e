//! Commands that access Cosmos DB directly: provisioning, sample documents, queries, exit codes.

use std::collections::BTreeMap;
use std::process::Output;

use chrono::{TimeDelta, Utc};
use local_cosmos::{Effect, Endpoint, Fault, Options, RequestKind};
use serde_json::{Value, json};

use crate::support::jobs::capture;
use crate::support::{self, World, client, executable};

/// A command line with an empty account.
struct CommandLine {
    endpoint: Endpoint,
}

impl CommandLine {
    async fn new() -> Self {
        Self::with(Options { partitions: Some(4), ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        Self { endpoint: Endpoint::start(options).await.expect("endpoint") }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = executable();
        command.args(arguments).env("CosmosDB", self.endpoint.connection_string());
        tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run")
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

#[tokio::test]
async fn provisioning_is_repeatable_and_creates_the_changes_container_as_designed() {
    let command_line = CommandLine::new().await;
    let first = command_line.json(&["provision"]).await;
    assert!(first["items"].as_array().expect("array").iter().all(|item| item["created"] == true), "{first}");
    let second = command_line.json(&["provision"]).await;
    assert!(second["items"].as_array().expect("array").iter().all(|item| item["created"] == false), "{second}");
    assert_eq!(first["items"].as_array().map(Vec::len), Some(6));
    // The embedded endpoint has the mode that misses nothing.
    let printed = command_line.run(&["provision"]).await.stderr;
    let printed = String::from_utf8_lossy(&printed);
    assert!(printed.contains("changefeed switch-mode --to AllVersionsAndDeletes"), "{printed}");

    let client = client(command_line.endpoint.url()).await;
    let changes = client.sdk().database_client("dev").container_client("changes", None).await.expect("changes");
    let definition = changes.read(None).await.expect("read").into_model().expect("definition");
    let definition = serde_json::to_value(definition).expect("json");
    assert_eq!(
        (&definition["partitionKey"]["paths"], &definition["partitionKey"]["kind"]),
        (&json!(["/pk", "/sourceId"]), &json!("MultiHash"))
    );
    assert_eq!(definition["indexingPolicy"]["excludedPaths"][0]["path"], "/*");
    assert_eq!(definition["indexingPolicy"]["includedPaths"].as_array().map(Vec::len), Some(11));
}

#[tokio::test]
async fn provisioning_adds_missing_paths_to_the_indexes_of_existing_containers_when_it_is_asked_to() {
    let command_line = CommandLine::new().await;
    command_line.json(&["provision"]).await;
    let client = client(command_line.endpoint.url()).await;
    let changes = client.sdk().database_client("dev").container_client("changes", None).await.expect("changes");
    let definition = async || {
        let definition = changes.read(None).await.expect("read").into_model().expect("definition");
        serde_json::to_value(definition).expect("json")
    };
    // The container as an earlier version of the program created it, with a path and a time to live that its owner has added.
    let mut earlier = definition().await;
    let paths = earlier["indexingPolicy"]["includedPaths"].as_array_mut().expect("paths");
    paths.retain(|path| path["path"] != "/actor/?");
    paths.push(json!({"path": "/document/own/?"}));
    earlier["defaultTtl"] = json!(86_400);
    changes.replace(serde_json::from_value(earlier.clone()).expect("properties"), None).await.expect("replaced");

    assert!(!command_line.json(&["provision"]).await.to_string().contains("actor"));
    assert_eq!(definition().await["indexingPolicy"], earlier["indexingPolicy"]);
    // What the service answers to an identity.
    let effect = Effect::Status { status: 403, substatus: 5300 };
    let kind = RequestKind::Definition;
    command_line.endpoint.inject(Fault { container: Some("changes".to_owned()), kind, times: 10, effect });
    let refused = command_line.run(&["provision", "--update-index"]).await;
    command_line.endpoint.clear_faults();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    let command = "az cosmosdb sql container update --account-name <account> --resource-group <group> --database-name dev --name changes --idx '";
    let (_, policy) = message.split_once(command).unwrap_or_else(|| panic!("{message}"));
    let policy: Value = serde_json::from_str(policy.split_once('\'').expect("quotes").0).expect("a policy");
    let paths = policy["includedPaths"].to_string();
    assert!(paths.contains("/actor/?") && paths.contains("/document/own/?"), "{message}");
    assert_eq!(definition().await["indexingPolicy"], earlier["indexingPolicy"], "nothing was changed");
    let updated = command_line.run(&["provision", "--update-index"]).await;
    let printed = String::from_utf8_lossy(&updated.stdout).into_owned();
    assert!(printed.contains("exists; indexes now /actor/?"), "{printed}");
    let after = definition().await;
    let paths = after["indexingPolicy"]["includedPaths"].to_string();
    assert!(paths.contains("/actor/?") && paths.contains("/document/own/?"), "{paths}");
    assert_eq!((&after["defaultTtl"], &after["partitionKey"]), (&json!(86_400), &earlier["partitionKey"]));
    assert!(!command_line.json(&["provision", "--update-index"]).await.to_string().contains("indexed"));
}

#[tokio::test]
async fn status_shows_a_missing_container_with_exit_code_3_and_the_reason_of_a_failed_connection_once() {
    let command_line = CommandLine::new().await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let missing = command_line.run(&["status"]).await;
    let printed = text(&missing.stdout);
    assert_eq!(missing.status.code(), Some(3), "{printed}");
    assert!(printed.contains("changefeed provision") && printed.contains("database: dev"), "{printed}");
    assert!(printed.contains(command_line.endpoint.url()), "{printed}");
    command_line.json(&["provision"]).await;
    assert_eq!(command_line.run(&["status"]).await.status.code(), Some(0));

    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let mut command = executable();
    let connection =
        command_line.endpoint.connection_string().replace(command_line.endpoint.url(), &format!("http://{address}/"));
    command.arg("status").env("CosmosDB", connection);
    let failed = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
    let printed = text(&failed.stdout) + &text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{printed}");
    assert_eq!(printed.matches("error sending request").count(), 1, "{printed}");
}

#[tokio::test]
async fn a_hierarchical_partition_key_may_have_nested_paths() {
    let command_line = CommandLine::new().await;
    command_line.json(&["provision", "--partition-key", "/a/b", "/a/c"]).await;
    let status = command_line.json(&["status"]).await;
    assert_eq!(status["containers"][0]["partitionKeyPaths"], json!(["/a/b", "/a/c"]));
    assert_eq!(command_line.json(&["populate", "--count", "20", "--seed", "1"]).await["upserted"], 20);
    let refused = command_line.run(&["provision", "--partition-key", "/a//b"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/address/city"));
}

#[tokio::test]
async fn sample_documents_are_written_queried_and_deleted() {
    let command_line = CommandLine::new().await;
    command_line.json(&["provision"]).await;
    let report = command_line.json(&["populate", "--count", "200", "--seed", "1"]).await;
    assert_eq!(report["upserted"], 200);
    let status = command_line.json(&["status"]).await;
    let events = &status["containers"][0];
    assert_eq!((&events["name"], events["items"].as_u64()), (&json!("events"), report["created"].as_u64()));

    let query =
        ["query", "--container", "events", "--parameter", "@seq=200", "SELECT c.id, c.seq FROM c WHERE c.seq = @seq"];
    let found = command_line.json(&query).await;
    assert_eq!(found["items"][0]["seq"], 200);
    let table = command_line.run(&query).await;
    assert!(String::from_utf8_lossy(&table.stdout).contains("seq"), "{}", String::from_utf8_lossy(&table.stdout));

    let refused = command_line.run(&["truncate", "--container", "events", "--max", "50"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    let report = command_line.json(&["truncate", "--container", "events", "--max", "50", "--yes"]).await;
    assert_eq!(report["deleted"], 50);
    let rest = command_line.json(&["truncate", "--container", "events", "--max", "1000", "--yes"]).await;
    assert_eq!(rest["deleted"].as_u64().map(|deleted| deleted + 50), events["items"].as_u64());
}

#[tokio::test]
async fn the_exit_code_distinguishes_wrong_usage_from_failure() {
    let command_line = CommandLine::new().await;
    assert_eq!(command_line.run(&["populate"]).await.status.code(), Some(2));
    assert_eq!(command_line.run(&["nothing"]).await.status.code(), Some(2));
    assert_eq!(command_line.run(&["restore", "run", "--all"]).await.status.code(), Some(2));
    assert_eq!(command_line.run(&["restore", "run", "--before", "1"]).await.status.code(), Some(2));
    assert_eq!(command_line.run(&["history", "versions", "--id", "1"]).await.status.code(), Some(2));
    assert_eq!(command_line.run(&["history", "search", "--filter", "c.x; DROP=1"]).await.status.code(), Some(2));
    let missing = command_line.run(&["query", "--container", "events", "SELECT * FROM c"]).await;
    assert_eq!(missing.status.code(), Some(1));
    let message = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(message.contains("events"), "{message}");
}

#[tokio::test]
async fn an_error_about_a_port_in_use_names_the_port_and_its_option() {
    let command_line = CommandLine::new().await;
    let port = command_line.endpoint.url().trim_end_matches('/').rsplit(':').next().expect("port").to_owned();
    let output = command_line.run(&["local", "--cosmos-only", "--cosmos-port", &port]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&port) && message.contains("--cosmos-port"), "{message}");
}

#[tokio::test]
async fn a_settings_file_and_arguments_take_precedence_over_the_environment() {
    let command_line = CommandLine::new().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("local.settings.json");
    let values = json!({"Values": {"CHANGEFEED_DATABASE": "filed", "CHANGEFEED_JOBS_CONTAINER": "", "CosmosDB": ""}});
    std::fs::write(&file, values.to_string()).expect("written");
    let settings = async |arguments: &[&str]| {
        let file = file.to_str().expect("a path");
        let output = command_line.run(&[arguments, &["status", "--settings", file, "--output", "json"]].concat()).await;
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let name = |setting: &str| status["settings"][setting].as_str().expect("a name").to_owned();
        ["CHANGEFEED_DATABASE", "CHANGEFEED_MONITORED_CONTAINER", "CHANGEFEED_JOBS_CONTAINER"].map(name)
    };
    // An empty value of the file does not hide that of the environment, here the connection.
    assert_eq!(settings(&[]).await, ["filed", "events", "jobs"]);
    assert_eq!(settings(&["--database", "named", "--monitored", "orders"]).await, ["named", "orders", "jobs"]);
}

#[tokio::test]
async fn completions_and_manual_pages_have_every_command() {
    let command_line = CommandLine::new().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = command_line.run(&["completions", shell]).await;
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && script.contains("changed-between"), "{shell}: {output:?}");
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let pages = folder.path().join("man/man1");
    let output = command_line.run(&["manual", pages.to_str().expect("a path")]).await;
    assert!(output.status.success(), "{output:?}");
    let page = std::fs::read_to_string(pages.join("changefeed-restore-run.1")).expect("a page");
    assert!(page.contains("later\\-changes") && pages.join("changefeed.1").exists(), "{page}");
    let file = pages.join("changefeed.1");
    let refused = command_line.run(&["manual", file.to_str().expect("a path")]).await;
    let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && printed.contains("could not create folder"), "{printed}");
}

#[tokio::test]
async fn the_doctor_warns_of_several_write_regions() {
    let command_line = CommandLine::with(Options { several_write_regions: true, ..Options::default() }).await;
    command_line.json(&["provision"]).await;
    let checks = command_line.json(&["doctor"]).await;
    let regions = checks["items"].as_array().expect("checks").iter().find(|check| check["name"] == "regions");
    let regions = regions.expect("a check");
    assert_eq!(regions["state"], "advice");
    assert!(regions["found"].as_str().is_some_and(|found| found.contains("no common order")), "{regions}");
}

#[tokio::test]
async fn the_status_says_how_the_history_grows() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let (containers, now) = (&changefeed.containers, Utc::now());
    let put = async |numbers: std::ops::Range<usize>| {
        for n in numbers {
            let stored = world.put("one", json!({"id": n.to_string(), "pk": "one", "text": "x".repeat(2000)})).await;
            capture(&changefeed, &[stored]).await;
        }
    };
    put(0..10).await;
    assert_eq!(containers.growth(now).await.expect("read"), None, "nothing was observed");
    // Of two who note it at once, one does.
    for hour in [6, 5, 5, 4] {
        let hour = TimeDelta::hours(hour);
        let (one, other) = tokio::join!(containers.note_size(now - hour), containers.note_size(now - hour));
        one.and(other).expect("noted");
    }
    put(10..40).await;
    let growth = containers.growth(now).await.expect("read").expect("a growth");
    assert_eq!((growth.seconds, growth.items), (6 * 3600, 30));
    assert!((60_000..120_000).contains(&growth.bytes), "{growth:?}");

    let stored = world.put("one", json!({"id": "more", "pk": "one", "text": "x".repeat(2000)})).await;
    let before = world.endpoint.usage().request_units;
    capture(&changefeed, &[stored]).await;
    let took = world.endpoint.usage().request_units - before;
    let estimated = growth.request_units_per_day.expect("an estimate") / (30.0 * 4.0);
    assert!((0.7..1.4).contains(&(estimated / took)), "{estimated} for {took}");

    let (code, printed) = support::CommandLine::new(&world).text(&["status"]).await;
    assert!(
        printed.contains("The history grows by ") && printed.contains("a day, observed for 6 h; storing"),
        "{code} {printed}"
    );
    assert!(printed.contains("Size") && printed.contains("kB"), "{printed}");
}

#[tokio::test]
async fn the_doctor_says_what_to_do_about_each_problem() {
    let command_line = CommandLine::new().await;
    let run_with = async |mode: &str, retention_days: &str| {
        let mut command = executable();
        command.args(["doctor", "--output", "json"]).env("CosmosDB", command_line.endpoint.connection_string());
        command.env("CHANGEFEED_MODE", mode).env("CHANGEFEED_RETENTION_DAYS", retention_days);
        let output = tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let check = |check: &Value| {
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            (text("name"), (text("state"), text("found") + "; " + &text("advice")))
        };
        let checks: BTreeMap<_, _> = found["items"].as_array().expect("checks").iter().map(check).collect();
        (output.status.code(), checks)
    };
    let run = async |mode: &str| run_with(mode, "").await;
    let (code, checks) = run("LatestVersion").await;
    assert_eq!((code, checks["containers"].0.as_str()), (Some(3), "problem"));
    assert!(checks["containers"].1.contains("run changefeed provision"), "{checks:?}");
    assert_eq!(checks["leases"].0, "notChecked");

    command_line.json(&["provision"]).await;
    let (code, checks) = run("LatestVersion").await;
    assert_eq!(code, Some(0), "{checks:?}");
    for name in ["connection", "containers", "index", "permissions", "clock", "regions", "dead letters"] {
        assert_eq!(checks[name].0, "ok", "{name}: {checks:?}");
    }
    assert!(checks["mode"].0 == "advice" && checks["mode"].1.contains("has AllVersionsAndDeletes"), "{checks:?}");
    assert!(checks["leases"].1.contains("nothing is captured yet"), "{checks:?}");
    assert_eq!(run("AllVersionsAndDeletes").await.1["mode"].0, "ok");
    let forever = &checks["retention"];
    assert!(forever.0 == "advice" && forever.1.contains("kept forever; set CHANGEFEED_RETENTION_DAYS"), "{checks:?}");
    let (code, checks) = run_with("LatestVersion", "30").await;
    let overdue = &checks["retention"];
    assert!(code == Some(3) && overdue.0 == "problem", "{checks:?}");
    assert!(overdue.1.contains("no sweep has run") && overdue.1.contains("check the function Retention"), "{checks:?}");
    let mut sweep = executable();
    sweep.args(["retention", "--yes"]).env("CosmosDB", command_line.endpoint.connection_string());
    sweep.env("CHANGEFEED_RETENTION_DAYS", "30");
    let swept = tokio::task::spawn_blocking(move || sweep.output().expect("changefeed")).await.expect("run");
    assert!(swept.status.success(), "{swept:?}");
    let (code, checks) = run_with("LatestVersion", "30").await;
    let kept = ("ok".to_owned(), "superseded versions are kept for 30 days; ".to_owned());
    assert_eq!((code, &checks["retention"]), (Some(0), &kept), "{checks:?}");

    // The container as an earlier version of the program created it, and a clock that is wrong by an hour.
    let client = client(command_line.endpoint.url()).await;
    let changes = client.sdk().database_client("dev").container_client("changes", None).await.expect("changes");
    let definition = changes.read(None).await.expect("read").into_model().expect("definition");
    let mut earlier = serde_json::to_value(definition).expect("json");
    let paths = earlier["indexingPolicy"]["includedPaths"].as_array_mut().expect("paths");
    paths.retain(|path| path["path"] != "/actor/?");
    changes.replace(serde_json::from_value(earlier).expect("properties"), None).await.expect("replaced");
    command_line.endpoint.set_clock(3600).expect("the clock");
    let (code, checks) = run("LatestVersion").await;
    assert_eq!((code, checks["index"].0.as_str(), checks["clock"].0.as_str()), (Some(3), "problem", "problem"));
    assert!(checks["index"].1.contains("/actor/?") && checks["index"].1.contains("--update-index"), "{checks:?}");
    assert!(checks["clock"].1.contains("differs by -36"), "{checks:?}");
    let table = command_line.run(&["doctor"]).await;
    assert!(String::from_utf8_lossy(&table.stdout).contains("PROBLEM"), "{table:?}");
}
