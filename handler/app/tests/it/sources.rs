//! An app that captures several containers: each source has its own history, and nothing of one is seen, run or changed in another.

use std::path::Path;
use std::time::Duration;

use azure_data_cosmos::FeedScope;
use changefeed_cosmos::Client;
use changefeed_jobs::JobState;
use futures::TryStreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::jobs::{capture, finish, start_restore};
use crate::support::{CommandLine, DEADLINE, Handler, Instance, Local, World, batch_of, executable, until};

const SOURCES: usize = 20;
const MODE: &str = "AllVersionsAndDeletes";

/// `s0,s1,…`
fn names(count: usize) -> String {
    (0..count).map(|number| format!("s{number}")).collect::<Vec<_>>().join(",")
}

pub async fn items(client: &Client, container: &str) -> Vec<Value> {
    let container =
        client.sdk().database_client("dev").container_client(container.to_owned(), None).await.expect("container");
    let items = container.query_items::<Value>("SELECT * FROM c", FeedScope::full_container(), None).await;
    items.expect("query").try_collect().await.expect("items")
}

pub async fn put(client: &Client, container: &str, document: Value) {
    let container =
        client.sdk().database_client("dev").container_client(container.to_owned(), None).await.expect("container");
    let (id, key) = (document["id"].as_str().expect("id").to_owned(), document["pk"].as_str().expect("pk").to_owned());
    container.upsert_item(key, &id, document, None).await.expect("upsert");
}

/// The document that is live in every source, which has the number of the source.
fn document(number: usize, wrong: bool) -> Value {
    json!({"id": "1", "pk": "a", "of": number, "wrong": wrong})
}

/// Waits until every source has captured so many versions, and checks that they are its own.
async fn until_captured(client: &Client, versions: usize) {
    for number in 0..SOURCES {
        let changes = format!("s{number}-changes");
        until(&format!("{changes} has {versions} versions"), Duration::from_secs(90), async || {
            items(client, &changes).await.len() == versions
        })
        .await;
        let stored = items(client, &changes).await;
        assert!(stored.iter().all(|version| version["document"]["of"] == number), "{changes}: {stored:?}");
    }
}

/// The second after the last version of every source.
async fn next_second(client: &Client) -> i64 {
    let mut last = 0;
    for number in 0..SOURCES {
        let stored = items(client, &format!("s{number}-changes")).await;
        last = stored.iter().filter_map(|version| version["sourceTs"].as_i64()).fold(last, i64::max);
    }
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > last + 1).await;
    last + 1
}

/// Checks that a restore of each source is done, that it has restored its own document, and that lists have it alone.
async fn assert_restored(client: &Client, ids: &[String], list: impl AsyncFn(usize) -> Value) {
    for (number, id) in ids.iter().enumerate() {
        until(&format!("restore {id} of s{number} is done"), Duration::from_secs(90), async || {
            list(number).await["items"][0]["state"] == "done"
        })
        .await;
        let listed = list(number).await;
        let listed: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
        assert_eq!(listed, [id], "s{number}");
        let live = items(client, &format!("s{number}")).await;
        assert_eq!((live.len(), &live[0]["of"], &live[0]["wrong"]), (1, &json!(number), &json!(false)), "{live:?}");
    }
    for job in items(client, "jobs").await.iter().filter(|job| job["kind"] == "restore") {
        let number = ids.iter().position(|id| job["id"] == id.as_str()).expect("a restore of this test");
        assert_eq!(job["source"], format!("s{number}"));
    }
}

