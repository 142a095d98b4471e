//! Compares backups and restores from them with a map of documents: every document of a backup is restored, while workers are
//! killed at random times.

use std::path::Path;
use std::time::Duration;

use changefeed_backup_format::{BackupLocation, ListedState, list};
use changefeed_jobs::{JobOptions, JobState, SliceEnd, job_to_run};
use changefeed_operations::{Changefeed, UndoRequest};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{
    Documents, assert_sound, body_of, delete_event, live_documents, name_of, run_backup, run_restore, truncate,
};
use crate::support::jobs::{capture, finish, restore_view, small_limits, start_restore};
use crate::support::{DEADLINE, World, noise, until};

struct Scenario {
    world: World,
    changefeed: Changefeed,
    random: SmallRng,
    folder: TempDir,
    lsn: i64,
}

impl Scenario {
    async fn start(seed: u64) -> Self {
        let world = World::new().await;
        let claim = Duration::from_millis(500);
        let changefeed =
            world.changefeed(|options| options.jobs = JobOptions { claim, page_items: 10, ..small_limits() });
        let folder = tempfile::tempdir().expect("folder");
        Self { world, changefeed, random: SmallRng::seed_from_u64(seed), folder, lsn: 1_000_000 }
    }

    fn location(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Writes and deletes random documents and captures all changes. Returns the second of the last change, which has passed.
    async fn change(&mut self, count: usize) -> i64 {
        let mut changes = Vec::new();
        for n in 0..count {
            let (key, id) = (format!("key-{}", self.random.random_range(0..5)), self.random.random_range(0..30));
            let document = json!({"id": format!("item-{id}"), "pk": key, "n": n, "group": self.random.random_range(0..3),
                "nested": {"list": [null, 1.25, "ü"], "empty": {}}});
            let mut stored = self.world.put(key, document).await;
            // The log sequence number orders changes within a second.
            self.lsn += 1;
            stored["_lsn"] = json!(self.lsn);
            changes.push(stored);
        }
        for (_, document) in live_documents(&self.world).await {
            if self.random.random_bool(0.15) {
                let (key, id) = (document["pk"].as_str().expect("pk"), document["id"].as_str().expect("id"));
                self.world.container("events").await.delete_item(key.to_owned(), id, None).await.expect("delete");
                self.lsn += 1;
                changes.push(delete_event(key, id, self.lsn));
            }
        }
        capture(&self.changefeed, &changes).await;
        let second = chrono::Utc::now().timestamp();
        until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
        second
    }

    /// Deletes every document, restores and compares.
    async fn assert_restores(&self, request: Value, expected: &Documents) {
        truncate(&self.changefeed).await;
        let id = run_restore(&self.changefeed, request.clone()).await;
        assert_eq!(live_documents(&self.world).await, *expected, "{request}");
        let record = self.changefeed.restores.record(&id).await.expect("restore");
        assert_eq!(record.counts.create, expected.len() as u64, "{request}: {record:?}");
    }
}

#[tokio::test]
async fn full_filtered_and_incremental_backups_restore_every_document() {
    let mut scenario = Scenario::start(0).await;
    let mut states = Vec::new();
    let mut chain: Vec<String> = Vec::new();
    for phase in 0..3 {
        let second = scenario.change(60).await;
        states.push((second, live_documents(&scenario.world).await));
        let to = scenario.location(&format!("live-{phase}"));
        let mut request = json!({"to": to});
        if let Some(earlier) = chain.last() {
            request["incrementalFrom"] = json!(earlier);
        }
        assert_sound(&run_backup(&scenario.changefeed, request).await).await;
        chain.push(to);
    }
    let mut as_of: Vec<String> = Vec::new();
    for (phase, (second, state)) in states.iter().enumerate() {
        let full = json!({"to": scenario.location(&format!("as-of-{phase}")), "asOf": second});
        let full = run_backup(&scenario.changefeed, full).await;
        assert_sound(&full).await;
        assert_eq!(full.counts.documents, state.len() as u64, "phase {phase}: {full:?}");
        let mut next = json!({"to": scenario.location(&format!("as-of-chain-{phase}")), "asOf": second});
        if let Some(earlier) = as_of.last() {
            next["incrementalFrom"] = json!(earlier);
        }
        as_of.push(run_backup(&scenario.changefeed, next).await.location().to_owned());
        let filtered =
            json!({"to": scenario.location(&format!("filtered-{phase}")), "asOf": second, "filter": ["group=1"]});
        let filtered = run_backup(&scenario.changefeed, filtered).await;
        let expected = state.values().filter(|document| document["group"] == 1).count();
        assert_eq!(filtered.counts.documents, expected as u64, "phase {phase}");
    }
    let (_, last) = &states[2];
    for (phase, (_, state)) in states.iter().enumerate() {
        scenario.assert_restores(json!({"from": scenario.location(&format!("as-of-{phase}"))}), state).await;
        scenario.assert_restores(json!({"from": as_of[..=phase]}), state).await;
        scenario.assert_restores(json!({"from": chain[..=phase]}), state).await;
        if phase < 2 {
            continue;
        }
        let group: Documents =
            state.iter().filter(|(_, document)| document["group"] == 1).map(|(n, d)| (n.clone(), d.clone())).collect();
        scenario.assert_restores(json!({"from": scenario.location(&format!("filtered-{phase}"))}), &group).await;
        scenario.assert_restores(json!({"from": chain[..=phase], "filter": ["group=1"]}), &group).await;
    }
    // Live documents that no backup has are not changed. Deletes of the chain are restored on request.
    truncate(&scenario.changefeed).await;
    run_restore(&scenario.changefeed, json!({"from": chain[0]})).await;
    scenario.world.put("new", json!({"id": "new", "pk": "new"})).await;
    let before = live_documents(&scenario.world).await;
    let id = run_restore(&scenario.changefeed, json!({"from": chain, "deleteCreatedAfter": true})).await;
    let mut expected = last.clone();
    expected.extend(before.iter().filter(|((pk, _), _)| pk == "\"new\"").map(|(n, d)| (n.clone(), d.clone())));
    assert_eq!(live_documents(&scenario.world).await, expected);
    let undo = scenario.changefeed.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&scenario.changefeed, &undo.id).await, JobState::Done);
    assert_eq!(live_documents(&scenario.world).await, before, "undone");
}

