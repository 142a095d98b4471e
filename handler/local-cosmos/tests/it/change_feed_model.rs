//! No change is lost or duplicated in either mode of the change feed while partitions split and merge.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::{ChangeFeedItem, ChangeFeedOperationType};
use azure_data_cosmos::{CosmosError, TransactionalBatch};
use local_cosmos::{ControlError, ItemScope};
use serde_json::{Value, json};

use crate::scene::{Reader, Scene};

/// A change of an item: written with a number, or deleted (`None`).
type Event = Option<i64>;
/// The events of each item, by partition key and id.
type History = BTreeMap<(String, String), Vec<Event>>;

/// A generator of numbers that is the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Whether a request was answered 410 and not executed because the partition is being split or merged.
fn is_in_transition<T>(result: &Result<T, CosmosError>) -> bool {
    result.as_ref().is_err_and(|error| u16::from(error.status().status_code()) == 410)
}

/// Repeats a request while its partition is being split or merged.
async fn retry_in_transition<T, F: Future<Output = Result<T, CosmosError>>>(
    mut request: impl FnMut() -> F,
) -> Result<T, CosmosError> {
    loop {
        let result = request().await;
        if !is_in_transition(&result) {
            return result;
        }
    }
}

/// Executes random writes to keys of its own, and returns its changes.
async fn write(scene: &Scene, writer: usize, mut random: Random, operations: i64) -> History {
    const KEYS: usize = 6;
    const IDS: [&str; 3] = ["a", "b", "c"];
    let mut history = History::new();
    for n in 0..operations {
        let pk = format!("writer-{writer}-key-{}", random.below(KEYS));
        let id = IDS[random.below(IDS.len())];
        let item = |id: &str, n: i64| json!({"id": id, "pk": pk, "n": n, "ttl": 100_000});
        let mut report = |id: &str, event| history.entry((pk.clone(), id.to_owned())).or_default().push(event);
        match random.below(10) {
            0..6 => {
                let upsert = || scene.container.upsert_item(pk.clone(), id, item(id, n), None);
                retry_in_transition(upsert).await.expect("upsert");
                report(id, Some(n));
            }
            6 | 7 => {
                let deleted = retry_in_transition(|| scene.container.delete_item(pk.clone(), id, None)).await;
                if deleted.is_ok() {
                    report(id, None);
                }
            }
            8 => {
                let scope = ItemScope { id: Some(id.to_owned()), partition_key: Some(json!([pk])) };
                match scene.endpoint.expire_now("db", "c", scope).await {
                    Ok(expired) => (0..expired).for_each(|_| report(id, None)),
                    Err(ControlError::Busy | ControlError::NoItem(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            _ => {
                let request = || {
                    let batch = IDS.iter().fold(TransactionalBatch::new(pk.clone()), |batch, id| {
                        batch.upsert_item(item(id, n), None).expect("operation")
                    });
                    let batch = batch.delete_item("a", None);
                    scene.container.execute_transactional_batch(batch, None)
                };
                retry_in_transition(request).await.expect("batch");
                IDS.iter().for_each(|id| report(id, Some(n)));
                report("a", None);
            }
        }
    }
    history
}

async fn split_and_merge(scene: &Scene, mut random: Random, done: &AtomicBool) -> usize {
    let mut transitions = 0;
    while !done.load(Ordering::Relaxed) {
        let partitions = scene.endpoint.partitions("db", "c").await.expect("partitions");
        let at = random.below(partitions.len());
        let duration = Duration::from_millis(random.below(3) as u64 * 5);
        // Merges and splits keep the number of partitions between two and ten.
        let merge = partitions.len() > 2 && random.below(10) < partitions.len();
        let result = match partitions.get(at + 1).filter(|_| merge) {
            Some(next) => scene.endpoint.merge("db", "c", [&next.id, &partitions[at].id], duration).await.map(|_| ()),
            None => scene.endpoint.split("db", "c", Some(&partitions[at].id), duration).await.map(|_| ()),
        };
        match result {
            // A writer is expiring items.
            Ok(()) | Err(ControlError::Busy) => transitions += 1,
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20 + random.below(60) as u64)).await;
    }
    transitions
}

/// Reads until a transition interrupts it. The next read continues from the token.
async fn read_more(reader: &mut Reader, read: &mut Vec<ChangeFeedItem<Value>>) {
    let result = reader.try_read(read).await;
    assert!(result.is_ok() || is_in_transition(&result), "{result:?}");
}

async fn read_until(reader: &mut Reader, done: &AtomicBool) -> Vec<ChangeFeedItem<Value>> {
    let mut read = Vec::new();
    while !done.load(Ordering::Relaxed) {
        read_more(reader, &mut read).await;
    }
    reader.try_read(&mut read).await.expect("the end");
    read
}

fn identity(item: &Value) -> (String, String) {
    let text = |name: &str| item[name].as_str().expect("text").to_owned();
    (text("pk"), text("id"))
}

/// The events of each item in the order in which they were read. Checks that log sequence numbers do not decrease.
fn events(read: &[ChangeFeedItem<Value>]) -> History {
    let mut events = History::new();
    let mut numbers = BTreeMap::new();
    for change in read {
        let metadata = change.metadata().expect("metadata");
        let (item, event) = match change.current() {
            Some(current) => (identity(current), current["n"].as_i64()),
            None => {
                assert_eq!(metadata.operation_type(), Some(ChangeFeedOperationType::Delete));
                let key = metadata.partition_key().expect("key")["pk"].as_str().expect("text").to_owned();
                ((key, metadata.id().expect("id").to_owned()), None)
            }
        };
        let lsn = metadata.lsn().expect("lsn").value();
        let before = numbers.insert(item.0.clone(), lsn);
        assert!(before.is_none_or(|before| before <= lsn), "{lsn} after {before:?} of {item:?}");
        events.entry(item).or_default().push(event);
    }
    events
}

async fn run(seed: u64) {
    const WRITERS: usize = 4;
    let scene = Scene::start().await;
    let (done, seeds) = (AtomicBool::new(false), |nth: u64| Random(seed.wrapping_mul(0x9E37_79B9) + nth + 1));
    let everything = FeedScope::full_container;
    let mut all = Reader::of_all_versions(&scene.container, everything()).await.with_pages_of(7);
    let mut latest = Reader::of_latest_versions(&scene.container, everything()).with_pages_of(7);
    let writing = async {
        let writers = (0..WRITERS).map(|writer| write(&scene, writer, seeds(writer as u64), 80));
        let histories = futures::future::join_all(writers).await;
        done.store(true, Ordering::Relaxed);
        histories.into_iter().flatten().collect::<History>()
    };
    let (written, transitions, versions, newest) = tokio::join!(
        writing,
        split_and_merge(&scene, seeds(100), &done),
        read_until(&mut all, &done),
        read_until(&mut latest, &done),
    );
    // On a busy machine a transition takes longer, and the writers do not.
    assert!(transitions > 2, "{transitions} transitions");
    assert_eq!(events(&versions), written, "every version once and in order, seed {seed}");

    // A deleted item may have been read before. The last read of an existing item is its newest write.
    let mut last = BTreeMap::new();
    for item in newest.iter().filter_map(ChangeFeedItem::current) {
        let before = last.insert(identity(item), item["n"].as_i64());
        assert!(before.flatten() < item["n"].as_i64(), "{item} after {before:?}, seed {seed}");
    }
    let existing = written.iter().filter_map(|(item, events)| Some((item, events.last().copied()??)));
    for (item, n) in existing {
        assert_eq!(last.get(item), Some(&Some(n)), "{item:?}, seed {seed}");
    }
    let mut fresh = Reader::of_latest_versions(&scene.container, everything());
    let count = written.values().filter(|events| events.last().copied().flatten().is_some()).count();
    assert_eq!(fresh.read().await.len(), count);
}

#[tokio::test]
async fn every_change_is_delivered_once_and_in_order_during_splits_and_merges() {
    for seed in 1..=2 {
        run(seed).await;
    }
}