/// Provisions the containers of sources of a world.
pub async fn provision(world: &World, names: &str) {
    let output = executable()
        .args(["provision", "--output", "json"])
        .env("CosmosDB", world.endpoint.connection_string())
        .env("CHANGEFEED_SOURCES", names)
        .output()
        .expect("provision");
    assert!(output.status.success(), "{output:?}");
    let provisioned: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |name: &str| {
        let all = provisioned["items"].as_array().expect("items").iter();
        all.filter(|resource| resource["name"] == name).count()
    };
    let first = names.split(',').next().expect("a source");
    assert_eq!((of(first), of(&format!("{first}-changes")), of("jobs")), (1, 1, 1), "{provisioned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_captures_twenty_sources_and_runs_a_restore_of_each() {
    let world = World::new().await;
    let (names, connection) = (names(SOURCES), world.endpoint.connection_string());
    provision(&world, &names).await;
    let settings = [("CosmosDB", connection.as_str()), ("CHANGEFEED_SOURCES", &names)];
    let instance = Instance::start_with(&connection, &["--health-port", "0"], &settings).expect("process");
    assert_eq!(instance.ready["sources"].as_array().map(Vec::len), Some(SOURCES));
    let handler = Handler::start(&settings);
    for number in 0..SOURCES {
        put(&world.client, &format!("s{number}"), document(number, false)).await;
    }
    until_captured(&world.client, 1).await;
    let before = next_second(&world.client).await;
    for number in 0..SOURCES {
        put(&world.client, &format!("s{number}"), document(number, true)).await;
    }
    until_captured(&world.client, 2).await;

    let mut ids = Vec::new();
    for number in 0..SOURCES {
        let request = json!({"all": true, "asOf": before, "job": true, "reason": format!("of s{number}")});
        let answer =
            handler.respond(Method::POST, &format!("/api/restores?source=s{number}"), &request.to_string()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let view: Value = answer.json().await.expect("JSON");
        let id = view["id"].as_str().expect("id").to_owned();
        assert_eq!(location, format!("/api/restores/{id}?source=s{number}"));
        assert_eq!(handler.get(&location).await.0, StatusCode::OK);
        let elsewhere = format!("/api/restores/{id}?source=s{}", (number + 1) % SOURCES);
        assert_eq!(handler.get(&elsewhere).await.0, StatusCode::NOT_FOUND);
        ids.push(id);
    }
    assert_restored(&world.client, &ids, async |number| {
        handler.get(&format!("/api/restores?source=s{number}")).await.1
    })
    .await;

    let mut lines = vec!["changefeed_lease_lag_transactions{feed=\"jobs\"".to_owned()];
    for number in 0..SOURCES {
        lines.push(format!("changefeed_batches_total{{source=\"s{number}\"}} "));
        lines.push(format!("changefeed_lease_lag_transactions{{source=\"s{number}\",feed=\"capture\""));
    }
    // The lag of a lease is measured from time to time.
    until("the metrics of all sources", DEADLINE, async || {
        let (status, metrics) = instance.health("/metrics").await;
        assert_eq!(status, 200, "{metrics}");
        lines.iter().all(|line| metrics.contains(line))
    })
    .await;
    assert_eq!(instance.health("/ready").await.0, 200);
    assert!(instance.end("-TERM").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_host_calls_a_function_of_each_of_twenty_sources() {
    let app = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["RunJobs", "Retention", "WatchLeases", "CosmosChangeFeed", "RestoresWrite", "Restores", "Status"] {
        std::fs::create_dir(app.path().join(folder)).expect("a folder");
        let file = Path::new(folder).join("function.json");
        std::fs::copy(root.join(&file), app.path().join(&file)).expect("copied");
    }
    std::fs::copy(root.join("host.json"), app.path().join("host.json")).expect("copied");
    let names = names(SOURCES);
    for name in names.split(',') {
        let mut command = executable();
        command.args(["source", "add", name, "--script-root"]).arg(app.path()).env("CHANGEFEED_SOURCES", &names);
        let output = command.output().expect("source add");
        assert!(output.status.success(), "{output:?}");
    }
    let settings = [("CHANGEFEED_SOURCES", names.as_str())];
    let local = Local::start_with(app.path(), &["--host-port", "0"], &settings).await;
    for number in 0..SOURCES {
        put(&local.client, &format!("s{number}"), document(number, false)).await;
    }
    until_captured(&local.client, 1).await;
    let before = next_second(&local.client).await;
    for number in 0..SOURCES {
        put(&local.client, &format!("s{number}"), document(number, true)).await;
    }
    until_captured(&local.client, 2).await;
    let mut ids = Vec::new();
    for number in 0..SOURCES {
        let request = json!({"all": true, "asOf": before, "job": true});
        let view = local.post(&format!("restores?source=s{number}"), request).await;
        ids.push(view["id"].as_str().expect("id").to_owned());
    }
    assert_restored(&local.client, &ids, async |number| local.get(&format!("restores?source=s{number}")).await).await;
    let status = local.get("status").await;
    let others = status["otherSources"].as_array().expect("others");
    assert_eq!((&status["source"], others.len()), (&json!("s0"), SOURCES - 1), "{status}");
    assert_eq!(others[0]["settings"]["CHANGEFEED_CHANGES_CONTAINER"], "s1-changes");
    assert!(others.iter().all(|other| other["mode"] == "AllVersionsAndDeletes"), "{status}");
}

/// Two sources, and the one of an app without names.
async fn two_and_default() -> (World, Handler) {
    let world = World::new().await;
    provision(&world, "s0,s1,default").await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_SOURCES", "s0,s1,default")]);
    (world, handler)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_its_source_where_there_are_several() {
    let (_world, handler) = two_and_default().await;
    for path in ["/api/restores", "/api/history/versions?id=1&pk=a", "/api/dead-letters", "/api/backup-policy"] {
        let (status, answer) = handler.get(path).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        let is_refused = message.contains("the app has several sources; add source with one of s0, s1, default");
        assert!(status == StatusCode::BAD_REQUEST && is_refused, "{path}: {answer}");
        let joined = if path.contains('?') { '&' } else { '?' };
        for (source, expected) in [("s1", StatusCode::OK), ("default", StatusCode::OK), ("s2", StatusCode::BAD_REQUEST)]
        {
            let (status, answer) = handler.get(&format!("{path}{joined}source={source}")).await;
            assert_eq!(status, expected, "{path} {source}: {answer}");
        }
    }
    let (_, answer) = handler.get("/api/restores?source=s2").await;
    assert!(answer.to_string().contains("unknown source \\\"s2\\\"; use one of s0, s1, default"), "{answer}");
    let (_, answer) = handler.get("/api/restores?source=s0&source=s1").await;
    assert!(answer.to_string().contains("source: given 2 times; give it once"), "{answer}");
    let (status, one) = handler.get("/api/status?source=s1").await;
    assert_eq!((status, &one["source"], one.get("otherSources")), (StatusCode::OK, &json!("s1"), None));
    let (status, answer) = handler.get("/api/metrics?source=s1").await;
    assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains("all sources"), "{answer}");
    let into = json!({"all": true, "asOf": "1h", "into": "s0-changes"});
    let (status, answer) = handler.post("/api/restores?source=s1", &into).await;
    assert!(status == StatusCode::BAD_REQUEST && answer.to_string().contains("another source"), "{answer}");
    let (_, text) = handler.get("/api/metrics").await;
    let text = text.as_str().expect("text");
    assert!(
        ["s0", "s1", "default"]
            .iter()
            .all(|name| text.contains(&format!("changefeed_batches_total{{source=\"{name}\"}} 0"))),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_is_a_dead_letter_of_each_source_that_got_it() {
    let (world, handler) = two_and_default().await;
    let broken = r#"[{"pk":"a","text":"no id"}]"#;
    for function in ["CosmosChangeFeed_s0", "CosmosChangeFeed_s1", "CosmosChangeFeed", "CosmosChangeFeed_s1"] {
        let (status, answer) = handler.invoke_function(function, broken, false).await;
        assert_eq!(status, StatusCode::OK, "{function}: {answer}");
    }
    let mut ids = Vec::new();
    for source in ["s0", "s1", "default"] {
        let (_, listed) = handler.get(&format!("/api/dead-letters?source={source}")).await;
        let items = listed["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{source}: {listed}");
        ids.push(items[0]["id"].as_str().expect("id").to_owned());
    }
    assert_eq!(world.dead_letters().await.len(), 3);
    // That of one source cannot be discarded in another one.
    let discard = async |id: &str, source: &str| {
        handler.send(Method::DELETE, &format!("/api/dead-letters/{id}?source={source}"), "", "").await.0
    };
    assert_eq!(discard(&ids[0], "s1").await, StatusCode::NOT_FOUND);
    assert_eq!(discard(&ids[2], "s0").await, StatusCode::NOT_FOUND);
    assert_eq!(discard(&ids[0], "default").await, StatusCode::NOT_FOUND);
    assert_eq!(world.dead_letters().await.len(), 3);
    assert!(discard(&ids[0], "s0").await.is_success());
    assert_eq!(world.dead_letters().await.len(), 2);

    // A function of a source that the settings do not name captures nothing, and the batch is delivered again.
    let (status, answer) = handler.invoke_function("CosmosChangeFeed_s7", broken, false).await;
    assert!(status.is_client_error() && answer.to_string().contains("CHANGEFEED_SOURCES"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_source_that_was_removed_waits_and_runs_when_the_source_is_back() {
    let (world, handler) = two_and_default().await;
    let version = json!({"id": "1", "pk": "a", "of": 1, "_ts": 1000, "_lsn": 1, "_etag": "\"1\""});
    let (status, answer) = handler.invoke_function("CosmosChangeFeed_s1", &batch_of(&[version]), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let request = json!({"all": true, "asOf": 2000, "job": true});
    let (status, view) = handler.post("/api/restores?source=s1", &request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{view}");
    let id = view["id"].as_str().expect("id");
    let path = format!("/api/restores/{id}?source=s1");
    let stored = || async { world.query("jobs", &format!("SELECT * FROM c WHERE c.id = '{id}'")).await };

    let connection = world.endpoint.connection_string();
    let without = Handler::start(&[("CosmosDB", &connection), ("CHANGEFEED_SOURCES", "s0,default")]);
    let before = stored().await;
    let (status, answer) = without.invoke_function("RunJobs", &batch_of(&before), false).await;
    let says = answer["Logs"].to_string();
    assert!(status == StatusCode::OK && says.contains("waits, because it is of source s1"), "{answer}");
    assert_eq!(stored().await, before, "the record is not changed");
    assert!(items(&world.client, "s0").await.is_empty() && items(&world.client, "events").await.is_empty());

    loop {
        let (status, answer) = handler.invoke_function("RunJobs", &batch_of(&stored().await), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let (_, view) = handler.get(&path).await;
        if view["state"] == "done" {
            break;
        }
    }
    assert_eq!(items(&world.client, "s1").await.len(), 1);
    assert!(items(&world.client, "s0").await.is_empty() && items(&world.client, "events").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_and_the_records_of_one_source_do_not_reach_another() {
    let (world, handler) = two_and_default().await;
    let version = |number: usize| json!({"id": "1", "pk": "a", "of": number, "_ts": 1000, "_lsn": 1, "_etag": "\"1\""});
    for (number, function) in ["CosmosChangeFeed_s0", "CosmosChangeFeed_s1", "CosmosChangeFeed"].into_iter().enumerate()
    {
        let (status, answer) = handler.invoke_function(function, &batch_of(&[version(number)]), false).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    // An erasure is complete when every request that began before has ended.
    let command = CommandLine::new(&world)
        .with("CHANGEFEED_SOURCES", "s0,s1,default")
        .with("CHANGEFEED_BATCH_TIMEOUT_SECONDS", "2");
    let erase = ["--source", "s1", "erase", "--id", "1", "--pk", "a", "--yes", "--reason", "asked for"];
    let (code, text) = command.text(&erase).await;
    assert_eq!(code, 0, "{text}");
    let versions = async |source: &str| {
        let (_, listed) = handler.get(&format!("/api/history/versions?id=1&pk=a&source={source}")).await;
        listed["items"].as_array().expect("items").len()
    };
    assert_eq!((versions("s0").await, versions("s1").await, versions("default").await), (1, 0, 1));
    // It is refused in its source, and captured in the others.
    let later = json!({"id": "1", "pk": "a", "_ts": 1001, "_lsn": 2, "_etag": "\"2\""});
    let fresh =
        Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_SOURCES", "s0,s1,default")]);
    for function in ["CosmosChangeFeed_s0", "CosmosChangeFeed_s1", "CosmosChangeFeed"] {
        fresh.invoke_function(function, &batch_of(std::slice::from_ref(&later)), false).await;
    }
    assert_eq!((versions("s0").await, versions("s1").await, versions("default").await), (2, 0, 2));
    let ids: Vec<Value> = world.query("jobs", "SELECT VALUE c.id FROM c WHERE c.kind = 'erased'").await;
    assert!(ids.iter().all(|id| id.as_str().is_some_and(|id| id.starts_with("s1.erased"))), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_name_their_source_and_those_for_all_show_all() {
    let (world, _handler) = two_and_default().await;
    let command = CommandLine::new(&world).with("CHANGEFEED_SOURCES", "s0,s1,default");
    let (code, text) = command.text(&["restore", "list"]).await;
    assert!(code == 2 && text.contains("add --source with one of s0, s1, default"), "{code} {text}");
    for named in [["--source", "s1"], ["--container", "s1"]] {
        let (code, listed) = command.json(&[&["restore", "list"], &named[..]].concat()).await;
        assert_eq!((code, &listed["items"]), (0, &json!([])), "{listed}");
    }
    let (_, text) = command.text(&["restore", "list", "--container", "events2"]).await;
    assert!(text.contains("no source captures container events2"), "{text}");
    let (code, text) = command.text(&["status"]).await;
    // The leases are missing: nothing was started.
    assert!(
        ["Source: s0", "Source: s1", "Source: default"].iter().all(|heading| text.contains(heading)),
        "{code} {text}"
    );
    let (_, status) = command.json(&["status", "--source", "s1,default"]).await;
    assert_eq!((&status["source"], status["otherSources"].as_array().map(Vec::len)), (&json!("s1"), Some(1)));
    let (_, checks) = command.json(&["doctor"]).await;
    let of = |source: &str| {
        checks["items"].as_array().expect("items").iter().filter(|check| check["source"] == source).count()
    };
    assert!(of("s0") == of("s1") && of("s0") == of("default") && of("s0") > 5, "{checks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_printed_names_the_source() {
    let (world, handler) = two_and_default().await;
    let command = CommandLine::new(&world).with("CHANGEFEED_SOURCES", "s0,s1,default");
    let good = world.put("a", json!({"id": "1", "pk": "a", "state": "good"})).await;
    handler.invoke(&batch_of(std::slice::from_ref(&good)), false).await;
    let second = good["_ts"].as_i64().expect("a second");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    world.put("a", json!({"id": "1", "pk": "a", "state": "bad"})).await;
    let (version, second) = (crate::support::version_id(&good), second.to_string());
    let document = ["--source", "default", "--id", "1", "--pk", "a"];
    let restore = [&["restore", "run", "--version", &version, "--yes"], &document[..]].concat();
    let job = ["restore", "run", "--source", "default", "--all", "--as-of", &second, "--job", "--dry-run"];
    for arguments in [&job[..], &restore, &["doctor"], &["status"], &["switch-mode", "--source", "s0", "--to", MODE]] {
        let (_, text) = command.text(arguments).await;
        // These are about all sources.
        let of_all = ["changefeed provision", "changefeed source", "changefeed process"];
        let printed: Vec<&str> = text.split("changefeed ").skip(1).collect();
        let names_source = |after: &&str| after.lines().next().is_some_and(|line| line.contains("--source "));
        let of_all = |after: &&str| of_all.iter().any(|command| format!("changefeed {after}").starts_with(command));
        assert!(printed.iter().all(|after| names_source(after) || of_all(after)), "{text}");
        assert!(arguments[0] == "status" || printed.iter().any(names_source), "{arguments:?}: {text}");
    }
    assert_eq!(world.query("events", "SELECT VALUE c.state FROM c").await, ["good"]);
    let (_, text) = command.text(&["restore", "list", "--source", "default"]).await;
    let id = text.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a restore");
    let (code, text) = command.text(&["restore", "undo", id, "--source", "default", "--yes"]).await;
    assert_eq!(code, 0, "as it was printed: {text}");
}

#[tokio::test]
async fn a_job_that_no_worker_continued_is_delivered_again_in_its_source() {
    let world = World::new().await;
    let [s1, default] =
        ["s1", "default"].map(|source| world.changefeed(|options| options.source = source.parse().expect("a name")));
    let version = json!({"id": "1", "pk": "a", "_ts": 1000, "_lsn": 1, "_etag": "\"1\""});
    capture(&s1, &[version]).await;
    let id = start_restore(&s1, json!({"all": true, "asOf": 2000, "job": true})).await;
    let now = chrono::Utc::now();
    assert_eq!(s1.jobs.wake_forgotten(now).await.expect("woken"), [""; 0], "a worker may still come");
    let later = now + chrono::TimeDelta::minutes(6);
    assert_eq!(default.jobs.wake_forgotten(later).await.expect("woken"), [""; 0], "it is of another source");
    let stored = || async { world.query("jobs", "SELECT VALUE c._etag FROM c WHERE c.kind = 'restore'").await };
    let before = stored().await;
    assert_eq!(s1.jobs.wake_forgotten(later).await.expect("woken"), std::slice::from_ref(&id));
    assert_ne!(stored().await, before, "the write brings an event");
    assert_eq!(s1.jobs.wake_forgotten(later).await.expect("woken"), [""; 0]);
    assert_eq!(finish(&s1, &id).await, JobState::Done);
    assert_eq!(s1.jobs.wake_forgotten(later + chrono::TimeDelta::days(1)).await.expect("woken"), [""; 0]);
}

#[tokio::test]
async fn a_query_that_people_write_runs_as_it_is_over_the_items_of_all_sources() {
    let world = World::new().await;
    let connection = world.endpoint.connection_string();
    let handler = Handler::start(&[("CosmosDB", connection.as_str()), ("CHANGEFEED_SOURCES", "s0,default")]);
    let jobs = world.container("jobs").await;
    for (id, source) in [("1", Some("s0")), ("2", Some("other")), ("3", None)] {
        let mut item = json!({ "id": id });
        source.iter().for_each(|source| item["source"] = json!(source));
        jobs.create_item(id, id, item, None).await.expect("an item");
    }
    for (query, expected) in [
        ("select value j.id from jobs j", vec!["1", "2", "3"]),
        ("select value j.id from jobs j where j.id = '3' or j.id = '2'", vec!["2", "3"]),
    ] {
        let (mut found, mut continuation) = (Vec::new(), Value::Null);
        loop {
            let body = json!({"container": "jobs", "query": query, "continuation": continuation});
            let answer = handler.respond(Method::POST, "/api/query?source=s0", &body.to_string()).await;
            let status = answer.status();
            let answer: Value = answer.json().await.expect("JSON");
            assert_eq!(status, StatusCode::OK, "{query}: {answer}");
            found.extend(
                answer["items"].as_array().expect("items").iter().filter_map(|id| id.as_str().map(str::to_owned)),
            );
            continuation = answer["continuation"].clone();
            if continuation.is_null() {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}
