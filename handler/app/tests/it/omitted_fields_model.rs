//! Compares restores and undos with a simple model, while random fields are never stored.
//!
//! Random documents are written, deleted, captured or not, restored to random versions and undone. After a restore, each field has the value of
//! the version, and each omitted field the live value. At the end, every container of the history is searched for the secrets.

use std::collections::BTreeMap;

use changefeed_operations::{Action, Changefeed};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::support::backups::body_of;
use crate::support::capture_rules::{SECRET, assert_no_secret, omitting};
use crate::support::jobs::capture;
use crate::support::verify::run_verification;
use crate::support::{World, version_id};
use crate::undo_window::{restore, undo};

const STEPS: usize = 80;
const DOCUMENTS: usize = 3;
/// The fields of documents: a property, or one within the object `o`.
const FIELDS: [&str; 5] = ["a", "b", "password", "o.x", "o.token"];

struct Scenario {
    world: World,
    changefeed: Changefeed,
    random: SmallRng,
    omitted: Vec<&'static str>,
    live: BTreeMap<String, Value>,
    /// The captured versions with their whole documents.
    versions: Vec<(String, String, Value)>,
    written: usize,
    /// What happened, so that the run was of some use.
    kept: usize,
    undone: usize,
}

#[tokio::test]
async fn after_a_restore_each_field_is_that_of_the_version_or_the_live_one_if_it_is_omitted() {
    let choices: [&[&str]; 5] =
        [&["password"], &["o.token"], &["password", "o.token"], &["o"], &["b", "o", "password", "o.token"]];
    let scenarios = choices.into_iter().enumerate().map(|(seed, omitted)| async move {
        let world = World::new().await;
        let changefeed = omitting(&world, &omitted.join(","), |_| ());
        let random = SmallRng::seed_from_u64(seed as u64);
        let (live, versions) = (BTreeMap::new(), Vec::new());
        let omitted = omitted.to_vec();
        let mut scenario =
            Scenario { world, changefeed, random, omitted, live, versions, written: 0, kept: 0, undone: 0 };
        for step in 0..STEPS {
            scenario.step(&format!("seed {seed}, step {step}")).await;
        }
        assert!(scenario.kept > 3 && scenario.undone > 3, "{} kept, {} undone", scenario.kept, scenario.undone);
        let (_, findings) = run_verification(&scenario.changefeed, json!({"repair": true})).await;
        assert!(findings.iter().all(|finding| finding.repaired), "{findings:?}");
        assert_no_secret(&scenario.world, &scenario.changefeed).await;
    });
    futures::future::join_all(scenarios).await;
}

impl Scenario {
    async fn step(&mut self, context: &str) {
        let id = self.random.random_range(0..DOCUMENTS).to_string();
        match self.random.random_range(0..10) {
            0..5 => self.write(&id).await,
            5 => {
                if self.live.remove(&id).is_some() {
                    self.world.container("events").await.delete_item("a", &id, None).await.expect("delete");
                }
            }
            _ => self.restore(context).await,
        }
        let live: BTreeMap<String, Value> = self
            .world
            .query("events", "SELECT * FROM c")
            .await
            .into_iter()
            .map(|document| (document["id"].as_str().expect("an id").to_owned(), body_of(document)))
            .collect();
        assert_eq!(live, self.live, "{context}, without {:?}", self.omitted);
    }

    /// Writes a random document, and captures it perhaps.
    async fn write(&mut self, id: &str) {
        self.written += 1;
        let mut document = json!({"id": id, "pk": "a"});
        if self.random.random_bool(0.1) && !self.omitted.contains(&"o") {
            document["o"] = json!(self.random.random_range(0..2));
        }
        for field in FIELDS {
            if self.random.random_bool(0.7) {
                let value = match self.is_omitted(field) {
                    true => json!(format!("{SECRET}-{}", self.written)),
                    false => json!(self.random.random_range(0..3)),
                };
                set(&mut document, field, Some(&value));
            }
        }
        let stored = self.world.put("a", document.clone()).await;
        self.live.insert(id.to_owned(), document.clone());
        if self.random.random_bool(0.7) {
            capture(&self.changefeed, std::slice::from_ref(&stored)).await;
            self.versions.push((id.to_owned(), version_id(&stored), document));
        }
    }

    /// Restores a document to a random version of it, and undoes that perhaps.
    async fn restore(&mut self, context: &str) {
        let Some((id, version, document)) = self.versions.choose(&mut self.random).cloned() else { return };
        let before = self.live.get(&id).cloned();
        let request = json!({"id": id, "partitionKey": ["a"], "version": version});
        let report = restore(&self.changefeed, request).await;
        let expected = self.expected(&document, before.as_ref());
        let action = match &before {
            None => Action::Create,
            Some(before) if *before == expected => Action::Unchanged,
            Some(_) => Action::Replace,
        };
        let item = &report.items[0];
        assert_eq!(item.action, action, "{context}: {item:?}");
        let message = item.message.as_deref().unwrap_or_default();
        self.kept += usize::from(message.contains("kept"));
        let is_lost = before.as_ref().is_some_and(|before| {
            self.outer().any(|field| get(before, field).is_some() && get(before, field) != get(&expected, field))
        });
        assert_eq!(message.contains("an undo cannot bring"), is_lost, "{context}: {message}");
        self.live.insert(id.clone(), expected.clone());
        if action == Action::Unchanged || self.random.random_bool(0.4) {
            return;
        }
        undo(&self.changefeed, report.id.as_deref().expect("an id")).await;
        match before {
            None => drop(self.live.remove(&id)),
            Some(before) => {
                let undone = self.expected(&before, Some(&expected));
                assert!(is_lost || undone == before, "{context}: {undone} is not {before}");
                self.live.insert(id, undone);
            }
        }
        self.undone += 1;
    }

    /// A document with the omitted fields of the live one.
    fn expected(&self, document: &Value, live: Option<&Value>) -> Value {
        let mut expected = document.clone();
        self.outer().for_each(|field| set(&mut expected, field, None));
        for field in self.outer() {
            if let Some(value) = live.and_then(|live| get(live, field)) {
                set(&mut expected, field, Some(value));
            }
        }
        expected
    }

    /// The omitted fields that are not within another one.
    fn outer(&self) -> impl Iterator<Item = &'static str> {
        let has_o = self.omitted.contains(&"o");
        self.omitted.iter().copied().filter(move |field| !(has_o && field.starts_with("o.")))
    }

    fn is_omitted(&self, field: &str) -> bool {
        self.omitted.contains(&field) || field.starts_with("o.") && self.omitted.contains(&"o")
    }
}

fn get<'v>(document: &'v Value, field: &str) -> Option<&'v Value> {
    match field.split_once('.') {
        Some((outer, inner)) => document.get(outer)?.get(inner),
        None => document.get(field),
    }
}

/// Sets or removes a field. A value in place of its object stays.
fn set(document: &mut Value, field: &str, value: Option<&Value>) {
    let (object, name) = match field.split_once('.') {
        Some((outer, inner)) => {
            let properties = document.as_object_mut().expect("an object");
            if value.is_some() {
                properties.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            }
            (properties.get_mut(outer).and_then(Value::as_object_mut), inner)
        }
        None => (document.as_object_mut(), field),
    };
    match (object, value) {
        (Some(object), Some(value)) => _ = object.insert(name.to_owned(), value.clone()),
        (Some(object), None) => _ = object.shift_remove(name),
        (None, _) => {}
    }
}