/// Runs slices of a job that are dropped at random times, and then runs the job to its end.
async fn finish_with_killed_workers(scenario: &mut Scenario, id: &str) -> JobState {
    for _ in 0..6 {
        let lifetime = Duration::from_micros(scenario.random.random_range(0..150_000));
        let slice = scenario.changefeed.runner.run_slice(id, "killed", std::future::pending());
        match tokio::time::timeout(lifetime, slice).await {
            Ok(Ok(SliceEnd::Ended(state))) => return state,
            Ok(end) => drop(end),
            Err(_) => {}
        }
    }
    finish(&scenario.changefeed, id).await
}

#[tokio::test]
async fn backups_and_restores_whose_workers_are_killed_lose_and_duplicate_no_document() {
    let mut scenario = Scenario::start(10).await;
    let second = scenario.change(120).await;
    let state = live_documents(&scenario.world).await;
    for (name, request) in [("live", json!({})), ("as-of", json!({"asOf": second}))] {
        let mut request = request;
        request["to"] = json!(scenario.location(name));
        let request = serde_json::from_value(request).expect("request");
        let job = scenario.changefeed.backups.create_job(&request).await.expect("backup");
        assert_eq!(finish_with_killed_workers(&mut scenario, &job.id).await, JobState::Done);
        let backup = scenario.changefeed.backups.show(&job.id).await.expect("backup");
        assert_sound(&backup).await;
        assert_eq!(backup.counts.documents, state.len() as u64, "{name}");

        truncate(&scenario.changefeed).await;
        let id = start_restore(&scenario.changefeed, json!({"from": scenario.location(name)})).await;
        assert_eq!(finish_with_killed_workers(&mut scenario, &id).await, JobState::Done);
        let restored = restore_view(&scenario.changefeed, &id).await.record;
        assert_eq!((restored.counts.create, restored.items.len()), (state.len() as u64, state.len()));
        assert_eq!(live_documents(&scenario.world).await, state, "{name}");
        let undo = scenario.changefeed.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
        assert_eq!(finish_with_killed_workers(&mut scenario, &undo.id).await, JobState::Done);
        assert_eq!(live_documents(&scenario.world).await, Documents::new(), "{name}: undone");
        run_restore(&scenario.changefeed, json!({"from": scenario.location(name)})).await;
    }
}

