//! `changefeed local`: capture from end to end, function keys and the control interface.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{DEADLINE, Local, signal, until};

#[tokio::test]
async fn sample_documents_and_later_writes_are_captured() {
    let local = Local::start(&["--populate", "300"]).await;
    local.until_all_captured(DEADLINE).await;
    let report = local.post("populate", json!({"count": 1000})).await;
    assert_eq!(report["upserted"], 1000);
    local.until_all_captured(DEADLINE).await;
    let exit = local.interrupt();
    assert!(exit.success(), "{exit}");
}

#[tokio::test]
async fn a_handler_that_is_killed_repeatedly_loses_and_duplicates_no_data() {
    let local = Local::start(&[]).await;
    let mut load = local.populate_in_background("1500", "500");
    for _ in 0..4 {
        // In the middle of a batch: some of its versions are stored, others are not.
        let captured = local.count("changes").await;
        until("more versions", DEADLINE, async || local.count("changes").await > captured).await;
        let killed = local.handler_pid().expect("a handler");
        signal("-KILL", killed);
        until("another handler", DEADLINE, async || local.handler_pid().is_some_and(|pid| pid != killed)).await;
    }
    assert!(load.wait().expect("load").success());
    local.until_all_captured(DEADLINE).await;
}

#[tokio::test]
async fn a_handler_ends_when_its_host_is_killed() {
    let local = Local::start(&[]).await;
    let handler = local.handler_pid().expect("a handler");
    // A process that has ended and whose parent has not read its exit status has the state Z.
    let is_running =
        || std::fs::read_to_string(format!("/proc/{handler}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(is_running());
    signal("-KILL", local.pid());
    until("the end of the handler", DEADLINE, async || !is_running()).await;
}

#[tokio::test]
async fn values_that_the_host_rewrites_are_captured_as_stored() {
    let local = Local::start(&[]).await;
    let events = local.client.sdk().database_client("dev").container_client("events", None).await.expect("events");
    let document: Value = serde_json::from_str(
        r#"{"id":"1","pk":"a","at":"2024-01-01T10:00:00+02:00","precise":0.1234567890123456789,"hundred":1e2,
            "midnight":"2024-01-01T00:00:00.0000000Z","old":"/Date(1)/"}"#,
    )
    .expect("document");
    events.create_item("a", "1", &document, None).await.expect("create");
    local.until_all_captured(DEADLINE).await;
    let version = local.query("changes", "SELECT * FROM c").await.remove(0);
    assert_eq!(version["exact"], true);
    let stored: Value = events.read_item("a", "1", None).await.expect("read").into_model().expect("item");
    for name in document.as_object().expect("object").keys() {
        assert_eq!(version["document"][name], stored[name], "{name}");
    }
    for name in ["at", "midnight", "old"] {
        assert_eq!(version["document"][name], document[name], "{name}");
    }
}

#[tokio::test]
async fn a_function_requires_a_key_when_keys_are_required() {
    let local = Local::start(&["--require-keys"]).await;
    let status = format!("{}/status", local.ready["api"].as_str().expect("api"));
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    assert_eq!(client.get(&status).send().await.expect("answer").status(), 401);
    let key = local.ready["functionKey"].as_str().expect("functionKey");
    assert_eq!(client.get(format!("{status}?code={key}")).send().await.expect("answer").status(), 200);
    assert_eq!(client.get(&status).header("x-functions-key", key).send().await.expect("answer").status(), 200);
}

#[tokio::test]
async fn the_endpoint_requires_a_signature_on_request() {
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    for (arguments, expected) in [(&["--cosmos-only"][..], 200), (&["--cosmos-only", "--require-account-key"], 401)] {
        let local = Local::start_endpoint(arguments).await;
        let url = format!("{}dbs", local.ready["cosmos"].as_str().expect("cosmos"));
        assert_eq!(client.get(&url).send().await.expect("answer").status(), expected, "{arguments:?}");
        // The client that the test has made signs its requests.
        local.client.sdk().create_database("signed", None).await.expect("a signed request");
    }
}

#[tokio::test]
async fn the_control_interface_is_started_on_request_and_the_ready_line_has_its_address() {
    let local = Local::start(&[]).await;
    assert!(local.ready.get("control").is_none());
    let console = local.ready["console"].as_str().expect("console");
    assert_eq!(console, format!("{}/console", local.ready["api"].as_str().expect("api")));
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let page = client.get(console).send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("<title>changefeed</title>"), "{page}");
    let local = Local::start(&["--control-port", "0"]).await;
    let control = local.ready["control"].as_str().expect("control");
    let url = format!("{control}/partitions?database=dev&container=events");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let answer: Value = client.get(url).send().await.expect("answer").json().await.expect("JSON");
    assert_eq!(answer["partitions"][0]["min"], "", "{answer}");
}

