//! Many partitions and eight processes: how long it takes until each process has its share of the leases, by the simulated clock, and what
//! a process sends meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::{Container, Key};
use changefeed_history::Role;
use changefeed_operations::Changefeed;
use changefeed_processor::ChangeFeedMode;
use chrono::TimeDelta;
use futures::TryStreamExt;
use local_cosmos::Options;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::network::Network;
use crate::process::{Process, Settings};
use crate::scenario::{provision, start_time};

const PROCESSES: usize = 8;
/// Documents that are written to see that each process works.
const DOCUMENTS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(600);

/// What was seen.
#[derive(Debug)]
pub struct Shared {
    /// From the start of a process alone until it has all leases.
    pub alone: Duration,
    /// From the start of the other processes until each has its share.
    pub shared: Duration,
    /// From the kill of a process until the others have its leases.
    pub after_kill: Duration,
    /// From the write of documents in many partitions until all of them are captured.
    pub captured: Duration,
    /// The requests of all processes in a minute without changes.
    pub idle_requests: u64,
}

pub async fn share(partitions: usize, seed: u64) -> Shared {
    let options = Options { partitions: Some(1), refuse_unindexed_queries: true, ..Options::default() };
    let network = Network::new(&options, start_time(), seed);
    let changefeed = provision(&network).await;
    network.endpoint.set_partition_count("dev", "events", partitions).await.expect("partitions");
    let open = async |role| changefeed.containers.of(role).open().await.expect("container");
    let (leases, events) = (open(Role::Leases).await, open(Role::Monitored).await);

    let begun = Instant::now();
    let mut processes = vec![start(&network, 0).await];
    until_shared(&leases, partitions, 1).await;
    let alone = begun.elapsed();

    let begun = Instant::now();
    for number in 1..PROCESSES {
        processes.push(start(&network, number).await);
    }
    until_shared(&leases, partitions, PROCESSES).await;
    let shared = begun.elapsed();

    // What was stolen is read from its checkpoint, and reads become rare.
    sleep(Duration::from_secs(60)).await;
    let before = network.trace(crate::trace::Trace::lines);
    sleep(Duration::from_secs(60)).await;
    let idle_requests = network.trace(crate::trace::Trace::lines) - before;

    for number in 0..DOCUMENTS {
        let id = format!("d{number}");
        let document = json!({"id": id, "pk": id});
        events.upsert(&Key::text(&id), &id, &document).await.expect("written");
    }
    let begun = Instant::now();
    until("every document is captured", async || versions(&changefeed).await == DOCUMENTS).await;
    let captured = begun.elapsed();

    let begun = Instant::now();
    processes.pop().expect("a process").link.kill();
    until_shared(&leases, partitions, PROCESSES - 1).await;
    let after_kill = begun.elapsed();
    for process in processes {
        process.stop().await;
    }
    Shared { alone, shared, after_kill, captured, idle_requests }
}

async fn start(network: &Arc<Network>, number: usize) -> Process {
    let link = network.link(&format!("process-{number}"), false);
    Process::start(link, Settings::new(ChangeFeedMode::LatestVersion), TimeDelta::zero()).await.expect("started")
}

async fn until(what: &str, is_true: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until so many processes own all leases of the documents, each as many as the others, or one more.
async fn until_shared(leases: &Container, partitions: usize, processes: usize) {
    let is_shared = async || {
        let owned = owned(leases).await;
        let few = partitions / processes;
        owned.len() == processes
            && owned.values().sum::<usize>() == partitions
            && owned.values().all(|count| (few..=few + 1).contains(count))
    };
    until(&format!("{processes} processes share {partitions} leases"), is_shared).await;
}

/// The number of leases of each process.
async fn owned(leases: &Container) -> BTreeMap<String, usize> {
    let found = leases.select("SELECT c.id, c.Owner FROM c", &Map::new(), None).await.expect("query");
    let found: Vec<Value> = found.try_collect().await.expect("leases");
    let mut owned = BTreeMap::new();
    for lease in found.iter().filter(|lease| lease["id"].as_str().is_some_and(|id| id.starts_with("capture"))) {
        if let Some(owner) = lease["Owner"].as_str().filter(|owner| !owner.is_empty()) {
            *owned.entry(owner.to_owned()).or_default() += 1;
        }
    }
    owned
}

async fn versions(changefeed: &Changefeed) -> usize {
    let changes = changefeed.containers.of(Role::Changes).open().await.expect("changes");
    let found = changes.select("SELECT c.sourceId FROM c", &Map::new(), None).await.expect("query");
    let found: Vec<Value> = found.try_collect().await.expect("versions");
    found.iter().filter(|version| version["sourceId"].is_string()).count()
}
