//! Backups and restores from them, held against a map of documents: whatever was backed up comes back, however often its
//! writer or its reader is killed.

use std::time::Duration;

use changefeed_backup_format::{BackupLocation, ListedState, list};
use changefeed_jobs::{JobOptions, JobState, SliceEnd};
use changefeed_operations::{Changefeed, UndoRequest};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::backups::{Documents, assert_sound, back_up, delete, live, plain, restore_from, truncate};
use crate::support::jobs::{capture, finish, shown, small, start};
use crate::support::{DEADLINE, World, noise, until};

struct Story {
    world: World,
    store: Changefeed,
    random: SmallRng,
    folder: TempDir,
    lsn: i64,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let world = World::new().await;
        let claim = Duration::from_millis(500);
        let store = world.store(|options| options.jobs = JobOptions { claim, page_items: 10, ..small() });
        let folder = tempfile::tempdir().expect("folder");
        Self { world, store, random: SmallRng::seed_from_u64(seed), folder, lsn: 1_000_000 }
    }

    fn place(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Random writes and deletes, all of them captured; the second after which nothing happened any more.
    async fn change(&mut self, count: usize) -> i64 {
        let mut changes = Vec::new();
        for n in 0..count {
            let (key, id) = (format!("key-{}", self.random.random_range(0..5)), self.random.random_range(0..30));
            let document = json!({"id": format!("item-{id}"), "pk": key, "n": n, "group": self.random.random_range(0..3),
                "nested": {"list": [null, 1.25, "ü"], "empty": {}}});
            let mut stored = self.world.put(key, document).await;
            // The feed tells the order within a second.
            self.lsn += 1;
            stored["_lsn"] = json!(self.lsn);
            changes.push(stored);
        }
        for (_, document) in live(&self.world).await {
            if self.random.random_bool(0.15) {
                let (key, id) = (document["pk"].as_str().expect("pk"), document["id"].as_str().expect("id"));
                self.world.container("events").await.delete_item(key.to_owned(), id, None).await.expect("delete");
                self.lsn += 1;
                changes.push(delete(key, id, self.lsn));
            }
        }
        capture(&self.store, &changes).await;
        let second = chrono::Utc::now().timestamp();
        until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
        second
    }

    /// Deletes everything, restores from these places, and compares.
    async fn comes_back(&self, request: Value, expected: &Documents) {
        truncate(&self.store).await;
        let id = restore_from(&self.store, request.clone()).await;
        assert_eq!(live(&self.world).await, *expected, "{request}");
        let record = self.store.restores.record(&id).await.expect("restore");
        assert_eq!(record.counts.create, expected.len() as u64, "{request}: {record:?}");
    }
}

#[tokio::test]
async fn what_was_backed_up_in_whatever_way_comes_back_after_everything_was_deleted() {
    let mut story = Story::begin(0).await;
    let mut states = Vec::new();
    let mut chain: Vec<String> = Vec::new();
    for phase in 0..3 {
        let second = story.change(60).await;
        states.push((second, live(&story.world).await));
        let to = story.place(&format!("live-{phase}"));
        let mut request = json!({"to": to});
        if let Some(earlier) = chain.last() {
            request["incrementalFrom"] = json!(earlier);
        }
        assert_sound(&back_up(&story.store, request).await).await;
        chain.push(to);
    }
    let mut as_of: Vec<String> = Vec::new();
    for (phase, (second, state)) in states.iter().enumerate() {
        let full = json!({"to": story.place(&format!("as-of-{phase}")), "asOf": second});
        let full = back_up(&story.store, full).await;
        assert_sound(&full).await;
        assert_eq!(full.counts.documents, state.len() as u64, "phase {phase}: {full:?}");
        let mut next = json!({"to": story.place(&format!("as-of-chain-{phase}")), "asOf": second});
        if let Some(earlier) = as_of.last() {
            next["incrementalFrom"] = json!(earlier);
        }
        as_of.push(back_up(&story.store, next).await.location().to_owned());
        let filtered = json!({"to": story.place(&format!("filtered-{phase}")), "asOf": second, "filter": ["group=1"]});
        let filtered = back_up(&story.store, filtered).await;
        let expected = state.values().filter(|document| document["group"] == 1).count();
        assert_eq!(filtered.counts.documents, expected as u64, "phase {phase}");
    }
    let (_, last) = &states[2];
    for (phase, (_, state)) in states.iter().enumerate() {
        story.comes_back(json!({"from": story.place(&format!("as-of-{phase}"))}), state).await;
        story.comes_back(json!({"from": as_of[..=phase]}), state).await;
        story.comes_back(json!({"from": chain[..=phase]}), state).await;
        if phase < 2 {
            continue;
        }
        let group: Documents =
            state.iter().filter(|(_, document)| document["group"] == 1).map(|(n, d)| (n.clone(), d.clone())).collect();
        story.comes_back(json!({"from": story.place(&format!("filtered-{phase}"))}), &group).await;
        story.comes_back(json!({"from": chain[..=phase], "filter": ["group=1"]}), &group).await;
    }
    // What is live and in no backup is left alone; what the chain knows to be deleted goes where that is asked for.
    truncate(&story.store).await;
    restore_from(&story.store, json!({"from": chain[0]})).await;
    story.world.put("new", json!({"id": "new", "pk": "new"})).await;
    let before = live(&story.world).await;
    let id = restore_from(&story.store, json!({"from": chain, "deleteCreatedAfter": true})).await;
    let mut expected = last.clone();
    expected.extend(before.iter().filter(|((pk, _), _)| pk == "\"new\"").map(|(n, d)| (n.clone(), d.clone())));
    assert_eq!(live(&story.world).await, expected);
    let undo = story.store.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&story.store, &undo.id).await, JobState::Done);
    assert_eq!(live(&story.world).await, before, "undone");
}

