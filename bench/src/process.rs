//! `changefeed process`: the time from a write to its version, and what an idle instance costs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use changefeed_cosmos::{Connection, ConnectionString, Container, Key, KeyComponent, LazyContainer, connect};
use changefeed_history::VersionId;
use local_cosmos::{Endpoint, Options};
use serde_json::json;

use crate::account::Account;
use crate::proc::cpu_seconds;

/// How often a version is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long a version may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running instance, which is killed when dropped.
struct Instance(Child);

impl Instance {
    fn start(executable: &Path, account: &Account) -> Result<Self> {
        let child = Command::new(executable)
            .arg("process")
            .env("CosmosDB", account.connection_string())
            .env("CHANGEFEED_JOB_BUDGET", "unlimited")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", executable.display()))?;
        Ok(Self(child))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a document, and waits for its version. Returns how long that took after the write was answered.
async fn lag_of(events: &Container, changes: &Container, number: usize) -> Result<Duration> {
    let (id, pk) = (format!("document-{number}"), format!("key-{}", number % 10));
    let key = Key::text(pk.clone());
    events.upsert(&key, &id, &json!({"id": id, "pk": pk, "number": number})).await?;
    let written = Instant::now();
    let stored = events.read(&key, &id).await?.context("the document was not stored")?;
    let (ts, etag) = (stored["_ts"].as_i64().context("no _ts")?, stored["_etag"].as_str().context("no _etag")?);
    let record = Key::new(vec![KeyComponent::Text(pk), KeyComponent::Text(id)]);
    let version = VersionId::of_write(ts, etag);
    while changes.read(&record, &version).await?.is_none() {
        ensure!(written.elapsed() < PATIENCE, "no version of document-{number} after {PATIENCE:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(written.elapsed())
}

/// Prints how long it takes from a write to its version, with a write in each interval.
pub(crate) async fn lag(executable: &Path, writes: usize, interval: Duration) -> Result<()> {
    let endpoint = Endpoint::start(Options::default()).await?;
    let account = Account { url: endpoint.url().to_owned() };
    account.provision(executable).await?;
    let client = connect(&Connection::Key(ConnectionString::parse(&account.connection_string())?), &[]).await?;
    let lazy = LazyContainer::new(changefeed_cosmos::Account::connected(client), "dev", "events");
    let (events, changes) = (lazy.open().await?, lazy.sibling("changes").open().await?);
    let _instance = Instance::start(executable, &account)?;
    let first = lag_of(&events, &changes, 0).await?;
    let mut lags = Vec::new();
    for number in 1..=writes {
        let next = Instant::now() + interval;
        lags.push(lag_of(&events, &changes, number).await?.as_secs_f64() * 1e3);
        tokio::time::sleep_until(next.into()).await;
    }
    lags.sort_by(f64::total_cmp);
    let share = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize];
    println!(
        "{writes} writes, one each {} ms, after a first one that waited for the start of the instance ({} ms)\n",
        interval.as_millis(),
        first.as_millis()
    );
    println!("| from a write to its version | milliseconds |");
    println!("|---|---|");
    for (name, figure) in [("median", share(0.5)), ("99 of 100", share(0.99)), ("longest", share(1.0))] {
        println!("| {name} | {figure:.0} |");
    }
    Ok(())
}

/// Creates the monitored container with this many physical partitions: one for each 10,000 request units a second.
async fn create_monitored(account: &Account, partitions: u32) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let key = json!({"paths": ["/pk"], "kind": "Hash", "version": 2});
    let database = client.post(format!("{}dbs", account.url)).body(json!({"id": "dev"}).to_string());
    let container = client.post(format!("{}dbs/dev/colls", account.url));
    let container = container.header("x-ms-offer-throughput", (partitions * 10_000).to_string());
    let container = container.body(json!({"id": "events", "partitionKey": key}).to_string());
    for (what, request) in [("the database", database), ("the container", container)] {
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "creating {what}: {}", answer.status());
    }
    Ok(())
}

/// Prints what an instance with leases for this many ranges costs while nothing changes.
pub(crate) async fn idle(executable: &Path, leases: u32, settle: Duration, duration: Duration) -> Result<()> {
    let endpoint = Endpoint::start(Options::default()).await?;
    let account = Account { url: endpoint.url().to_owned() };
    create_monitored(&account, leases).await?;
    account.provision(executable).await?;
    let instance = Instance::start(executable, &account)?;
    tokio::time::sleep(settle).await;
    let before = cpu_seconds(instance.0.id())?;
    endpoint.take_requests();
    tokio::time::sleep(duration).await;
    let cpu = (cpu_seconds(instance.0.id())? - before) / duration.as_secs_f64();
    let requests = endpoint.take_requests();
    let units: f64 = requests.iter().map(|request| request.request_charge).sum();
    let per_hour = |figure: f64| figure * 3600.0 / duration.as_secs_f64() / f64::from(leases);
    println!("| {leases} leases, nothing changes | |");
    println!("|---|---|");
    println!("| CPU, of one core | {:.2} % |", cpu * 100.0);
    println!("| requests of a lease and hour | {:.0} |", per_hour(requests.len() as f64));
    println!("| request units of a lease and hour | {:.0} |", per_hour(units));
    Ok(())
}
