//! Simulates whole processes from one seed: they capture and run jobs, the store is the embedded endpoint, and between them is a network
//! that is slow, loses requests and answers, and separates processes. Processes are killed and started, partitions split and merge,
//! clocks differ. Time is simulated, so that an hour takes a minute, and everything follows from the seed: a failure can be repeated.
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

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

use changefeed_cosmos::seed_random;
use changefeed_jobs::JobOptions;

use self::network::Network;
use self::scenario::Scenario;
use self::trace::Trace;

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
    count_panics();
    seed_random(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    PANICS.set(0);
    let result = runtime.expect("runtime").block_on(run);
    assert_eq!(PANICS.get(), 0, "tasks have panicked, which a retry may have hidden");
    result
}

thread_local! {
    /// The panics on this thread since the run began.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Counts panics. The processor continues after one in a handler.
fn count_panics() {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// What a run has left.
struct Outcome {
    fingerprint: String,
    /// The trace, if it is wanted.
    lines: Vec<String>,
    /// How often each event has happened.
    events: BTreeMap<&'static str, u32>,
}

/// A run of a seed.
fn simulate(seed: u64, duration: Duration, wants_trace: bool) -> Outcome {
    in_simulated_time(seed, async {
        let mut scenario = Box::pin(Scenario::start(seed, wants_trace)).await;
        let report = Report { seed, network: Arc::clone(&scenario.network) };
        Box::pin(scenario.play(duration)).await;
        Box::pin(scenario.end()).await;
        let kept = |trace: &Trace| trace.kept().filter(|_| wants_trace).map(str::to_owned).collect();
        report.network.trace(|trace| Outcome {
            fingerprint: trace.fingerprint(),
            lines: kept(trace),
            events: trace.events.clone(),
        })
    })
}

#[test]
fn several_workers_are_faster_than_one() {
    let documents: usize = number("WORKERS_DOCUMENTS", 1000);
    // The limits of a restore of 20,000 documents with the defaults, scaled to this number of documents.
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
    let partitions = number("WIDE_PARTITIONS", 150);
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
    let differing = first.lines.iter().zip(&again.lines).position(|(line, other)| line != other);
    if let Some(line) = differing {
        let around = |lines: &[String]| lines.iter().skip(line.saturating_sub(5)).take(10).cloned().collect::<Vec<_>>();
        panic!("the traces differ: {:#?} {:#?}", around(&first.lines), around(&again.lines));
    }
    assert_eq!(first.fingerprint, again.fingerprint);
    assert_ne!(first.fingerprint, other.fingerprint);
}

#[test]
fn no_version_is_lost_or_duplicated_and_jobs_end() {
    let (chosen, hours) = (chosen_seeds(), hours());
    let mut events: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in chosen.clone().unwrap_or(0..3) {
        let began = std::time::Instant::now();
        let outcome = simulate(seed, hours, false);
        println!("seed {seed}: {}, {:.1} s", outcome.fingerprint, began.elapsed().as_secs_f64());
        outcome.events.into_iter().for_each(|(event, count)| *events.entry(event).or_default() += count);
    }
    if chosen.is_some() {
        return;
    }
    // A single seed need not have each of them.
    for event in ["kill", "stop", "cut off", "bad network", "split", "merge", "restore", "undo", "verification"] {
        assert!(events.contains_key(event), "no {event}: {events:?}");
    }
}

fn chosen_seeds() -> Option<Range<u64>> {
    let text = std::env::var("SIMULATION_SEEDS").ok()?;
    let parsed = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    Some(parsed.expect("SIMULATION_SEEDS is FIRST..END"))
}

fn hours() -> Duration {
    Duration::from_secs_f64(number("SIMULATION_HOURS", 0.25) * 3600.0)
}

/// The number in a variable of the environment.
fn number<N: FromStr>(variable: &str, default: N) -> N {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
