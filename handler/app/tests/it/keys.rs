//! Partition keys: every spelling of a number is one key, and the paths of a key are read as the service spells them.

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use changefeed_jobs::JobState;
use serde_json::{Value, json};

use crate::support::jobs::{capture, small_limits};
use crate::support::verify::run_verification;
use crate::support::{Handler, World, batch_of};

fn number(number: f64) -> PartitionKeyValue {
    PartitionKeyValue::try_from(number).expect("a number")
}

async fn versions(handler: &Handler, id: &str, partition_key: &str) -> Vec<Value> {
    let parameters = [("id", id), ("partitionKey", partition_key)];
    let url = reqwest::Url::parse_with_params("http://host/api/history/versions", parameters).expect("a URL");
    let (status, page) = handler.get(&format!("{}?{}", url.path(), url.query().unwrap_or_default())).await;
    assert_eq!(status, 200, "{partition_key}: {page}");
    page["items"].as_array().expect("items").clone()
}

/// A delivered document as text, with a key number in this spelling.
fn spelled(second: i64, key_number: &str) -> String {
    format!(
        r#"{{"id":"1","tenant":"acme","n":{key_number},"_rid":"r","_etag":"\"{second}\"","_ts":{second},"_lsn":1}}"#
    )
}

#[tokio::test]
async fn every_spelling_of_a_number_in_a_hierarchical_key_is_one_history() {
    let world = World::with_keys(&["/tenant", "/n"], &["/pk", "/sourceId"]).await;
    let handler = world.handler();
    let spellings = ["10", "10.0", "1e1"];
    for (second, spelling) in (100..).zip(spellings) {
        let (status, answer) = handler.invoke(&format!("[{}]", spelled(second, spelling)), false).await;
        assert_eq!(status, 200, "{answer}");
    }
    let stored = world.versions().await;
    assert_eq!(stored.len(), 3);
    for version in stored.values() {
        assert_eq!((&version["pk"], &version["partitionKey"]), (&json!(r#"["acme",10]"#), &json!(["acme", 10])));
        assert_eq!(version["partitionKey"].to_string(), r#"["acme",10]"#);
    }
    for spelling in spellings {
        assert_eq!(versions(&handler, "1", &format!(r#"["acme",{spelling}]"#)).await.len(), 3, "{spelling}");
    }
}

#[tokio::test]
async fn every_spelling_of_a_number_that_is_the_key_is_one_history() {
    let world = World::with_keys(&["/n"], &["/pk", "/sourceId"]).await;
    let handler = world.handler();
    for (second, spelling) in (100..).zip(["0", "-0.0", "0e0"]) {
        handler.invoke(&format!("[{}]", spelled(second, spelling)), false).await;
    }
    for (second, spelling) in (200..).zip(["9007199254740992", "9007199254740993", "9.007199254740992e15"]) {
        handler.invoke(&format!("[{}]", spelled(second, spelling)), false).await;
    }
    for key in ["[0]", "[-0.0]", "[9007199254740993]", "[9007199254740992.0]"] {
        assert_eq!(versions(&handler, "1", key).await.len(), 3, "{key}");
    }
    let (status, answer) = handler.get("/api/history/versions?id=1&partitionKey=[1e400]").await;
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains("[1e400]"), "{status} {answer}");
}

#[tokio::test]
async fn a_live_document_of_a_number_key_is_found_by_any_spelling_and_verified() {
    let world = World::with_keys(&["/tenant", "/n"], &["/pk", "/sourceId"]).await;
    let handler = world.handler();
    let key = |n: f64| PartitionKey::try_from(vec![PartitionKeyValue::from("acme"), number(n)]).expect("key");
    let first = world.put(key(10.0), json!({"id": "1", "tenant": "acme", "n": 10.0, "v": 1})).await;
    handler.invoke(&batch_of(&[first]), false).await;
    let second = world.put(key(10.0), json!({"id": "1", "tenant": "acme", "n": 10, "v": 2})).await;
    handler.invoke(&batch_of(&[second]), false).await;
    for spelling in ["10", "10.0", "1e1"] {
        let partition_key: Value = serde_json::from_str(&format!(r#"["acme",{spelling}]"#)).expect("JSON");
        for selection in [json!({"partitionKey": partition_key}), json!({"id": "1", "partitionKey": partition_key})] {
            let mut request = selection;
            (request["asOf"], request["dryRun"]) = (json!("-0s"), json!(true));
            let (_, plan) = handler.post("/api/restores", &request).await;
            assert_eq!((&plan["counts"]["unchanged"], &plan["items"][0]["id"]), (&json!(1), &json!("1")), "{plan}");
        }
    }
    let changefeed = world.changefeed(|options| options.jobs = small_limits());
    let request = json!({"repair": true});
    let (record, findings) = run_verification(&changefeed, request).await;
    assert_eq!((record.state, findings, record.counts.versions), (JobState::Done, Vec::new(), 2));
}

/// A document with this key.
type WithKey = fn(&str) -> Value;

/// Key paths, and how a document has a key there.
fn paths() -> [(&'static str, WithKey); 9] {
    [
        (r#"/"a b""#, |key| json!({"a b": key})),
        ("/'a b'", |key| json!({"a b": key})),
        (r#"/"a~1b""#, |key| json!({"a~1b": key, "a": {"b": "other"}, "a/b": "other"})),
        ("/a~1b", |key| json!({"a~1b": key, "a/b": "other"})),
        (r#"/"a/b""#, |key| json!({"a/b": key, "a": {"b": "other"}})),
        (r#"/a/"b c"/d"#, |key| json!({"a": {"b c": {"d": key}}, "a b": "other"})),
        (r#"/"it's""#, |key| json!({"it's": key})),
        (r#"/'say "x"'"#, |key| json!({"say \"x\"": key})),
        (r#"/"back\slash""#, |key| json!({"back\\slash": key})),
    ]
}

#[tokio::test]
async fn documents_of_different_keys_have_histories_of_their_own_under_any_spelling_of_the_path() {
    for (path, with_key) in paths() {
        let world = World::with_keys(&[path], &["/pk", "/sourceId"]).await;
        let changefeed = world.changefeed(|options| options.jobs = small_limits());
        let mut stored = Vec::new();
        for key in ["x", "y"] {
            let mut document = with_key(key);
            document["id"] = json!("1");
            stored.push(world.put(key, document).await);
        }
        capture(&changefeed, &stored).await;
        let versions = world.versions().await;
        let mut keys: Vec<&Value> = versions.values().map(|version| &version["pk"]).collect();
        keys.sort_by_key(|key| key.to_string());
        assert_eq!(keys, [&json!("x"), &json!("y")], "{path}");

        let (record, findings) = run_verification(&changefeed, json!({"repair": true})).await;
        assert_eq!((record.state, &findings), (JobState::Done, &Vec::new()), "{path}");
        assert_eq!((record.counts.documents, record.counts.versions), (2, 2), "{path}");
        assert_eq!(world.versions().await.len(), 2, "{path}: a delete was recorded");

        let handler = world.handler();
        let (_, rows) = handler.get("/api/history/search").await;
        let live = rows["items"].as_array().expect("rows").iter().filter(|row| row["kind"] == "live");
        let mut keys: Vec<String> = live.map(|row| row["partitionKey"].to_string()).collect();
        keys.sort();
        assert_eq!(keys, [r#"["x"]"#, r#"["y"]"#], "{path}");
        let (_, truncated) =
            handler.post("/api/truncate", &json!({"container": "events", "max": 10, "confirm": "events"})).await;
        assert_eq!(truncated["deleted"], 2, "{path}: {truncated}");
    }
}
