//! The promise of the history, held against a naive model: every state of every document in a map.
//!
//! Random writes, expiries, restores and undos, over keys of every kind and several versions in one second. Versions are
//! captured late, again, and in another order than they were written in; those that are live when something is asked may
//! not be captured at all. For every document and every second, the answer as of that second is the model's.

use std::collections::BTreeMap;

use azure_data_cosmos::PartitionKey;
use azure_data_cosmos::models::PartitionKeyValue;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{DEADLINE, Feed, Handler, World, batch_of, until};

const STEPS: usize = 60;

/// A document: the JSON text of its key, and its id.
type Name = (String, String);

#[derive(Clone, Debug)]
struct State {
    ts: i64,
    lsn: i64,
    body: Value,
    expires_at: Option<i64>,
    /// For a removal by a restore: the last second at which it may have happened. `ts` is the first.
    removed_until: Option<i64>,
}

struct Scenario {
    world: World,
    handler: Handler,
    feed: Feed,
    random: SmallRng,
    hierarchical: bool,
    model: BTreeMap<Name, Vec<State>>,
    /// Versions that were not captured yet.
    pending: Vec<Value>,
    captured: Vec<Value>,
}

#[tokio::test]
async fn every_document_at_every_second_is_what_the_model_says_and_can_be_brought_back() {
    let scenarios = (0..4).map(|seed| async move {
        let mut scenario = Scenario::begin(seed, seed % 2 == 1).await;
        for step in 0..STEPS {
            scenario.step(step).await;
        }
        scenario.check_every_second(seed).await;
    });
    futures::future::join_all(scenarios).await;
}

impl Scenario {
    async fn begin(seed: u64, hierarchical: bool) -> Self {
        let keys: &[&str] = if hierarchical { &["/tenant", "/user"] } else { &["/pk"] };
        let world = World::with_keys(keys, &["/pk", "/sourceId"]).await;
        let handler = world.handler();
        let feed = world.feed().await;
        let random = SmallRng::seed_from_u64(seed);
        Self {
            world,
            handler,
            feed,
            random,
            hierarchical,
            model: BTreeMap::new(),
            pending: Vec::new(),
            captured: Vec::new(),
        }
    }

