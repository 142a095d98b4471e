//! `changefeed local`: the main job.

use serde_json::json;

use crate::support::{DEADLINE, Local, signal, until};

#[tokio::test]
async fn every_document_of_the_sample_arrives_as_a_version_and_so_does_what_is_written_later() {
    let local = Local::start(&["--populate", "300"]).await;
    local.until_all_captured(DEADLINE).await;
    let report = local.post("populate", json!({"count": 1000})).await;
    assert_eq!(report["upserted"], 1000);
    local.until_all_captured(DEADLINE).await;
    let exit = local.interrupt();
    assert!(exit.success(), "{exit}");
}

#[tokio::test]
async fn a_handler_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    let local = Local::start(&[]).await;
    let mut load = local.populate_beside("1500", "500");
    for _ in 0..4 {
        // In the middle of the work: some versions of the running batch are stored, others are not.
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
async fn what_the_host_rewrites_on_the_way_is_kept_as_it_is_stored() {
    let local = Local::start(&[]).await;
    let events = local.client.database_client("dev").container_client("events", None).await.expect("events");
    let document: serde_json::Value = serde_json::from_str(
        r#"{"id":"1","pk":"a","at":"2024-01-01T10:00:00+02:00","precise":0.1234567890123456789,"hundred":1e2,
            "midnight":"2024-01-01T00:00:00.0000000Z","old":"/Date(1)/"}"#,
    )
    .expect("document");
    events.create_item("a", "1", &document, None).await.expect("create");
    local.until_all_captured(DEADLINE).await;
    let version = local.query("changes", "SELECT * FROM c").await.remove(0);
    assert_eq!(version["exact"], true);
    let stored: serde_json::Value = events.read_item("a", "1", None).await.expect("read").into_model().expect("item");
    for name in document.as_object().expect("object").keys() {
        assert_eq!(version["document"][name], stored[name], "{name}");
    }
    for name in ["at", "midnight", "old"] {
        assert_eq!(version["document"][name], document[name], "{name}");
    }
}

#[tokio::test]
async fn functions_are_called_with_a_key_when_keys_are_required() {
    let local = Local::start(&["--require-keys"]).await;
    let status = format!("{}/status", local.ready["api"].as_str().expect("api"));
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    assert_eq!(client.get(&status).send().await.expect("answer").status(), 401);
    let key = local.ready["functionKey"].as_str().expect("functionKey");
    assert_eq!(client.get(format!("{status}?code={key}")).send().await.expect("answer").status(), 200);
    assert_eq!(client.get(&status).header("x-functions-key", key).send().await.expect("answer").status(), 200);
}

#[tokio::test]
async fn the_control_interface_is_there_where_it_is_asked_for_and_the_ready_line_tells_where() {
    assert!(Local::start(&[]).await.ready.get("control").is_none());
    let local = Local::start(&["--control-port", "0"]).await;
    let control = local.ready["control"].as_str().expect("control");
    let url = format!("{control}/partitions?database=dev&container=events");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let answer: serde_json::Value = client.get(url).send().await.expect("answer").json().await.expect("JSON");
    assert_eq!(answer["partitions"][0]["min"], "", "{answer}");
}
