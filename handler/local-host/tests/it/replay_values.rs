//! Single values, replayed: the stand-in host delivers each as the real host does, or cannot deliver it either.

use changefeed_processor::Change;
use local_host::{Delivery, RunningHost};
use serde_json::{Value, json};

use crate::recording;
use crate::test_host::{App, TestHost};

const NEW_YORK: &str = "America/New_York";
/// The endpoint of the recording stored 0 for these.
const STORED_AS_ZERO: [&str; 2] = ["number-1e-400", "number-1e-999999999"];

pub async fn start(zone: &str, mode: &str) -> TestHost {
    let app = App::new(json!({})).with_trigger("OnChange", json!({"changeFeedMode": mode}), Value::Null);
    TestHost::start_with(app, &[], |options| options.time_zone = zone.parse().expect("a zone")).await
}

/// The array of changes that the function receives; `None` if the trigger throws.
pub async fn delivered(host: &TestHost, changes: &[Change]) -> Option<String> {
    async fn deliver(running: &RunningHost, changes: &[Change]) -> Delivery {
        running.deliver("OnChange", changes).await.expect("a function")
    }
    tokio::select! {
        delivery = deliver(&host.running, changes) => {
            assert!(matches!(delivery, Delivery::Undeliverable(_)), "{delivery:?}");
            None
        }
        mut call = host.call() => {
            let body = String::from_utf8(call.body().await).expect("UTF-8");
            call.succeed().await;
            Some(recording::batch(&body))
        }
    }
}

fn document(text: &Value) -> Value {
    let text = text.as_str().expect("a text");
    serde_json::from_str(text).expect(text)
}

pub fn latest(document: Value) -> Change {
    Change { current: Some(document), ..Change::default() }
}

#[tokio::test]
async fn two_hundred_odd_values_are_delivered_as_by_the_real_host() {
    for zone in ["UTC", NEW_YORK] {
        let host = start(zone, "LatestVersion").await;
        for row in recording::lines("odd-values.jsonl") {
            let mut stored = document(&row["stored"]);
            stored["_lsn"] = json!(7);
            let in_zone = if zone == "UTC" { None } else { row["deliveredInNewYork"].as_str() };
            let expected =
                in_zone.or(row["delivered"].as_str()).expect("a text").strip_suffix('}').expect("a document");
            let batch = delivered(&host, &[latest(stored)]).await;
            assert_eq!(batch.expect("a batch"), format!("[{expected},\"_lsn\":7}}]"), "{zone}");
        }
    }
}

#[tokio::test]
async fn a_document_is_delivered_or_stalls_the_trigger_as_with_the_real_host() {
    let (mut delivered_count, mut stalled_count) = (0, 0);
    for zone in ["UTC", NEW_YORK] {
        let host = start(zone, "LatestVersion").await;
        for row in recording::lines("poison.jsonl").iter().filter(|row| row["mode"] == "LatestVersion") {
            let name = row["name"].as_str().expect("a name");
            let expected = if zone != "UTC" && row.get("inNewYork").is_some() { &row["inNewYork"] } else { row };
            let Ok(stored) = serde_json::from_str(row["document"].as_str().expect("a text")) else {
                panic!("{name} is not JSON")
            };
            let batch = delivered(&host, &[latest(stored)]).await;
            assert_eq!(batch.is_none(), expected["throws"] == true, "{name} {zone}: {batch:?}");
            let Some(batch) = batch else {
                stalled_count += 1;
                continue;
            };
            delivered_count += 1;
            let value = expected["deliveredValue"].as_str();
            if let Some(value) = value.filter(|_| !STORED_AS_ZERO.contains(&name)) {
                assert!(batch.ends_with(&format!(",\"v\":{value}}}]")), "{name} {zone}: {batch} instead of {value}");
            }
        }
    }
    assert!(delivered_count > 150 && stalled_count > 60, "{delivered_count} and {stalled_count}");
}

/// The changes of a recording in AllVersionsAndDeletes mode after the trigger has started.
fn all_versions(row: &Value) -> Vec<Change> {
    let mut live: Option<Value> = row["beforeTheStart"].get(0).map(|step| document(&step["write"]));
    let with_previous = row["previousImages"] == true;
    let mut changes = Vec::new();
    let mut change = |operation: &str, current: Option<&Value>, previous: &Option<Value>, path: &str| {
        let mut change = json!({"current": current, "metadata": {"operationType": operation, "lsn": 1, "crts": 1}});
        let previous = previous.as_ref();
        if let (Some(previous), true) = (previous, with_previous) {
            change["previous"] = previous.clone();
        }
        if let (Some(previous), None) = (previous, current) {
            change["metadata"]["id"] = previous["id"].clone();
            change["metadata"]["partitionKey"] = json!({path: previous[path]});
        }
        changes.push(serde_json::from_value(change).expect("a change"));
    };
    for step in row["steps"].as_array().expect("steps") {
        let path = step["partitionKeyPath"].as_str().unwrap_or("/pk").trim_start_matches('/');
        if step.get("write").is_some() {
            let written = document(&step["write"]);
            change(if live.is_some() { "replace" } else { "create" }, Some(&written), &live, path);
            live = Some(written);
        }
        if step.get("delete").is_some() || step["thenDelete"] == true {
            change("delete", None, &live, path);
            live = None;
        }
    }
    changes
}

/// An element without what the account adds.
fn comparable(mut element: Value) -> Value {
    for image in ["current", "previous"] {
        if let Some(image) = element.get_mut(image).and_then(Value::as_object_mut) {
            image.retain(|name, _| !name.starts_with('_'));
        }
    }
    if let Some(metadata) = element["metadata"].as_object_mut() {
        metadata.retain(|name, _| !matches!(name.as_str(), "lsn" | "crts" | "previousImageLSN"));
    }
    element
}

#[tokio::test]
async fn a_change_of_all_versions_mode_is_delivered_or_stalls_the_trigger_as_with_the_real_host() {
    let host = start("UTC", "AllVersionsAndDeletes").await;
    let rows = recording::lines("poison.jsonl");
    let rows: Vec<&Value> = rows.iter().filter(|row| row["mode"] == "AllVersionsAndDeletes").collect();
    assert!(rows.len() > 15);
    for row in rows {
        let batch = delivered(&host, &all_versions(row)).await;
        assert_eq!(batch.is_none(), row["throws"] == true, "{row}");
        let Some(batch) = batch else { continue };
        let elements =
            |text: &str| serde_json::from_str::<Vec<Value>>(text).expect("an array").into_iter().map(comparable);
        let expected = row["delivered"].as_array().expect("batches").iter().map(|text| text.as_str().expect("a text"));
        let expected: Vec<Value> = expected.flat_map(elements).collect();
        assert_eq!(elements(&batch).collect::<Vec<_>>(), expected, "{row}");
    }
}
