//! Leases that a document stalls, because the Functions trigger cannot deliver it: found, reported and freed, whichever process is killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use local_host::{Host, HostOptions, RunningHost};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{CommandLine, DEADLINE, Handler, Instance, World, executable, until};

pub const UNREPRESENTABLE: &str = "9999-12-31T24:00:00Z";
const STALLED_AFTER: (&str, &str) = ("CHANGEFEED_STALLED_AFTER_SECONDS", "1");

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The app's own triggers, with short intervals, in a folder of their own.
pub fn app(change: impl Fn(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(root().join("host.json"), folder.path().join("host.json")).expect("host.json");
    for function in ["CosmosChangeFeed", "RunJobs"] {
        let text = std::fs::read_to_string(root().join(function).join("function.json")).expect("function.json");
        let mut definition: Value = serde_json::from_str(&text).expect("JSON");
        let binding = &mut definition["bindings"][0];
        (binding["leaseAcquireInterval"], binding["feedPollDelay"]) = (json!(400), json!(20));
        binding["leaseRenewInterval"] = json!(200);
        if function == "CosmosChangeFeed" {
            change(binding);
        }
        definition["retry"]["maximumInterval"] = json!("00:00:01");
        std::fs::create_dir(folder.path().join(function)).expect("a folder");
        std::fs::write(folder.path().join(function).join("function.json"), definition.to_string()).expect("a file");
    }
    folder
}

pub async fn world() -> World {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    world
}

/// The stand-in host, which reads both change feeds.
pub async fn host(world: &World, app: &TempDir) -> RunningHost {
    host_with(world, app, &[]).await
}

/// The same with more settings.
pub async fn host_with(world: &World, app: &TempDir, more: &[(&str, &str)]) -> RunningHost {
    let mut settings = BTreeMap::from([("CosmosDB".to_owned(), world.endpoint.connection_string())]);
    for (name, container) in [
        ("CHANGEFEED_DATABASE", "dev"),
        ("CHANGEFEED_MONITORED_CONTAINER", "events"),
        ("CHANGEFEED_LEASES_CONTAINER", "leases"),
        ("CHANGEFEED_JOBS_CONTAINER", "jobs"),
    ] {
        settings.insert(name.to_owned(), container.to_owned());
    }
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let options = HostOptions {
        script_root: app.path().to_owned(),
        port: 0,
        settings,
        executable: Some(env!("CARGO_BIN_EXE_changefeed").into()),
        ..HostOptions::default()
    };
    let host = Host::start(options).await.expect("a host");
    tokio::time::timeout(DEADLINE, host.wait_until_ready()).await.expect("in time").expect("a host");
    host
}

pub fn handler(world: &World, more: &[(&str, &str)]) -> Handler {
    let (connection, root) = (world.endpoint.connection_string(), root());
    let root = root.to_str().expect("text");
    let settings = [("CosmosDB", connection.as_str()), STALLED_AFTER, ("FUNCTIONS_APP_ROOT_PATH", root)];
    Handler::start(&[&settings, more].concat())
}

/// The ids of the documents in the history, each once for each of its versions.
pub async fn captured(world: &World) -> Vec<String> {
    let versions = world.versions().await;
    let mut ids: Vec<String> =
        versions.values().map(|version| version["sourceId"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

async fn until_captured(world: &World, expected: &[&str]) {
    until("the versions", DEADLINE, async || captured(world).await.len() >= expected.len()).await;
    assert_eq!(captured(world).await, expected);
}

/// The leases of a feed that are in this state.
pub async fn in_state(handler: &Handler, feed: &str, state: &str) -> Vec<Value> {
    let (_, status) = handler.get("/api/status").await;
    let leases = status["leases"].as_array().cloned().unwrap_or_default();
    leases.into_iter().filter(|lease| lease["feed"] == feed && lease["state"] == state).collect()
}

pub async fn watch(handler: &Handler) -> Vec<String> {
    let (status, answer) = handler.post("/WatchLeases", &json!({"Data": {}, "Metadata": {}})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let logs = answer["Logs"].as_array().expect("logs").iter();
    logs.map(|line| line.as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_a_document_stalls_is_reported_and_freed_without_a_loss() {
    let (world, app) = (world().await, app(|_| ()));
    let host = host(&world, &app).await;
    let (reporting, freeing) = (handler(&world, &[("CHANGEFEED_UNBLOCK_LEASES", "off")]), handler(&world, &[]));
    world.put("a", json!({"id": "before", "pk": "a"})).await;
    until_captured(&world, &["before"]).await;
    world.put("a", json!({"id": "stalls", "pk": "a", "at": [UNREPRESENTABLE]})).await;
    world.put("a", json!({"id": "behind", "pk": "a"})).await;

    until("the first sign", DEADLINE, async || {
        in_state(&reporting, "capture", "possiblyStalled").await.iter().any(|lease| lease["lag"] == 2)
    })
    .await;
    // A look at the moment at which the trigger has acquired the lease finds nothing wrong.
    let command_line = CommandLine::new(&world);
    until("a status with exit code 3", DEADLINE, async || command_line.text(&["status"]).await.0 == 3).await;
    until("the stall", DEADLINE, async || {
        watch(&reporting).await;
        // The trigger acquires the lease for a moment, again and again.
        in_state(&reporting, "capture", "stalled").await.iter().any(|lease| lease["owner"].is_null())
    })
    .await;
    let lease = in_state(&reporting, "capture", "stalled").await.remove(0);
    assert_eq!(
        (&lease["isStuck"], &lease["undeliverable"]["id"], &lease["lag"]),
        (&json!(true), &json!("stalls"), &json!(2))
    );
    let reason = lease["undeliverable"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("at[0]") && reason.contains(UNREPRESENTABLE), "{reason}");
    assert!(lease["unchangedSince"].is_string(), "{lease}");
    assert_eq!(captured(&world).await, ["before"], "the setting is off");
    let logs = watch(&reporting).await.join("\n");
    assert!(logs.contains("of capture: stalled, lag 2: document \"stalls\""), "{logs}");

    until("the move", DEADLINE, async || {
        let logs = watch(&freeing).await;
        logs.iter().any(|line| line.contains("processed 2 changes and moved the checkpoint past document \"stalls\""))
    })
    .await;
    assert_eq!(captured(&world).await, ["before", "behind", "stalls"]);
    world.put("a", json!({"id": "later", "pk": "a"})).await;
    until_captured(&world, &["before", "behind", "later", "stalls"]).await;
    until("no problem", DEADLINE, async || {
        let (_, status) = reporting.get("/api/status").await;
        status["leases"].as_array().expect("leases").iter().all(|lease| lease["isStuck"] == false)
    })
    .await;
    let deep = (0..63).fold(json!(1), |inner, _| json!([inner]));
    let expected = ["before", "behind", "dated", "deep", "later", "stalls"];
    for (id, value) in [("dated", json!("/Date(253402300800000)/")), ("deep", deep)] {
        world.put("a", json!({"id": id, "pk": "a", "value": value})).await;
        until(&format!("the version of {id}"), DEADLINE, async || {
            watch(&freeing).await;
            captured(&world).await.iter().any(|captured| captured == id)
        })
        .await;
        let versions = world.versions().await;
        let version = versions.values().find(|version| version["sourceId"] == id).expect("a version");
        assert_eq!(version["document"], json!({"id": id, "pk": "a", "value": value}));
    }
    until_captured(&world, &expected).await;
    assert_eq!(world.dead_letters().await, Vec::<Value>::new());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_reads_a_failing_handler_and_an_owner_that_is_gone_are_distinguished_and_no_lease_is_moved() {
    let (world, app) = (world().await, app(|_| ()));
    let host = host(&world, &app).await;
    let handler = handler(&world, &[]);
    world.put("a", json!({"id": "before", "pk": "a"})).await;
    until_captured(&world, &["before"]).await;
    let fail = |container: &str, kind| {
        let effect = Effect::Status { status: 403, substatus: 0 };
        world.endpoint.inject(Fault { container: Some(container.to_owned()), kind, times: 1_000_000, effect });
    };
    let until_state = async |state: &str| {
        until(state, DEADLINE, async || {
            watch(&handler).await;
            !in_state(&handler, "capture", state).await.is_empty()
        })
        .await;
    };
    fail("changes", RequestKind::Write);
    world.put("a", json!({"id": "fails", "pk": "a"})).await;
    until_state("handlerFails").await;
    world.endpoint.clear_faults();
    until_captured(&world, &["before", "fails"]).await;

    fail("events", RequestKind::ChangeFeed);
    world.put("a", json!({"id": "unread", "pk": "a"})).await;
    until_state("readsFail").await;
    let command_line = CommandLine::new(&world);
    // A command alone finds out by its own reads, which fail too.
    let (code, text) = command_line.text(&["status"]).await;
    assert!(code == 3 && text.contains("403"), "{code}: {text}");
    world.endpoint.clear_faults();
    until_captured(&world, &["before", "fails", "unread"]).await;
    host.stop().await;

    world.put("a", json!({"id": "waits", "pk": "a", "at": UNREPRESENTABLE})).await;
    let leases = world.container("leases").await;
    for mut lease in world.query("leases", "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)").await {
        lease["timestamp"] = json!("2026-01-01T00:00:00Z");
        let id = lease["id"].as_str().expect("an id").to_owned();
        leases.upsert_item(id.clone(), &id, lease, None).await.expect("an old lease");
    }
    until_state("ownerGone").await;
    let (code, text) = command_line.text(&["status"]).await;
    assert!(code == 3 && text.contains("OWNER GONE"), "{code}: {text}");
    assert_eq!(captured(&world).await, ["before", "fails", "unread"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_lease_whose_partition_was_split_is_reported_until_the_trigger_replaces_it() {
    const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let (world, app) = (world().await, app(|_| ()));
    world.endpoint.set_partition_count("dev", "events", 1).await.expect("one partition");
    let trigger = host(&world, &app).await;
    let handler = handler(&world, &[("CHANGEFEED_UNBLOCK_LEASES", "off")]);
    world.put("a", json!({"id": "before", "pk": "a"})).await;
    until_captured(&world, &["before"]).await;
    trigger.stop().await;
    world.endpoint.split("dev", "events", None, Duration::ZERO).await.expect("split");
    // The document is in one part or in the other.
    for stalls in KEYS {
        for key in KEYS {
            let at = if key == stalls { UNREPRESENTABLE } else { "2026-11-20" };
            world.put(key, json!({"id": key, "pk": key, "at": at})).await;
        }
        let leases = in_state(&handler, "capture", "possiblyStalled").await;
        assert_eq!(leases.len(), 1, "{stalls}");
        assert_eq!(leases[0]["undeliverable"]["id"], stalls);
    }
    let command_line = CommandLine::new(&world);
    assert_eq!(command_line.text(&["status"]).await.0, 3);
    let (code, text) = command_line.text(&["leases", "unblock", "--wait", "0"]).await;
    assert!(code == 3 && text.contains("its partition was split, and an instance is to replace it first"), "{text}");
    assert_eq!(captured(&world).await, ["before"]);

    // The trigger replaces the lease, and stalls at the lease of one part.
    let trigger = host(&world, &app).await;
    until("the lease is freed", DEADLINE, async || {
        command_line.text(&["leases", "unblock", "--wait", "20"]).await;
        captured(&world).await.len() == 1 + KEYS.len()
    })
    .await;
    trigger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_all_versions_mode_leases_get_a_checkpoint_early_so_that_nothing_is_lost() {
    let app = app(|binding| {
        binding["changeFeedMode"] = json!("AllVersionsAndDeletes");
        binding.as_object_mut().expect("an object").remove("startFromBeginning");
    });
    let world = world().await;
    let host = host(&world, &app).await;
    let handler = handler(&world, &[]);
    let unpinned = "SELECT * FROM c WHERE c.Mode = 'Full-Fidelity Feed' AND IS_NULL(c.ContinuationToken)";
    assert_eq!(world.query("leases", unpinned).await.len(), 4);
    let logs = watch(&handler).await;
    assert!(logs.iter().any(|line| line == "stored the first checkpoint of 4 leases"), "{logs:?}");
    assert_eq!(world.query("leases", unpinned).await.len(), 0);
    world.put("a", json!({"id": "stalls", "pk": "a", "at": UNREPRESENTABLE})).await;
    world.put("a", json!({"id": "behind", "pk": "a"})).await;
    let (code, text) = CommandLine::new(&world).text(&["leases", "unblock"]).await;
    assert!(code == 0 && text.contains("moved the checkpoint past document \"stalls\""), "{code}: {text}");
    until_captured(&world, &["behind", "stalls"]).await;
    world.container("events").await.delete_item("a", "behind", None).await.expect("deleted");
    until_captured(&world, &["behind", "behind", "stalls"]).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_stalls_the_jobs_is_worked_on_and_does_not_stop_the_others() {
    let (world, app) = (world().await, app(|_| ()));
    let host = host(&world, &app).await;
    let handler = handler(&world, &[]);
    let request = async |requested_by: &str| {
        let (_, accepted) = handler.post("/api/verify", &json!({"graceSeconds": 0, "requestedBy": requested_by})).await;
        format!("/api/verify/{}", accepted["id"].as_str().unwrap_or_else(|| panic!("{accepted}")))
    };
    let jobs = [request(UNREPRESENTABLE).await, request("a person").await];
    until("both jobs are done", DEADLINE, async || {
        watch(&handler).await;
        let mut done = 0;
        for job in &jobs {
            done += usize::from(handler.get(job).await.1["state"] == "done");
        }
        done == jobs.len()
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_frees_the_leases_of_the_jobs() {
    let (world, app) = (world().await, app(|_| ()));
    let (handler, command_line) = (handler(&world, &[]), CommandLine::new(&world));
    // It is there before the trigger reads for the first time, so its lease has no checkpoint.
    let request = json!({"graceSeconds": 0, "requestedBy": UNREPRESENTABLE});
    let (_, accepted) = handler.post("/api/verify", &request).await;
    let job = format!("/api/verify/{}", accepted["id"].as_str().unwrap_or_else(|| panic!("{accepted}")));
    let host = host(&world, &app).await;
    let unblock = ["leases", "unblock", "--jobs", "--wait", "1"];
    until("the start of the lease is unknown", DEADLINE, async || {
        let (code, text) = command_line.text(&unblock).await;
        assert!([0, 3].contains(&code), "{code}: {text}");
        text.contains("pass --from-beginning if its function.json has startFromBeginning")
    })
    .await;
    until("the job is done", DEADLINE, async || {
        let (code, text) = command_line.text(&[&unblock[..], &["--from-beginning"]].concat()).await;
        assert!([0, 3].contains(&code), "{code}: {text}");
        handler.get(&job).await.1["state"] == "done"
    })
    .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_lists_leases_without_progress_when_asked_whether_it_is_ready_and_in_its_metrics() {
    let world = world().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.json");
    std::fs::write(&file, json!({"Values": {STALLED_AFTER.0: STALLED_AFTER.1}}).to_string()).expect("a file");
    let arguments = ["--health-port", "0", "--settings", file.to_str().expect("text")];
    let instance = Instance::start(&world.endpoint.connection_string(), &arguments).expect("an instance");
    assert_eq!(instance.health("/ready").await, (200, "ready\n".to_owned()));
    let effect = Effect::Status { status: 403, substatus: 0 };
    let container = Some("changes".to_owned());
    world.endpoint.inject(Fault { container, kind: RequestKind::Write, times: 1_000_000, effect });
    world.put("a", json!({"id": "fails", "pk": "a"})).await;
    until("a failing handler", DEADLINE, async || {
        let (code, text) = instance.health("/ready").await;
        code == 200 && text.contains("of capture: handlerFails, lag 1: the handler failed: ")
    })
    .await;
    let until_metric = async |state: &str| {
        until("the metrics", DEADLINE, async || {
            let (_, text) = instance.health("/metrics").await;
            text.lines().any(|line| {
                line.starts_with("changefeed_lease_state{feed=\"capture\"")
                    && line.ends_with(&format!("state=\"{state}\"}} 1"))
            })
        })
        .await;
    };
    until_metric("handlerFails").await;
    world.endpoint.clear_faults();
    until_captured(&world, &["fails"]).await;

    let effect = Effect::Status { status: 403, substatus: 0 };
    let container = Some("events".to_owned());
    world.endpoint.inject(Fault { container, kind: RequestKind::ChangeFeed, times: 1_000_000, effect });
    world.put("a", json!({"id": "unread", "pk": "a"})).await;
    until("failing reads", DEADLINE, async || {
        let (code, text) = instance.health("/ready").await;
        code == 200 && text.contains("of capture: readsFail")
    })
    .await;
    until_metric("readsFail").await;
}

/// Runs the command until it ends or has sent `step` requests and the next one has the effect. Then it is killed. Returns whether
/// it has ended by itself.
async fn unblock_and_kill(world: &World, step: u32, effect: &Effect) -> bool {
    let fault = |times, effect| Fault { container: None, kind: RequestKind::Any, times, effect };
    if step > 0 {
        world.endpoint.inject(fault(step, Effect::Delay(Duration::ZERO)));
    }
    world.endpoint.inject(fault(1, effect.clone()));
    let mut command = executable()
        .args(["leases", "unblock", "--wait", "0", "--from-beginning"])
        .env("CosmosDB", world.endpoint.connection_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("changefeed");
    let mut ended = None;
    while ended.is_none() && world.endpoint.pending_faults() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        ended = command.try_wait().expect("the command");
    }
    // It may have ended already.
    let _ = command.kill();
    command.wait().expect("the command");
    world.endpoint.clear_faults();
    if let Some(ended) = ended {
        assert!(ended.success(), "{ended}");
    }
    ended.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_any_two_steps_loses_nothing_and_stores_nothing_twice() {
    let (world, app) = (world().await, app(|_| ()));
    host(&world, &app).await.stop().await;
    let mut expected = Vec::new();
    // Killed before a request is executed, and after.
    for (round, effect) in [Effect::Delay(Duration::from_secs(600)), Effect::LoseReply].iter().enumerate() {
        for (id, at) in [("before", "-"), ("stalls", UNREPRESENTABLE), ("behind", "-")] {
            let id = format!("{id}-{round}");
            world.put("a", json!({"id": id, "pk": "a", "at": at})).await;
            expected.push(id);
        }
        let mut steps = 0;
        while !unblock_and_kill(&world, steps, effect).await {
            steps += 1;
            assert!(steps < 100, "the command does not end");
        }
        assert!(steps > 8, "{steps} steps");
    }
    let host = host(&world, &app).await;
    world.put("a", json!({"id": "at-the-end", "pk": "a"})).await;
    expected.push("at-the-end".to_owned());
    expected.sort();
    until("the last document", DEADLINE, async || captured(&world).await.contains(&"at-the-end".to_owned())).await;
    assert_eq!(captured(&world).await, expected);
    host.stop().await;
}