#[tokio::test]
async fn a_restore_from_a_damaged_backup_writes_nothing_and_names_the_damage() {
    let mut scenario = Scenario::start(20).await;
    scenario.change(60).await;
    let location = scenario.location("b");
    run_backup(&scenario.changefeed, json!({"to": location})).await;
    let segment = Path::new(&location).join("part-00000.ndjson.zst");
    let mut bytes = std::fs::read(&segment).expect("segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    truncate(&scenario.changefeed).await;
    for request in [json!({"from": location}), json!({"from": location, "dryRun": true})] {
        let id = start_restore(&scenario.changefeed, request).await;
        assert_eq!(finish(&scenario.changefeed, &id).await, JobState::Failed);
        let message = scenario.changefeed.jobs.job(&id).await.expect("job").job.message.expect("a message");
        assert!(message.contains("part-00000.ndjson.zst has SHA-256"), "{message}");
    }
    assert_eq!(live_documents(&scenario.world).await, Documents::new());
}

#[tokio::test]
async fn files_of_other_tools_are_restored_like_backups() {
    let scenario = Scenario::start(30).await;
    let documents: Vec<Value> = (0..23)
        .map(|n| json!({"id": format!("item-{n}"), "pk": format!("key-{}", n % 3), "n": n, "text": noise(50), "_ts": 5, "_etag": "\"x\"", "_rid": "r"}))
        .collect();
    let expected: Documents = documents.iter().map(|document| (name_of(document), body_of(document.clone()))).collect();
    let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
    std::fs::write(scenario.location("lines.ndjson"), &lines).expect("written");
    std::fs::write(scenario.location("array.json"), Value::Array(documents.clone()).to_string()).expect("written");
    std::fs::create_dir(scenario.location("folder")).expect("folder");
    let (first, second) = documents.split_at(10);
    std::fs::write(scenario.location("folder/1.json"), Value::Array(first.to_vec()).to_string()).expect("written");
    std::fs::write(scenario.location("folder/2.json"), Value::Array(second.to_vec()).to_string()).expect("written");
    for location in ["lines.ndjson", "array.json", "folder"] {
        scenario.assert_restores(json!({"from": scenario.location(location)}), &expected).await;
    }
    // Different live documents are replaced, equal ones are not written.
    scenario.world.put("key-0", json!({"id": "item-0", "pk": "key-0", "n": "wrong"})).await;
    let id = run_restore(&scenario.changefeed, json!({"from": scenario.location("array.json")})).await;
    let counts = scenario.changefeed.restores.record(&id).await.expect("restore").counts;
    assert_eq!((counts.replace, counts.unchanged), (1, 22));
    let undo = scenario.changefeed.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&scenario.changefeed, &undo.id).await, JobState::Done);
    assert_eq!(scenario.world.live("key-0", "item-0").await.expect("live")["n"], "wrong");
    // Invalid documents are reported, and the others are restored.
    std::fs::write(scenario.location("odd.ndjson"), "{\"pk\": \"key-0\"}\n{\"id\": \"odd\", \"pk\": \"key-0\"}\n")
        .expect("written");
    let id = start_restore(&scenario.changefeed, json!({"from": scenario.location("odd.ndjson")})).await;
    assert_eq!(finish(&scenario.changefeed, &id).await, JobState::Failed);
    let items = restore_view(&scenario.changefeed, &id).await.record.items;
    assert!(items.iter().any(|item| item.message.as_deref() == Some("it has no id")), "{items:?}");
    assert!(scenario.world.live("key-0", "odd").await.is_some());
    // The undo skips the invalid document.
    let undo = scenario.changefeed.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&scenario.changefeed, &undo.id).await, JobState::Done);
    assert!(scenario.world.live("key-0", "odd").await.is_none());
}

