//! Random windows, undone within one request or by a job under faults, equal a naive model; the undo of the restore returns every
//! document to its bytes.
//!
//! The ends of a window are the seconds of random writes, so that other writes have the same seconds. Writes are of several actors, and
//! create and delete documents too. The model knows every write. It replays those that are not selected, field by field.

use std::collections::BTreeMap;

use changefeed_cosmos::Container;
use changefeed_jobs::JobState;
use changefeed_operations::UndoRequest;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::support::World;
use crate::support::backups::{Documents, live_documents, name_of};
use crate::support::identity::{delete, events, put, truth};
use crate::support::jobs::{finish, finish_under_faults, small_limits, start_restore};
use crate::undo_window::{HOUR, capture_all, restore, undo};

const DOCUMENTS: usize = 24;
const WRITES: usize = 120;
const FIELDS: [&str; 4] = ["f0", "f1", "f2", "f3"];
const ACTORS: [&str; 3] = ["import", "release", "user"];

/// A write of one document: its properties, or `None` for a delete.
#[derive(Clone, Debug)]
struct Write {
    second: i64,
    document: Option<Map<String, Value>>,
}

/// What a restore is asked for.
#[derive(Clone, Debug)]
struct Window {
    from: i64,
    to: i64,
    actor: Option<&'static str>,
    fields: Vec<&'static str>,
}

impl Window {
    fn selects(&self, write: &Write) -> bool {
        let actor = write.document.as_ref().and_then(|document| document["updatedBy"].as_str());
        (self.from..=self.to).contains(&write.second) && (self.actor.is_none() || self.actor == actor)
    }

    fn has_field(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.contains(&field)
    }
}

type State = Option<Map<String, Value>>;

/// The document without the selected writes. Every field returns to its value before the first selected write, and then to what the
/// others made it. A write that is not selected and that creates or deletes the document decides all of it.
fn without_selected(writes: &[Write], window: &Window) -> State {
    let (mut now, mut undone): (State, State) = (None, None);
    for write in writes {
        let next = write.document.clone();
        if !window.selects(write) {
            undone = match (&now, &next, undone) {
                (Some(old), Some(new), Some(mut fields)) => {
                    let names = old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name));
                    for name in names {
                        match new.get(name) {
                            Some(value) => _ = fields.insert(name.clone(), value.clone()),
                            None => _ = fields.shift_remove(name),
                        }
                    }
                    Some(fields)
                }
                _ => next.clone(),
            };
        }
        now = next;
    }
    undone
}

/// The document after the restore.
fn expected(writes: &[Write], window: &Window) -> State {
    let live = writes.last().and_then(|write| write.document.clone());
    if !writes.iter().any(|write| window.selects(write)) {
        return live;
    }
    match (live, without_selected(writes, window)) {
        // What the window created is deleted only on request.
        (live, None) => live,
        // Fields need a document.
        (None, Some(_)) if !window.fields.is_empty() => None,
        (None, undone) => undone,
        (Some(mut live), Some(undone)) => {
            for name in FIELDS.into_iter().chain(["updatedBy"]).filter(|name| window.has_field(name)) {
                match undone.get(name) {
                    Some(value) => _ = live.insert(name.to_owned(), value.clone()),
                    None => _ = live.shift_remove(name),
                }
            }
            Some(live)
        }
    }
}

fn name(n: usize) -> Value {
    json!({"id": n.to_string(), "pk": format!("key-{}", n % 3)})
}

/// Writes documents at random, over three hours.
async fn write_all(random: &mut SmallRng, world: &World, events: &Container) {
    let mut documents: Vec<State> = vec![None; DOCUMENTS];
    let mut offset = -3 * HOUR;
    for _ in 0..WRITES {
        // Often within one second.
        offset += if random.random_bool(0.4) { 0 } else { random.random_range(1..120) };
        world.endpoint.set_clock(offset).expect("the clock");
        let n = random.random_range(0..DOCUMENTS);
        if documents[n].is_some() && random.random_bool(0.15) {
            delete(events, &name(n)).await;
            documents[n] = None;
            continue;
        }
        let mut next = documents[n].take().unwrap_or_default();
        for _ in 0..random.random_range(1..3) {
            let field = *FIELDS.choose(random).expect("a field");
            match random.random_bool(0.8) {
                true => _ = next.insert(field.to_owned(), json!(random.random_range(0..3))),
                false => _ = next.shift_remove(field),
            }
        }
        next.insert("updatedBy".to_owned(), json!(ACTORS.choose(random).expect("an actor")));
        let mut body = name(n);
        body.as_object_mut().expect("an object").extend(next.clone());
        put(events, &body).await;
        documents[n] = Some(next);
    }
    world.endpoint.set_clock(0).expect("the clock");
}

