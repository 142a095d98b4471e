//! Compares erasures with a simple model: random operations on several documents, then some of them are erased while faults are
//! injected and workers are killed. No word of an erased document is left in any item, and the other documents have exactly the
//! versions that they had. Nothing that was delivered before brings an erased document back.

use std::collections::BTreeSet;
use std::time::Duration;

use changefeed_history::Batch;
use changefeed_jobs::JobState;
use changefeed_operations::{Changefeed, ErasureRequest, Restored, UndoRequest, VerifyRequest};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::support::jobs::{finish, finish_under_faults, restore_request, small_limits};
use crate::support::raw_items::{assert_nowhere, stored_items, stored_texts};
use crate::support::{World, noise};

const SEEDS: u64 = 3;
const DOCUMENTS: usize = 6;
const STEPS: usize = 25;

/// The id of a document. Its texts have it in them, so one word finds both.
fn id(number: usize) -> String {
    format!("person-{number}-x")
}

#[tokio::test]
async fn erased_documents_are_gone_and_others_are_untouched_whatever_happened_before() {
    let mut places = BTreeSet::new();
    for seed in 0..SEEDS {
        places.extend(Box::pin(run(seed)).await);
    }
    // Otherwise nothing was tested.
    for container in ["changes", "dead-letters", "events", "jobs"] {
        assert!(places.contains(container), "no erased document was in {container}: {places:?}");
    }
    assert!(places.iter().any(|place| place.contains("parts of")), "{places:?}");
}

struct Model<'a> {
    world: &'a World,
    changefeed: Changefeed,
    random: SmallRng,
    /// Everything that a change feed has delivered.
    delivered: Vec<Value>,
    restores: Vec<String>,
    lsn: i64,
}