#[tokio::test]
async fn the_sample_data_has_an_incident_in_it_that_is_the_same_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a path");
    let local = Local::start(&["--incident", "--data", data]).await;
    let now = chrono::Utc::now().timestamp();
    // Everything is captured before the ready line.
    assert_eq!(local.count("events").await, 520);
    let found = local.get("history/activity?from=4d&bucket=1d").await;
    let actors: Vec<(&str, u64)> = found["actors"]
        .as_array()
        .expect("actors")
        .iter()
        .map(|found| (found["actor"].as_str().expect("a name"), found["versions"].as_u64().expect("a number")))
        .collect();
    assert_eq!(actors, [("import", 520), ("release-42", 400), ("sync", 88), ("user", 12)]);
    let release = local.get("history/activity?from=1h&bucket=1m&actor=release-42").await;
    let minutes: Vec<u64> = release["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["counts"]["replace"].as_u64().filter(|count| *count > 0))
        .collect();
    assert_eq!(minutes, [52, 71, 66, 60, 48, 41, 33, 21, 8]);
    let times = local.query("events", "SELECT VALUE c._ts FROM c WHERE c.updatedBy = 'release-42'").await;
    let ago = now - times.iter().filter_map(Value::as_i64).max().expect("a second");
    assert!((20 * 60..24 * 60).contains(&ago), "the release ended {ago} seconds ago");
    let edited = local.query("events", "SELECT c.id, c.city_name FROM c WHERE c.phone = '555-0100'").await;
    assert_eq!(edited.len(), 12);
    assert!(edited.contains(&json!({"id": "27006", "city_name": "Advance, by hand"})), "{edited:?}");
    assert!(edited.contains(&json!({"id": "27009", "city_name": "BELEWS CREEK"})), "{edited:?}");
    // The clock is right again.
    let clock = local.query("events", "SELECT VALUE GetCurrentTimestamp() FROM c OFFSET 0 LIMIT 1").await;
    assert!((clock[0].as_i64().expect("a time") / 1000 - chrono::Utc::now().timestamp()).abs() < 60, "{clock:?}");
    let page = local.get("history/changes?from=1h&actor=user&maxItems=1").await;
    assert_eq!(page["items"][0]["paths"], json!(["/updatedBy", "/phone"]), "{page}");
    assert!(local.interrupt().success());
    // Documents that exist are not written again.
    let again = Local::start(&["--incident", "--data", data]).await;
    assert_eq!(again.count("changes").await, 520 + 400 + 88 + 12);
}

#[tokio::test]
async fn the_console_is_opened_in_the_browser_and_it_is_no_error_if_there_is_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().expect("a folder");
    let opened = folder.path().join("opened");
    let start = async |script: &str| {
        let launcher = folder.path().join("xdg-open");
        std::fs::write(&launcher, script).expect("a launcher");
        std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let path = folder.path().to_str().expect("a path");
        Local::start_with(&root, &["--host-port", "0", "--open"], &[("PATH", path)]).await
    };
    let local = start(&format!("#!/bin/sh\necho \"$1\" >> {}\n", opened.display())).await;
    let console = local.ready["console"].as_str().expect("console").to_owned();
    until("the browser", DEADLINE, async || std::fs::read_to_string(&opened).is_ok_and(|text| !text.is_empty())).await;
    assert_eq!(std::fs::read_to_string(&opened).expect("an address").trim(), console);
    drop(local);
    let tried = folder.path().join("tried");
    let local = start(&format!("#!/bin/sh\necho x > {}\nexit 3\n", tried.display())).await;
    until("the launcher", DEADLINE, async || tried.exists()).await;
    let status = local.get("status").await;
    assert!(status["version"].is_string(), "{status}");
}