/// The writes of each document, as the service has them.
async fn writes_of(events: &Container) -> BTreeMap<String, Vec<Write>> {
    let mut writes: BTreeMap<String, Vec<Write>> = BTreeMap::new();
    for change in truth(events).await.into_iter().flatten() {
        let metadata = &change["metadata"];
        let document = change["current"].as_object().filter(|current| current.contains_key("id")).cloned();
        let id = document.as_ref().map_or(&metadata["id"], |document| &document["id"]);
        let id = id.as_str().expect("an id").to_owned();
        let document = document.map(|mut document| {
            document.retain(|name, _| FIELDS.contains(&name.as_str()) || name == "updatedBy");
            document
        });
        let second = metadata["crts"].as_f64().expect("a time") as i64;
        writes.entry(id).or_default().push(Write { second, document });
    }
    writes
}

/// Undoes a random window. Returns how many documents that changed.
async fn random_window(seed: u64, as_job: bool) -> usize {
    let mut random = SmallRng::seed_from_u64(seed);
    let world = World::new().await;
    let changefeed = world.changefeed(|options| {
        if as_job {
            options.jobs = small_limits();
        }
    });
    let events = events(&changefeed).await;
    write_all(&mut random, &world, &events).await;
    capture_all(&changefeed, &events).await;
    let writes = writes_of(&events).await;
    let seconds: Vec<i64> = writes.values().flatten().map(|write| write.second).collect();
    let mut ends = [(); 2].map(|()| *seconds.choose(&mut random).expect("a second"));
    ends.sort_unstable();
    let window = Window {
        from: ends[0],
        to: ends[1],
        actor: random.random_bool(0.4).then(|| *ACTORS.choose(&mut random).expect("an actor")),
        fields: if random.random_bool(0.4) { FIELDS[..random.random_range(1..3)].to_vec() } else { Vec::new() },
    };
    let before = live_documents(&world).await;
    let mut request =
        json!({"changedBetween": {"from": window.from, "to": window.to}, "laterChanges": "merge", "job": as_job});
    request["actor"] = json!(window.actor);
    request["fields"] = json!(window.fields);
    let id = if as_job {
        let id = start_restore(&changefeed, request).await;
        let lifetimes = |slice| 500..1500 + 300 * u64::from(slice);
        let state = finish_under_faults(&world, &changefeed, &id, &mut random, lifetimes).await;
        // Fields of a document that does not exist are a conflict.
        assert!(state == JobState::Done || state == JobState::Conflicts && !window.fields.is_empty(), "seed {seed}");
        id
    } else {
        restore(&changefeed, request).await.id.expect("an id")
    };
    let after = live_documents(&world).await;
    for n in 0..DOCUMENTS {
        let Some(writes) = writes.get(&n.to_string()) else { continue };
        let expected = expected(writes, &window).map(|fields| {
            let mut document = name(n);
            document.as_object_mut().expect("an object").extend(fields);
            document
        });
        let found = after.get(&name_of(&name(n)));
        assert_eq!(found, expected.as_ref(), "seed {seed}, document {n}, {window:?}: {writes:?}");
    }
    let changed = after.iter().filter(|(name, document)| before.get(*name) != Some(*document)).count();
    if as_job {
        let undo = changefeed.restores.create_undo_job(&id, &UndoRequest::default()).await.expect("undo");
        assert_eq!(finish(&changefeed, &undo.id).await, JobState::Done, "seed {seed}");
    } else {
        undo(&changefeed, &id).await;
    }
    let texts = |documents: &Documents| documents.values().map(Value::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&live_documents(&world).await), texts(&before), "seed {seed}");
    changed
}

#[tokio::test]
async fn random_windows_are_undone_as_a_model_says() {
    let mut changed = 0;
    for seed in 0..12 {
        changed += Box::pin(random_window(seed, false)).await;
    }
    assert!(changed > 20, "{changed} documents were changed");
}

#[tokio::test]
async fn random_windows_are_undone_by_jobs_under_faults() {
    for seed in 100..103 {
        Box::pin(random_window(seed, true)).await;
    }
}