/// Works on a job in slices that are dropped at random instants, and then to its end.
async fn killed_often(story: &mut Story, id: &str) -> JobState {
    for _ in 0..6 {
        let instant = Duration::from_micros(story.random.random_range(0..150_000));
        let slice = story.store.runner.run_slice(id, "killed", std::future::pending());
        match tokio::time::timeout(instant, slice).await {
            Ok(Ok(SliceEnd::Ended(state))) => return state,
            Ok(end) => drop(end),
            Err(_) => {}
        }
    }
    finish(&story.store, id).await
}

#[tokio::test]
async fn a_writer_and_a_reader_that_are_killed_at_any_instant_neither_lose_nor_double_a_document() {
    let mut story = Story::begin(10).await;
    let second = story.change(120).await;
    let state = live(&story.world).await;
    for (name, request) in [("live", json!({})), ("as-of", json!({"asOf": second}))] {
        let mut request = request;
        request["to"] = json!(story.place(name));
        let request = serde_json::from_value(request).expect("request");
        let job = story.store.backups.create_job(&request).await.expect("backup");
        assert_eq!(killed_often(&mut story, &job.id).await, JobState::Done);
        let backup = story.store.backups.show(&job.id).await.expect("backup");
        assert_sound(&backup).await;
        assert_eq!(backup.counts.documents, state.len() as u64, "{name}");

        truncate(&story.store).await;
        let id = start(&story.store, json!({"from": story.place(name)})).await;
        assert_eq!(killed_often(&mut story, &id).await, JobState::Done);
        let restored = shown(&story.store, &id).await.record;
        assert_eq!((restored.counts.create, restored.items.len()), (state.len() as u64, state.len()));
        assert_eq!(live(&story.world).await, state, "{name}");
        let undo = story.store.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
        assert_eq!(killed_often(&mut story, &undo.id).await, JobState::Done);
        assert_eq!(live(&story.world).await, Documents::new(), "{name}: undone");
        restore_from(&story.store, json!({"from": story.place(name)})).await;
    }
}

