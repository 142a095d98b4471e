//! Compares capture with a simple model: the history is the set of the delivered versions. Deliveries are random in number and
//! order, and random requests fail.

use std::collections::BTreeMap;
use std::time::Duration;

use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{World, batch_of, version_id};

const SEEDS: u64 = 6;
const STEPS: usize = 40;

#[tokio::test]
async fn the_history_is_the_set_of_delivered_versions() {
    for seed in 0..SEEDS {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let world = World::new().await;
    let handler = world.handler();
    let mut random = SmallRng::seed_from_u64(seed);
    let mut written: Vec<Value> = Vec::new();
    let mut model: BTreeMap<String, Value> = BTreeMap::new();
    for step in 0..STEPS {
        for _ in 0..random.random_range(1..6) {
            let (id, key) = (random.random_range(0..8), random.random_range(0..3));
            let at = if random.random_bool(0.2) { "2024-01-01T10:00:00+02:00" } else { "soon" };
            let document = json!({"id": format!("item-{id}"), "pk": format!("key-{key}"), "step": step, "at": at});
            written.push(world.put(format!("key-{key}"), document).await);
        }
        if random.random_bool(0.3) {
            world.endpoint.inject(random_fault(&mut random));
        }
        if random.random_bool(0.3) {
            // Of one record among those that are created together.
            let status = [429, 449, 503][random.random_range(0..3)];
            let (kind, effect) = (RequestKind::Write, Effect::Status { status, substatus: 0 });
            let fault = Fault { container: Some("changes".into()), kind, times: random.random_range(1..4), effect };
            world.endpoint.inject(fault.on_item(version_id(&written[random.random_range(0..written.len())])));
        }
        if random.random_bool(0.1) {
            let duration = Duration::from_millis(random.random_range(0..100));
            world.endpoint.split("dev", "changes", None, duration).await.expect("split");
        }
        // Batches overlap with earlier ones and are not in the order of the writes.
        let mut batch: Vec<Value> =
            (0..random.random_range(1..20)).map(|_| written[random.random_range(0..written.len())].clone()).collect();
        if random.random_bool(0.7) {
            batch.extend(written.iter().rev().take(5).cloned());
        }
        batch.shuffle(&mut random);
        handler.invoke_until_accepted(&batch_of(&batch)).await;
        for document in batch {
            model.insert(version_id(&document), document["step"].clone());
        }
    }
    let history: BTreeMap<String, Value> =
        world.versions().await.into_iter().map(|(id, version)| (id, version["document"]["step"].clone())).collect();
    assert_eq!(history, model, "seed {seed}");
    assert_eq!(world.dead_letters().await, Vec::<Value>::new(), "seed {seed}");
}

fn random_fault(random: &mut SmallRng) -> Fault {
    let effects = [
        Effect::LoseReply,
        Effect::Garble,
        Effect::Status { status: 429, substatus: 3200 },
        Effect::Status { status: 503, substatus: 0 },
        Effect::Status { status: 408, substatus: 0 },
        Effect::Status { status: 449, substatus: 0 },
        Effect::Delay(Duration::from_millis(30)),
    ];
    let (container, kind) =
        if random.random_bool(0.7) { ("changes", RequestKind::Write) } else { ("events", RequestKind::Read) };
    let effect = effects[random.random_range(0..effects.len())].clone();
    Fault { container: Some(container.into()), kind, times: random.random_range(1..12), effect }
}