/// Returns where the documents were that were erased.
async fn run(seed: u64) -> BTreeSet<String> {
    let world = World::new().await;
    let changefeed = world.changefeed(|options| {
        options.batch_timeout = Duration::from_secs(4);
        options.jobs = small_limits();
    });
    let random = SmallRng::seed_from_u64(seed);
    let mut model =
        Model { world: &world, changefeed, random, delivered: Vec::new(), restores: Vec::new(), lsn: 100_000 };
    for _ in 0..STEPS {
        model.step().await;
    }
    model.deliver_again().await;

    let mut numbers: Vec<usize> = (0..DOCUMENTS).collect();
    numbers.shuffle(&mut model.random);
    let (erased, others) = numbers.split_at(DOCUMENTS / 2);
    let mut before = Vec::new();
    for number in others {
        before.push(stored_items(&world, &id(*number)).await);
    }
    let words: Vec<String> = erased.iter().map(|number| id(*number)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let texts = stored_texts(&world).await.into_iter();
    let places =
        texts.filter(|(_, text)| words.iter().any(|word| text.contains(word))).map(|(place, _)| place).collect();
    let documents: Vec<Value> = erased.iter().map(|number| json!({"id": id(*number), "pk": pk(*number)})).collect();
    let request: ErasureRequest =
        serde_json::from_value(json!({"documents": documents, "confirm": documents.len()})).expect("request");
    let job = model.changefeed.erasures.create_job(&request).await.expect("job");
    let lifetime = |slice: u32| if slice < 8 { 20..400 } else { 3000..8000 };
    let state = finish_under_faults(&world, &model.changefeed, &job.id, &mut model.random, lifetime).await;
    assert_eq!(state, JobState::Done, "seed {seed}");
    assert_nowhere(&world, &words).await;
    for (number, before) in others.iter().zip(before) {
        assert_eq!(stored_items(&world, &id(*number)).await, before, "seed {seed}: document {number}");
    }

    model.deliver_again().await;
    let erased: BTreeSet<usize> = erased.iter().copied().collect();
    model.everything_else(&erased).await;
    assert_nowhere(&world, &words).await;
    assert!(stored_items(&world, "person-").await.len() > 1, "seed {seed}: the other documents are there");
    places
}

fn pk(number: usize) -> String {
    format!("key-{}", number % 2)
}

impl Model<'_> {
    /// A random operation.
    async fn step(&mut self) {
        let number = self.random.random_range(0..DOCUMENTS);
        match self.random.random_range(0..10) {
            0 => self.restore(number).await,
            1 => self.verify(false).await,
            2 => self.delete(number).await,
            3 => {
                let payload = json!({"id": id(number), "pk": pk(number), "text": "no etag"});
                self.deliver(&[payload]).await;
            }
            4 => self.plan().await,
            5 => {
                self.put(number, 600_000).await;
                self.put(number, 600_000).await;
            }
            _ => self.put(number, 10).await,
        }
    }

    /// Writes a document. A large one is delivered with its previous image, so that its version is stored in parts.
    async fn put(&mut self, number: usize, size: usize) {
        let before = self.world.live(pk(number), &id(number)).await;
        let random: u32 = self.random.random();
        let text = format!("{} {random} {}", id(number), noise(size));
        let document = json!({"id": id(number), "pk": pk(number), "text": text});
        let stored = self.world.put(pk(number), document).await;
        self.lsn += 2;
        let metadata = json!({"operationType": "replace", "crts": stored["_ts"], "lsn": self.lsn, "previousImageLSN": self.lsn - 1});
        let payload = match before.filter(|_| size > 10) {
            Some(previous) => json!({"current": stored, "previous": previous, "metadata": metadata}),
            None => stored,
        };
        if self.random.random_bool(0.8) {
            self.deliver(std::slice::from_ref(&payload)).await;
        }
        self.delivered.push(payload);
    }

    async fn delete(&mut self, number: usize) {
        let Some(live) = self.world.live(pk(number), &id(number)).await else { return };
        let events = self.world.container("events").await;
        events.delete_item(pk(number), &id(number), None).await.expect("deleted");
        self.lsn += 2;
        let metadata = json!({"operationType": "delete", "id": id(number), "partitionKey": {"pk": pk(number)},
            "crts": live["_ts"], "lsn": self.lsn, "previousImageLSN": self.lsn - 1});
        self.deliver(&[json!({"current": {}, "previous": live, "metadata": metadata})]).await;
    }

    async fn restore(&mut self, number: usize) {
        let versions = self.world.versions().await;
        let of_document =
            versions.values().find(|version| version["sourceId"] == id(number) && version.get("etag").is_some());
        let Some(version) = of_document.map(|version| version["id"].clone()) else { return };
        let request = json!({"id": id(number), "pk": pk(number), "version": version, "force": true,
            "reason": format!("for {}", id(number))});
        if let Ok(Restored::Report(report)) = self.changefeed.restores.run(&restore_request(request)).await {
            self.restores.extend(report.id);
        }
    }

    async fn plan(&mut self) {
        let as_of = chrono::Utc::now().to_rfc3339();
        let request = json!({"all": true, "asOf": as_of, "dryRun": true, "job": true});
        let Ok(Restored::Job(job)) = self.changefeed.restores.run(&restore_request(request)).await else { return };
        finish(&self.changefeed, &job.id).await;
    }

    async fn verify(&mut self, repair: bool) {
        let request = VerifyRequest { grace_seconds: Some(0), repair, ..VerifyRequest::default() };
        let job = self.changefeed.verifications.create_job(&request).await.expect("job");
        finish(&self.changefeed, &job.id).await;
    }

    async fn deliver(&mut self, payloads: &[Value]) {
        let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
        let raw = payloads.iter().map(|payload| to_raw_value(payload).expect("raw")).collect();
        self.changefeed.capture.capture(&batch, raw).await.expect("captured");
        self.delivered.extend(payloads.iter().cloned());
    }

    /// Every batch that was ever delivered, in another order.
    async fn deliver_again(&mut self) {
        let mut again = std::mem::take(&mut self.delivered);
        again.shuffle(&mut self.random);
        for batch in again.chunks(7) {
            self.deliver(batch).await;
        }
    }

    /// What could bring a document back: replays, a repair, undoing restores, and restores of everything.
    async fn everything_else(&mut self, erased: &BTreeSet<usize>) {
        for letter in self.world.query("dead-letters", "SELECT VALUE c.id FROM c WHERE NOT IS_DEFINED(c.partOf)").await
        {
            let letter = letter.as_str().expect("id");
            self.changefeed.dead_letters.replay(letter, None).await.expect("replayed");
        }
        self.verify(true).await;
        for restore in std::mem::take(&mut self.restores) {
            let undo = UndoRequest { force: true, ..UndoRequest::default() };
            let _ = self.changefeed.restores.undo(&restore, &undo).await;
        }
        self.plan().await;
        let request = json!({"all": true, "asOf": chrono::Utc::now().to_rfc3339(), "force": true, "job": true});
        if let Ok(Restored::Job(job)) = self.changefeed.restores.run(&restore_request(request)).await {
            finish(&self.changefeed, &job.id).await;
        }
        for number in erased {
            let named = json!({"id": id(*number), "pk": pk(*number), "asOf": chrono::Utc::now().to_rfc3339()});
            assert!(self.changefeed.restores.run(&restore_request(named)).await.is_err(), "{number}");
        }
    }
}