#[tokio::test]
async fn nothing_is_written_from_a_damaged_backup_and_the_damage_is_named() {
    let mut story = Story::begin(20).await;
    story.change(60).await;
    let place = story.place("b");
    back_up(&story.store, json!({"to": place})).await;
    let segment = std::path::Path::new(&place).join("part-00000.ndjson.zst");
    let mut bytes = std::fs::read(&segment).expect("segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    truncate(&story.store).await;
    for request in [json!({"from": place}), json!({"from": place, "dryRun": true})] {
        let id = start(&story.store, request).await;
        assert_eq!(finish(&story.store, &id).await, JobState::Failed);
        let message = story.store.jobs.job(&id).await.expect("job").job.message.expect("a message");
        assert!(message.contains("part-00000.ndjson.zst has SHA-256"), "{message}");
    }
    assert_eq!(live(&story.world).await, Documents::new());
}

#[tokio::test]
async fn files_of_other_tools_are_restored_like_backups() {
    let story = Story::begin(30).await;
    let documents: Vec<Value> = (0..23)
        .map(|n| json!({"id": format!("item-{n}"), "pk": format!("key-{}", n % 3), "n": n, "text": noise(50), "_ts": 5, "_etag": "\"x\"", "_rid": "r"}))
        .collect();
    let expected: Documents =
        documents.iter().map(|document| (crate::support::backups::name(document), plain(document.clone()))).collect();
    let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
    std::fs::write(story.place("lines.ndjson"), &lines).expect("written");
    std::fs::write(story.place("array.json"), Value::Array(documents.clone()).to_string()).expect("written");
    std::fs::create_dir(story.place("folder")).expect("folder");
    let (first, second) = documents.split_at(10);
    std::fs::write(story.place("folder/1.json"), Value::Array(first.to_vec()).to_string()).expect("written");
    std::fs::write(story.place("folder/2.json"), Value::Array(second.to_vec()).to_string()).expect("written");
    for place in ["lines.ndjson", "array.json", "folder"] {
        story.comes_back(json!({"from": story.place(place)}), &expected).await;
    }
    // What is live is replaced, and what is the same is left as it is.
    story.world.put("key-0", json!({"id": "item-0", "pk": "key-0", "n": "wrong"})).await;
    let id = restore_from(&story.store, json!({"from": story.place("array.json")})).await;
    let counts = story.store.restores.record(&id).await.expect("restore").counts;
    assert_eq!((counts.replace, counts.unchanged), (1, 22));
    let undo = story.store.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&story.store, &undo.id).await, JobState::Done);
    assert_eq!(story.world.live("key-0", "item-0").await.expect("live")["n"], "wrong");
    // What can never be a document is told, and the rest is written.
    std::fs::write(story.place("odd.ndjson"), "{\"pk\": \"key-0\"}\n{\"id\": \"odd\", \"pk\": \"key-0\"}\n")
        .expect("written");
    let id = start(&story.store, json!({"from": story.place("odd.ndjson")})).await;
    assert_eq!(finish(&story.store, &id).await, JobState::Failed);
    let items = shown(&story.store, &id).await.record.items;
    assert!(items.iter().any(|item| item.message.as_deref() == Some("it has no id")), "{items:?}");
    assert!(story.world.live("key-0", "odd").await.is_some());
    // Nothing was written for it: there is nothing to undo.
    let undo = story.store.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
    assert_eq!(finish(&story.store, &undo.id).await, JobState::Done);
    assert!(story.world.live("key-0", "odd").await.is_none());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_a_job_is_made_of_it() {
    let mut story = Story::begin(40).await;
    story.change(20).await;
    let refused = async |request: Value| {
        let request = serde_json::from_value(request).expect("request");
        story.store.backups.create_job(&request).await.expect_err("refused").to_string()
    };
    std::fs::write(story.place("file"), "x").expect("written");
    assert!(refused(json!({"to": story.place("file")})).await.contains("is a file"));
    back_up(&story.store, json!({"to": story.place("b")})).await;
    assert!(refused(json!({"to": story.place("b")})).await.contains("there is a backup already"));
    let none = json!({"to": story.place("c"), "incrementalFrom": story.place("none")});
    assert!(refused(none).await.contains("there is no backup"));
    let filtered = json!({"to": story.place("c"), "incrementalFrom": story.place("b"), "filter": ["a=1"]});
    assert!(refused(filtered).await.contains("another filter"));
    let early = json!({"to": story.place("c"), "incrementalFrom": story.place("b"), "asOf": 5});
    assert!(refused(early).await.contains("asOf is before"));
    assert!(refused(json!({"to": story.place("c"), "asOf": 4_000_000_000_u32})).await.contains("not over yet"));
    assert!(refused(json!({"to": "https://a.blob.core.windows.net/c?sig=s3cret"})).await.contains("BACKUP_STORAGE"));

    let unrestorable = async |from: Value| {
        let request = serde_json::from_value(json!({ "from": from })).expect("request");
        story.store.restores.run(&request).await.expect_err("refused").to_string()
    };
    assert!(unrestorable(json!(story.place("none"))).await.contains("there is no backup"));
    let increment = back_up(&story.store, json!({"to": story.place("i"), "incrementalFrom": story.place("b")})).await;
    assert!(unrestorable(json!(increment.location())).await.contains("is incremental"));
    let files = json!([story.place("file"), story.place("file")]);
    assert!(unrestorable(files).await.contains("several locations must be backups"));
    std::fs::create_dir(story.place("newer")).expect("folder");
    std::fs::write(story.place("newer/manifest.json"), "{\"format\": 9}").expect("written");
    assert!(unrestorable(json!(story.place("newer"))).await.contains("has format 9"));
    let listed = list(&BackupLocation::folder(story.folder.path())).await.expect("listed");
    assert_eq!(listed.iter().filter(|one| matches!(one.state, ListedState::Finished { .. })).count(), 2);
    // What only one machine can do is left alone by every other one.
    let elsewhere = story.world.store(|options| options.locations.host = Some("elsewhere".into()));
    let request = serde_json::from_value(json!({"to": story.place("d")})).expect("request");
    let job = story.store.backups.create_job(&request).await.expect("job");
    let error = elsewhere.runner.run_slice(&job.id, "elsewhere:1", std::future::pending()).await.expect_err("refused");
    assert!(error.to_string().contains("can run only there"), "{error}");
    let item = story.world.query("jobs", "SELECT * FROM c WHERE c.kind = 'backup' AND c.state = 'queued'").await;
    assert_eq!((item.len(), changefeed_jobs::job_to_run(&item[0])), (1, None));
}

#[tokio::test]
async fn of_a_document_in_several_files_of_another_tool_the_last_by_name_counts() {
    let story = Story::begin(0).await;
    let text = |v: u32| {
        let line = |n: u32| json!({"id": format!("item-{n}"), "pk": "a", "v": v}).to_string();
        (0..40).map(line).collect::<Vec<_>>().join("\n")
    };
    for (name, v) in [("b.ndjson", 2), ("a.ndjson", 1), ("c.ndjson", 3)] {
        std::fs::write(story.folder.path().join(name), text(v)).expect("written");
    }
    let id = restore_from(&story.store, json!({"from": story.place("")})).await;
    assert!(live(&story.world).await.values().all(|document| document["v"] == 3));
    let counts = story.store.restores.record(&id).await.expect("record").counts;
    assert_eq!((counts.create, counts.replace, counts.conflict), (40, 80, 0));
}
