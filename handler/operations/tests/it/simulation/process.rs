//! A process: it captures the changes of the documents and runs jobs, with the processor, the capture and the job runner of `changefeed process`.
//! Only what `app` adds around them is not simulated: the limit of jobs that a process runs at once, and its health.

use std::sync::{Arc, Once};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntimeBuilder, RoutingStrategy};
use azure_data_cosmos_driver::CosmosDriverRuntimeBuilder;
use changefeed_cosmos::{Client, Clock, Connection, ConnectionString, Error, pause_before_retry};
use changefeed_history::Batch;
use changefeed_jobs::{JobOptions, JobRunner, SliceEnd, job_to_run};
use changefeed_processor::{ChangeFeedMode, ChangeFeedProcessor, Container, RunningProcessor, StartFrom};
use chrono::TimeDelta;
use local_cosmos::EMULATOR_KEY;
use tokio::sync::watch;

use super::network::Link;
use crate::support::changefeed;

/// How a process works.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mode: ChangeFeedMode,
    pub jobs: JobOptions,
    /// The longest wait between two reads of the jobs' change feed.
    pub jobs_poll_delay: Duration,
}

impl Settings {
    /// With limits of jobs that a few dozen documents exceed.
    pub fn new(mode: ChangeFeedMode) -> Self {
        Self { mode, jobs: small_jobs(), jobs_poll_delay: Duration::from_secs(1) }
    }
}

fn small_jobs() -> JobOptions {
    JobOptions {
        max_candidates: 10,
        max_restored: 5,
        page_items: 5,
        part_items: 10,
        parallel: 3,
        portion_items: 30,
        slice: Duration::from_secs(20),
        ..JobOptions::default()
    }
}

/// A process.
pub struct Process {
    pub link: Link,
    capture: RunningProcessor,
    jobs: RunningProcessor,
    stop: watch::Sender<bool>,
}

/// Lets the SDK ask once for the machine that it runs on, by the real network and clock: the first client of a program does so.
pub fn warm_up() {
    static WARM: Once = Once::new();
    WARM.call_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(CosmosDriverRuntimeBuilder::new().build()).expect("the runtime of the SDK");
    });
}

/// A client whose requests all go through a link.
pub async fn client(link: &Link) -> Result<Client, Error> {
    let url = link.network().endpoint.url();
    let connection = ConnectionString::parse(&format!("AccountEndpoint={url};AccountKey={EMULATOR_KEY};"))?;
    let driver = CosmosDriverRuntimeBuilder::new().with_mock_http_client_factory(Arc::new(link.clone()));
    let runtime = CosmosRuntimeBuilder::from(driver).build().await.expect("a runtime without a network");
    let account = AccountReference::with_authentication_key(url.parse().expect("url"), Secret::new(EMULATOR_KEY));
    let routing = RoutingStrategy::PreferredRegions(Vec::new());
    let sdk = CosmosClient::builder().with_runtime(runtime).build(account, routing).await;
    let sdk = sdk.map_err(|error| Error::from_sdk("connecting", error))?;
    Client::on_simulated_network(sdk, &Connection::Key(connection), Arc::new(link.clone()))
}

impl Process {
    /// Starts a process whose clock is ahead of the service's by `skew`.
    pub async fn start(link: Link, settings: Settings, skew: TimeDelta) -> Result<Self, Error> {
        let Settings { mode, jobs: options, jobs_poll_delay } = settings;
        let clock = Clock::of_runtime(link.network().now() + skew);
        let client = client(&link).await?;
        let changefeed = changefeed(&client, clock.clone(), options);
        let open = async |name: &str| Container::open(&client, "dev", name).await;
        let (events, leases, jobs) = (open("events").await?, open("leases").await?, open("jobs").await?);
        let name = link.process().to_owned();
        let start = match mode {
            ChangeFeedMode::AllVersionsAndDeletes => StartFrom::Now,
            ChangeFeedMode::LatestVersion => StartFrom::Beginning,
        };
        let capturing = changefeed.clone();
        let capture = ChangeFeedProcessor::builder("capture", events, leases.clone())
            .instance_name(name.as_str())
            .mode(mode)
            .start_from(start)
            .clock(clock.clone())
            .build(move |context, changes| {
                let changefeed = capturing.clone();
                async move {
                    let invocation_id = format!("{}:{}", context.instance_name(), context.lease_token());
                    let batch = Batch { function: "process".into(), invocation_id, rewritten_by_host: false };
                    let documents = changes.iter().map(|change| change.payload(mode)).collect::<Result<_, _>>()?;
                    changefeed.capture.capture(&batch, documents).await.map(drop)?;
                    Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
                }
            });
        let stop = watch::Sender::new(false);
        let (runner, stopped, worker) = (changefeed.runner.clone(), stop.subscribe(), name.clone());
        let jobs = ChangeFeedProcessor::builder("jobs", jobs, leases)
            .instance_name(name.as_str())
            .start_from(StartFrom::Beginning)
            .poll_delay(jobs_poll_delay)
            .clock(clock)
            .build(move |_, changes| {
                let (runner, stopped, worker) = (runner.clone(), stopped.clone(), worker.clone());
                async move {
                    let jobs = changes.iter().filter_map(|change| job_to_run(change.current.as_ref()?));
                    let slices = jobs.map(|job| run_slice(&runner, job.id, &worker, stopped.clone()));
                    let ends = futures::future::join_all(slices).await;
                    ends.into_iter().collect::<Result<(), Error>>()
                }
            });
        let capture = capture.start().await?;
        Ok(Self { link, capture, jobs: jobs.start().await?, stop })
    }

    /// Ends the process in an orderly way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        futures::join!(self.capture.stop(), self.jobs.stop());
    }
}

async fn run_slice(runner: &JobRunner, id: String, worker: &str, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    let slice = tokio::time::sleep(runner.slice_duration());
    let until = async move { drop(futures::future::select(Box::pin(slice), Box::pin(stopped)).await) };
    if let SliceEnd::Failing { failures, .. } = runner.run_slice(&id, worker, until).await? {
        let backoff = Duration::from_secs(1) * 2_u32.saturating_pow(failures.min(5));
        tokio::time::sleep(pause_before_retry(backoff, None)).await;
    }
    Ok(())
}
