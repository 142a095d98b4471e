//! Many partitions and eight processes: how long it takes until each process has its share of the leases, by the simulated clock, and what
//! a process sends meanwhile.

use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::Key;
use changefeed_history::Role;
use changefeed_processor::ChangeFeedMode;
use chrono::TimeDelta;
use local_cosmos::Options;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::leases::{until, until_shared, versions};
use super::network::Network;
use super::process::{Process, Settings};
use super::scenario::{provision, start_time};
use super::trace::Trace;

const PROCESSES: usize = 8;
/// Documents that are written to see that each process works.
const DOCUMENTS: usize = 200;

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
    let events = changefeed.containers.of(Role::Monitored).open().await.expect("events");

    let begun = Instant::now();
    let mut processes = vec![start(&network, 0).await];
    until_shared(&changefeed, "capture", partitions, 1).await;
    let alone = begun.elapsed();

    let begun = Instant::now();
    for number in 1..PROCESSES {
        processes.push(start(&network, number).await);
    }
    until_shared(&changefeed, "capture", partitions, PROCESSES).await;
    let shared = begun.elapsed();

    // What was stolen is read from its checkpoint, and reads become rare.
    sleep(Duration::from_secs(60)).await;
    let before = network.trace(Trace::lines);
    sleep(Duration::from_secs(60)).await;
    let idle_requests = network.trace(Trace::lines) - before;

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
    until_shared(&changefeed, "capture", partitions, PROCESSES - 1).await;
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
