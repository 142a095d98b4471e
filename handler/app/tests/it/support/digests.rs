//! Digests of a history whose versions were stored in several hours, by the clock of the endpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, DigestView, Finding, VerifyRecord};
use chrono::Utc;
use serde_json::{Value, json};

use super::World;
use super::jobs::{capture, finish, small_limits};
use super::verify::verification_result;

/// An hour and the grace time of digests: after so many seconds an hour is written.
pub const LATER: i64 = 4600;
pub const HOUR: i64 = 3600;

/// What is added to the clock of this machine, so that a test begins ten minutes after the start of an hour.
pub fn start() -> i64 {
    static START: OnceLock<i64> = OnceLock::new();
    *START.get_or_init(|| (HOUR + 600 - Utc::now().timestamp() % HOUR) % HOUR)
}

/// Sets the clock of the service to this many seconds from the start.
pub fn set_clock(world: &World, seconds: i64) {
    world.endpoint.set_clock(start() + seconds).expect("the clock");
}

/// The library at this many seconds from the start, by the clock of the service.
pub fn at(world: &World, seconds: i64) -> Changefeed {
    set_clock(world, seconds);
    world.changefeed(|options| {
        options.jobs = small_limits();
        options.batch_timeout = std::time::Duration::from_secs(4);
    })
}

/// Writes documents with these ids and captures them.
pub async fn write(world: &World, changefeed: &Changefeed, ids: &[&str], text: &str) -> Vec<Value> {
    let mut stored = Vec::new();
    for id in ids {
        stored.push(world.put("a", json!({"id": id, "pk": "a", "text": text, "n": 1.5})).await);
    }
    capture(changefeed, &stored).await;
    stored
}

pub async fn start_digests(changefeed: &Changefeed, to: &Path) -> String {
    let request = serde_json::from_value(json!({ "to": to })).expect("request");
    changefeed.digests.create_job(&request).await.expect("a job").id
}

/// Writes the digests that are due in a folder.
pub async fn write_digests(changefeed: &Changefeed, to: &Path) -> DigestView {
    let id = start_digests(changefeed, to).await;
    assert_eq!(finish(changefeed, &id).await, JobState::Done);
    changefeed.digests.show(&id).await.expect("a job")
}

pub async fn start_verifying(changefeed: &Changefeed, digests: &Path) -> String {
    let request = serde_json::from_value(json!({ "digests": digests })).expect("request");
    changefeed.verifications.create_job(&request).await.expect("a job").id
}

/// Compares the history with the digests in a folder.
pub async fn verify_digests(changefeed: &Changefeed, digests: &Path) -> (VerifyRecord, Vec<Finding>) {
    let id = start_verifying(changefeed, digests).await;
    finish(changefeed, &id).await;
    verification_result(changefeed, &id).await
}

/// The files of the digests in a folder with their content.
pub fn digest_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder.join("digests")) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().into_string().expect("a name"), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

/// The lines of all files, in their order.
pub fn digest_lines(folder: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for bytes in digest_files(folder).into_values() {
        let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("zstd")).expect("text");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
    }
    lines
}
