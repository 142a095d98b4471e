//! Several workers and one restore: how much faster they are than one, by the simulated clock. So neither the processor of the machine nor
//! the endpoint limits them, but the latency of each request.

use std::time::Duration;

use changefeed_cosmos::{Container, Key};
use changefeed_history::Role;
use changefeed_jobs::{JobOptions, JobState};
use changefeed_operations::RestoreRequest;
use changefeed_processor::ChangeFeedMode;
use chrono::TimeDelta;
use futures::StreamExt;
use local_cosmos::Options;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::leases::{until, until_shared, versions};
use super::network::{Network, NetworkFaults};
use super::process::{Process, Settings};
use super::scenario::{provision, start_time};

/// The physical partitions of each container.
const PARTITIONS: u32 = 4;
/// Of a request and of its answer together.
const LATENCY: Duration = Duration::from_millis(25);

/// The time that so many workers need to restore so many documents.
pub async fn restore_time(documents: usize, workers: usize, jobs: JobOptions) -> Duration {
    let options = Options { partitions: Some(PARTITIONS), refuse_unindexed_queries: true, ..Options::default() };
    let network = Network::new(&options, start_time(), 1);
    let changefeed = provision(&network).await;
    let events = changefeed.containers.of(Role::Monitored).open().await.expect("events");
    let jobs_poll_delay = Duration::from_millis(500);
    let settings = Settings { mode: ChangeFeedMode::LatestVersion, jobs, jobs_poll_delay };
    let mut processes = Vec::new();
    for number in 0..workers {
        let link = network.link(&format!("worker-{number}"), false);
        processes.push(Process::start(link, settings.clone(), TimeDelta::zero()).await.expect("started"));
    }
    write(&events, documents, "good").await;
    until("all documents are captured", async || versions(&changefeed).await == documents).await;
    let second = network.second();
    sleep(Duration::from_secs(2)).await;
    write(&events, documents, "wrong").await;
    until("all documents are captured", async || versions(&changefeed).await == 2 * documents).await;
    until_shared(&changefeed, "jobs", PARTITIONS as usize, workers).await;

    network.set_faults(NetworkFaults { delay: Some(LATENCY / 2), ..NetworkFaults::default() });
    let request: RestoreRequest = serde_json::from_value(json!({"all": true, "asOf": second})).expect("a request");
    let begun = Instant::now();
    let id = changefeed.restores.create_job(&request).await.expect("a job").id;
    until("the restore ends", async || changefeed.jobs.job(&id).await.expect("job").state.is_end()).await;
    let time = begun.elapsed();
    let record = changefeed.restores.record(&id).await.expect("record");
    assert_eq!((record.state, record.counts.replace), (JobState::Done, documents as u64), "{:?}", record.counts);
    for process in processes {
        process.stop().await;
    }
    time
}

async fn write(events: &Container, documents: usize, state: &str) {
    let written = futures::stream::iter(0..documents).map(|number| {
        let id = format!("d{number}");
        let document = json!({"id": id, "pk": id, "state": state});
        async move { events.upsert(&Key::text(&id), &id, &document).await.expect("written") }
    });
    written.buffer_unordered(16).map(drop).collect::<()>().await;
}