    async fn step(&mut self, step: usize) {
        match self.random.random_range(0..20) {
            0..12 => self.write(step).await,
            12..15 => {
                let now = chrono::Utc::now().timestamp();
                until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > now).await;
            }
            15..17 => self.capture(0.5).await,
            _ => self.restore_and_undo().await,
        }
    }

    async fn write(&mut self, step: usize) {
        let keys = if self.hierarchical {
            vec![json!(["acme", 1]), json!(["acme", null]), json!(["other", true])]
        } else {
            vec![json!(["a"]), json!([7]), json!([1.5]), json!([false]), json!([null])]
        };
        let key = keys.choose(&mut self.random).expect("key").clone();
        let mut document = json!({"id": format!("item-{}", self.random.random_range(0..2)), "step": step, "group": step % 3,
            "nested": {"empty": {}, "list": [null, 1.25, "ü"]}});
        if self.hierarchical {
            (document["tenant"], document["user"]) = (key[0].clone(), key[1].clone());
        } else {
            document["pk"] = key[0].clone();
        }
        if self.random.random_bool(0.2) {
            document["ttl"] = json!(self.random.random_range(2..4));
        }
        self.world.put(sdk_key(&key), document).await;
        self.observe().await;
    }

    /// Takes what happened into the model.
    async fn observe(&mut self) {
        for change in self.feed.changes().await {
            let state = State {
                ts: change["_ts"].as_i64().expect("_ts"),
                lsn: change["_lsn"].as_i64().expect("_lsn"),
                body: body_of(&change),
                removed_until: None,
                expires_at: change["ttl"].as_i64().map(|ttl| change["_ts"].as_i64().expect("_ts") + ttl),
            };
            self.model.entry(self.name(&change)).or_default().push(state);
            self.pending.push(change);
        }
    }

    fn name(&self, document: &Value) -> Name {
        let key =
            if self.hierarchical { json!([document["tenant"], document["user"]]) } else { json!([document["pk"]]) };
        (key.to_string(), document["id"].as_str().expect("id").to_owned())
    }

    /// Captures what is pending, in any order and with repetitions; a live version only with this probability.
    async fn capture(&mut self, live: f64) {
        let pending = std::mem::take(&mut self.pending);
        let (mut now, later): (Vec<Value>, Vec<Value>) = pending.into_iter().partition(|change| {
            let is_newest =
                self.model[&self.name(change)].last().is_some_and(|state| Some(state.lsn) == change["_lsn"].as_i64());
            !is_newest || self.random.random_bool(live)
        });
        self.pending = later;
        self.captured.extend(now.iter().cloned());
        for _ in 0..self.random.random_range(0..3) {
            now.extend(self.captured.choose(&mut self.random).cloned());
        }
        now.shuffle(&mut self.random);
        let size = self.random.random_range(1..8);
        for batch in now.chunks(size) {
            self.handler.invoke_until_accepted(&batch_of(batch)).await;
        }
    }

    async fn restore_and_undo(&mut self) {
        self.capture(0.5).await;
        let Some(first) = self.model.values().flatten().map(|state| state.ts).min() else { return };
        let second = self.random.random_range(first - 1..=chrono::Utc::now().timestamp());
        let names: Vec<Name> = self.model.keys().cloned().collect();
        let chosen = names.choose(&mut self.random).expect("a document").clone();
        let mut request = match self.random.random_range(0..4) {
            0 => json!({"all": true}),
            1 => json!({"partitionKey": parsed(&chosen.0)}),
            2 => json!({"filter": ["group=1"]}),
            _ => json!({"id": chosen.1, "partitionKey": parsed(&chosen.0)}),
        };
        let delete = self.random.random_bool(0.5);
        request["asOf"] = json!(second);
        request["deleteCreatedAfter"] = json!(delete);
        let before = self.live(&names).await;
        let begun = chrono::Utc::now().timestamp();
        let (status, report) = self.handler.post("/api/restores", &request).await;
        assert_eq!(status.as_u16(), 200, "{request}: {report}");
        for item in report["items"].as_array().expect("items").iter().filter(|item| item["action"] == "conflict") {
            // Nobody else writes; but a document may expire between plan and execution.
            let name = names.iter().find(|name| is(item, name)).expect("a document");
            assert!(before[name].as_ref().is_some_and(|state| state.get("ttl").is_some()), "{report}");
        }
        let after = self.live(&names).await;
        self.observe().await;
        self.remove(&report, begun);
        for name in &names {
            let Ok(expected) = self.at(name, second) else { continue };
            let selected = match &request {
                request if request.get("all").is_some() => true,
                request if request.get("filter").is_some() => {
                    expected.as_ref().is_some_and(|state| state["group"] == 1)
                }
                request if request.get("id").is_some() => *name == chosen,
                _ => name.0 == chosen.0,
            };
            match expected {
                Some(expected) if selected => {
                    let item =
                        report["items"].as_array().expect("items").iter().find(|item| is(item, name)).expect("an item");
                    // What was left as it was may expire at any moment.
                    let left = ["unchanged", "conflict"].contains(&item["action"].as_str().expect("action"));
                    if !left || item["action"] == "unchanged" && expected.get("ttl").is_none() {
                        assert_eq!(
                            after[name].as_ref().map(body_of),
                            Some(expected),
                            "{name:?} as of {second}: {request} {report}"
                        );
                    }
                }
                _ => {}
            }
        }
        if self.random.random_bool(0.7) {
            let undo = format!("/api/restores/{}/undo", report["id"].as_str().expect("id"));
            let begun = chrono::Utc::now().timestamp();
            let (status, undone) = self.handler.post(&undo, &json!({})).await;
            assert_eq!(status.as_u16(), 200, "{undone}");
            let again = self.live(&names).await;
            self.observe().await;
            self.remove(&undone, begun);
            for item in report["items"].as_array().expect("items") {
                let name = names.iter().find(|name| is(item, name)).expect("a document");
                let written = ["create", "replace", "delete"].contains(&item["action"].as_str().expect("action"));
                // What had a time to live may have expired between.
                let lasting = |state: &Option<Value>| state.as_ref().is_none_or(|state| state.get("ttl").is_none());
                if written && lasting(&before[name]) && lasting(&after[name]) {
                    assert_eq!(
                        again[name].as_ref().map(body_of),
                        before[name].as_ref().map(body_of),
                        "{name:?}: {report} {undone}"
                    );
                }
            }
        }
    }

    async fn live(&self, names: &[Name]) -> BTreeMap<Name, Option<Value>> {
        let mut live = BTreeMap::new();
        for name in names {
            live.insert(name.clone(), self.world.live(sdk_key(&parsed(&name.0)), &name.1).await);
        }
        live
    }

    /// Takes the removals of a restore into the model: the feed does not tell of them.
    fn remove(&mut self, report: &Value, begun: i64) {
        let ended = chrono::Utc::now().timestamp();
        for (name, states) in &mut self.model {
            let removed = |item: &Value| is(item, name) && item["action"] == "delete";
            if report["items"].as_array().expect("items").iter().any(removed) {
                let lsn = states.last().expect("a state").lsn;
                states.push(State { ts: begun, lsn, body: Value::Null, expires_at: None, removed_until: Some(ended) });
            }
        }
    }

    /// What the model says: the body, if there was a document. `Err` within the time of a removal.
    fn at(&self, name: &Name, second: i64) -> Result<Option<Value>, ()> {
        let Some(state) = self.model[name].iter().rfind(|state| state.ts <= second) else { return Ok(None) };
        match state.removed_until {
            Some(until) if second < until => Err(()),
            Some(_) => Ok(None),
            None => Ok(state.expires_at.is_none_or(|expires| expires > second).then(|| state.body.clone())),
        }
    }

    async fn check_every_second(&mut self, seed: u64) {
        self.capture(0.5).await;
        let first = self.model.values().flatten().map(|state| state.ts).min().expect("a change");
        for name in self.model.keys() {
            let known_since = self.model[name].first().expect("a state").ts;
            for second in first - 1..=chrono::Utc::now().timestamp() {
                let path =
                    format!("/api/history/document?id={}&partitionKey={}&asOf={second}", name.1, encoded(&name.0));
                let (status, answer) = self.handler.get(&path).await;
                assert_eq!(status.as_u16(), 200, "{answer}");
                let found = match answer["state"].as_str().expect("state") {
                    "version" => Some(body_of(&answer["version"]["document"])),
                    "absent" => None,
                    _ => {
                        // Its only version may have expired before it was captured.
                        assert!(
                            second < known_since || self.pending.iter().any(|change| self.name(change) == *name),
                            "{name:?} as of {second}: {answer}"
                        );
                        continue;
                    }
                };
                // A newest version that expired before it was captured is lost to this feed mode.
                if self.at(name, second).is_ok_and(|expected| expected != found) {
                    let lost =
                        self.pending.iter().any(|change| self.name(change) == *name && change.get("ttl").is_some());
                    assert!(lost, "seed {seed}, {name:?} as of {second}: {answer}, {:?}", self.model[name]);
                }
            }
        }
    }
}

/// A document without what the service and restores add.
pub fn body_of(document: &Value) -> Value {
    let mut document = document.clone();
    let added = ["_rid", "_self", "_etag", "_attachments", "_ts", "_lsn", "restored_at"];
    document.as_object_mut().expect("object").retain(|name, _| !added.contains(&name.as_str()));
    document
}

pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn is(item: &Value, name: &Name) -> bool {
    item["partitionKey"] == parsed(&name.0) && item["id"] == name.1.as_str()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn sdk_key(key: &Value) -> PartitionKey {
    let component = |value: &Value| match value {
        Value::String(text) => PartitionKeyValue::from(text),
        Value::Bool(flag) => PartitionKeyValue::from(*flag),
        Value::Number(number) => PartitionKeyValue::try_from(number.as_f64().expect("number")).expect("finite"),
        _ => PartitionKey::NULL,
    };
    let components: Vec<PartitionKeyValue> = key.as_array().expect("array").iter().map(component).collect();
    PartitionKey::try_from(components).expect("key")
}
