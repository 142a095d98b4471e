//! Verifications, and the damage that they find.

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use changefeed_cosmos::PageRequest;
use changefeed_operations::{Changefeed, Finding, VerifyRecord};
use serde_json::{Value, json};

use super::World;
use super::jobs::{capture, finish};

/// Runs a verification to its end. Returns its record and every finding.
pub async fn run_verification(changefeed: &Changefeed, request: Value) -> (VerifyRecord, Vec<Finding>) {
    let id = start_verification(changefeed, request).await;
    finish(changefeed, &id).await;
    verification_result(changefeed, &id).await
}

/// Starts a verification, by default without a grace time. Returns the id of the job.
pub async fn start_verification(changefeed: &Changefeed, mut request: Value) -> String {
    if request.get("graceSeconds").is_none() {
        request["graceSeconds"] = json!(0);
    }
    let request = serde_json::from_value(request).expect("request");
    changefeed.verifications.create_job(&request).await.expect("a job").id
}

/// The record of a verification and every finding.
pub async fn verification_result(changefeed: &Changefeed, id: &str) -> (VerifyRecord, Vec<Finding>) {
    let mut view = changefeed.verifications.show(id).await.expect("a verification");
    while let Some(continuation) = view.continuation.take() {
        let more =
            changefeed.verifications.findings(id, &PageRequest::after(Some(&continuation))).await.expect("findings");
        view.findings.extend(more.items);
        view.continuation = more.continuation;
    }
    (view.record, view.findings)
}

/// Kind, id and version of each finding, sorted.
pub fn finding_summaries(findings: &[Finding]) -> Vec<(String, String, String)> {
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let line = |finding: &Finding| (text(json!(finding.kind)), finding.id.clone(), finding.version.to_string());
    let mut lines: Vec<_> = findings.iter().map(line).collect();
    lines.sort();
    lines
}

/// The id of the version of a stored document.
pub fn version_of(stored: &Value) -> String {
    let (ts, etag) = (stored["_ts"].as_i64().expect("_ts"), stored["_etag"].as_str().expect("_etag"));
    format!("{ts:010}-{}", etag.trim_matches('"'))
}

/// The key of a record in `changes`.
pub fn record_key(record: &Value) -> PartitionKey {
    let text = |name: &str| PartitionKeyValue::from(record[name].as_str().expect("text").to_owned());
    PartitionKey::try_from(vec![text("pk"), text("sourceId")]).expect("key")
}

/// Deletes a record of `changes`.
pub async fn delete_record(world: &World, record: &Value) {
    let id = record["id"].as_str().expect("id");
    world.container("changes").await.delete_item(record_key(record), id, None).await.expect("delete");
}

/// Overwrites a record of `changes`.
pub async fn overwrite_record(world: &World, record: Value) {
    let (key, id) = (record_key(&record), record["id"].as_str().expect("id").to_owned());
    world.container("changes").await.upsert_item(key, &id, record, None).await.expect("upsert");
}

/// The parts of large versions.
pub async fn version_parts(world: &World) -> Vec<Value> {
    world.query("changes", "SELECT * FROM c WHERE IS_DEFINED(c.partOf)").await
}

/// Text that fits into a document but not into one record, so that the version has parts.
pub fn text_larger_than_an_item() -> String {
    let mut state = 7_u64;
    let character = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Printable characters that JSON does not escape.
        char::from_u32(35 + (state >> 33) as u32 % 57).unwrap_or('x')
    };
    std::iter::repeat_with(character).take(1_940_000).collect()
}

/// Writes, captures and deletes documents. The deletes are not captured. Returns the stored documents.
pub async fn write_and_delete(world: &World, changefeed: &Changefeed, count: usize) -> Vec<Value> {
    let mut stored = Vec::new();
    for n in 0..count {
        stored.push(world.put("a", json!({"id": format!("gone-{n:02}"), "pk": "a"})).await);
    }
    capture(changefeed, &stored).await;
    for n in 0..count {
        world.container("events").await.delete_item("a", &format!("gone-{n:02}"), None).await.expect("delete");
    }
    stored
}