#[tokio::test]
async fn an_impossible_backup_or_restore_is_rejected_before_a_job_is_created() {
    let mut scenario = Scenario::start(40).await;
    scenario.change(20).await;
    let refused = async |request: Value| {
        let request = serde_json::from_value(request).expect("request");
        scenario.changefeed.backups.create_job(&request).await.expect_err("refused").to_string()
    };
    std::fs::write(scenario.location("file"), "x").expect("written");
    assert!(refused(json!({"to": scenario.location("file")})).await.contains("is a file"));
    run_backup(&scenario.changefeed, json!({"to": scenario.location("b")})).await;
    assert!(refused(json!({"to": scenario.location("b")})).await.contains("there is a backup already"));
    let none = json!({"to": scenario.location("c"), "incrementalFrom": scenario.location("none")});
    assert!(refused(none).await.contains("there is no backup"));
    let filtered = json!({"to": scenario.location("c"), "incrementalFrom": scenario.location("b"), "filter": ["a=1"]});
    assert!(refused(filtered).await.contains("another filter"));
    let early = json!({"to": scenario.location("c"), "incrementalFrom": scenario.location("b"), "asOf": 5});
    assert!(refused(early).await.contains("asOf is before"));
    assert!(refused(json!({"to": scenario.location("c"), "asOf": 4_000_000_000_u32})).await.contains("not over yet"));
    assert!(refused(json!({"to": "https://a.blob.core.windows.net/c?sig=s3cret"})).await.contains("BACKUP_STORAGE"));

    let unrestorable = async |from: Value| {
        let request = serde_json::from_value(json!({ "from": from })).expect("request");
        scenario.changefeed.restores.run(&request).await.expect_err("refused").to_string()
    };
    assert!(unrestorable(json!(scenario.location("none"))).await.contains("there is no backup"));
    let increment = run_backup(
        &scenario.changefeed,
        json!({"to": scenario.location("i"), "incrementalFrom": scenario.location("b")}),
    )
    .await;
    assert!(unrestorable(json!(increment.location())).await.contains("is incremental"));
    let files = json!([scenario.location("file"), scenario.location("file")]);
    assert!(unrestorable(files).await.contains("several locations must be backups"));
    std::fs::create_dir(scenario.location("newer")).expect("folder");
    std::fs::write(scenario.location("newer/manifest.json"), "{\"format\": 9}").expect("written");
    assert!(unrestorable(json!(scenario.location("newer"))).await.contains("has format 9"));
    let listed = list(&BackupLocation::folder(scenario.folder.path())).await.expect("listed");
    assert_eq!(listed.iter().filter(|backup| matches!(backup.state, ListedState::Finished { .. })).count(), 2);
    // A job that needs a folder of one machine is not run by another machine.
    let elsewhere = scenario.world.changefeed(|options| options.locations.host = Some("elsewhere".into()));
    let request = serde_json::from_value(json!({"to": scenario.location("d")})).expect("request");
    let job = scenario.changefeed.backups.create_job(&request).await.expect("job");
    let error = elsewhere.runner.run_slice(&job.id, "elsewhere:1", std::future::pending()).await.expect_err("refused");
    assert!(error.to_string().contains("can run only there"), "{error}");
    let item = scenario.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup' AND c.state = 'queued'").await;
    assert_eq!((item.len(), job_to_run(&item[0])), (1, None));
}

#[tokio::test]
async fn the_last_file_by_name_determines_a_document_that_several_files_have() {
    let scenario = Scenario::start(0).await;
    let lines = |v: u32| {
        let line = |n: u32| json!({"id": format!("item-{n}"), "pk": "a", "v": v}).to_string();
        (0..40).map(line).collect::<Vec<_>>().join("\n")
    };
    for (name, v) in [("b.ndjson", 2), ("a.ndjson", 1), ("c.ndjson", 3)] {
        std::fs::write(scenario.folder.path().join(name), lines(v)).expect("written");
    }
    let id = run_restore(&scenario.changefeed, json!({"from": scenario.location("")})).await;
    assert!(live_documents(&scenario.world).await.values().all(|document| document["v"] == 3));
    let counts = scenario.changefeed.restores.record(&id).await.expect("record").counts;
    assert_eq!((counts.create, counts.replace, counts.conflict), (40, 80, 0));
}
