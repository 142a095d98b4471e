//! The whole of it below one seed: processes that capture and run jobs, a store that is the embedded endpoint, and between them a network
//! that is slow, loses requests and answers, and separates processes. Processes are killed and started, partitions split and merge,
//! clocks differ. Time is simulated, so that hours take seconds, and everything follows from the seed: a failure can be repeated.
//!
//! `SIMULATION_SEEDS=FIRST..END` and `SIMULATION_HOURS=N` run other seeds, and for longer.

mod check;
mod leases;
mod network;
mod observed;
mod process;
mod scenario;
mod trace;
mod wide;
mod workers;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use changefeed_cosmos::seed_random;
use changefeed_jobs::JobOptions;

use crate::network::Network;
use crate::scenario::Scenario;
use crate::trace::Trace;

/// Says which seed has failed.
struct Report {
    seed: u64,
    network: Arc<Network>,
}

impl Drop for Report {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.network.trace(|trace| trace.kept().for_each(|line| eprintln!("{line}")));
            eprintln!("seed {} has failed; these are the last lines of its trace", self.seed);
        }
    }
}

/// Runs something in simulated time, on one thread, with random numbers from a seed.
fn in_simulated_time<T>(seed: u64, run: impl Future<Output = T>) -> T {
    process::warm_up();
    seed_random(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("runtime").block_on(run)
}

/// A run of a seed: the number of lines in its trace and their hash, and the trace itself if it is wanted.
fn simulate(seed: u64, duration: Duration, wants_trace: bool) -> (String, Vec<String>) {
    in_simulated_time(seed, async {
        let mut scenario = Box::pin(Scenario::start(seed, wants_trace)).await;
        let report = Report { seed, network: Arc::clone(&scenario.network) };
        Box::pin(scenario.play(duration)).await;
        Box::pin(scenario.end()).await;
        let kept = |trace: &Trace| trace.kept().filter(|_| wants_trace).map(str::to_owned).collect();
        report.network.trace(|trace| (trace.fingerprint(), kept(trace)))
    })
}

#[test]
fn several_workers_are_faster_than_one() {
    let documents: usize = std::env::var("WORKERS_DOCUMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    // As of 20,000 documents with the defaults, in a tenth of the time.
    let scale = |items: usize| (items * documents / 20_000).max(1);
    let jobs = JobOptions {
        page_items: scale(100),
        part_items: scale(2000) as u64,
        portion_items: scale(10_000) as u64,
        slice: Duration::from_secs(50) * documents as u32 / 20_000,
        ..JobOptions::default()
    };
    let time = |workers| in_simulated_time(1, Box::pin(workers::restore_time(documents, workers, jobs.clone())));
    let times = [1, 2, 4].map(|workers| time(workers).as_secs_f64());
    println!(
        "{documents} documents: {times:?}, {:.2} and {:.2} times as fast",
        times[0] / times[1],
        times[0] / times[2]
    );
    // The seconds before, between and after what is divided count for more with few documents.
    let required = if documents < 20_000 { [1.5, 2.0] } else { [1.9, 3.6] };
    assert!(times[0] / times[1] >= required[0] && times[0] / times[2] >= required[1], "{times:?}");
}

#[test]
fn eight_processes_share_the_leases_of_many_partitions_soon() {
    let partitions = std::env::var("WIDE_PARTITIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let shared = in_simulated_time(1, Box::pin(wide::share(partitions, 1)));
    println!("{partitions} partitions: {shared:?}");
    let interval = Duration::from_secs(13);
    assert!(shared.alone < interval, "{shared:?}");
    assert!(shared.shared < 3 * interval, "{shared:?}");
    assert!(shared.captured < interval, "{shared:?}");
    // In a minute, 12 reads and 4 renewals for each lease; and each process looks at its leases, its jobs and its containers.
    assert!(shared.idle_requests < 17 * partitions as u64 + 8 * 100, "{shared:?}");
    assert!(shared.after_kill < Duration::from_secs(60) + 4 * interval, "a lease expires after a minute: {shared:?}");
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_same_seed_has_the_same_trace() {
    let [first, again, other] = [7, 7, 8].map(|seed| simulate(seed, 10 * MINUTE, true));
    let differing = first.1.iter().zip(&again.1).position(|(line, other)| line != other);
    if let Some(line) = differing {
        let around = line.saturating_sub(5)..line + 5;
        panic!("the traces differ: {:#?} {:#?}", first.1.get(around.clone()), again.1.get(around));
    }
    assert_eq!(first.0, again.0);
    assert_ne!(first.0, other.0);
}

#[test]
fn no_version_is_lost_or_duplicated_and_jobs_end() {
    let (seeds, hours) = (seeds(), hours());
    for seed in seeds {
        let began = std::time::Instant::now();
        let (fingerprint, _) = simulate(seed, hours, false);
        println!("seed {seed}: {fingerprint}, {:.1} s", began.elapsed().as_secs_f64());
    }
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..3 };
    let parsed = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    parsed.expect("SIMULATION_SEEDS is FIRST..END")
}

fn hours() -> Duration {
    let hours =
        std::env::var("SIMULATION_HOURS").map_or(0.25, |hours| hours.parse().expect("SIMULATION_HOURS is a number"));
    Duration::from_secs_f64(hours * 3600.0)
}
