//! Random faults, combined: instances start, stop, are killed and paused; partitions split and merge; the service
//! throttles, fails and loses replies; handlers fail. Afterwards these properties must hold:
//!
//! * every change was handled: the newest version of each document in LatestVersion mode, and every version and delete in
//!   AllVersionsAndDeletes mode,
//! * the changes of a partition key were first handled in order,
//! * a redelivered change was followed by a redelivery of everything newer.
//!
//! A seed determines the faults, and a failure names its seed. `CHAOS_SEEDS=FIRST..END` runs other seeds than the default.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::{Change, ChangeFeedEstimator, ChangeFeedMode, OperationType, ProcessorBuilder, StartFrom};
use futures::{FutureExt, StreamExt};
use local_cosmos::{Effect, Fault, RequestKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::handled_log::{Handled, HandledLog, LeaseOwners};
use crate::isolated::Isolated;
use crate::shop::{Shop, until};

const DATABASE: &str = "acme-webstore";
/// Most of a run is waiting.
const SEEDS_AT_ONCE: usize = 4;
const STEPS: usize = 20;
const CARTS: u32 = 6;
const ITEMS: u32 = 3;
const MAX_INSTANCES: usize = 5;
const MAX_PARTITIONS: usize = 10;
const EXPIRATION: Duration = Duration::from_millis(400);

type Log = Arc<Mutex<HandledLog>>;

fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("CHAOS_SEEDS") else { return default };
    let parsed = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    parsed.expect("CHAOS_SEEDS is FIRST..END")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_of_every_document_is_handled_despite_faults() {
    run_all(seeds(0..4), ChangeFeedMode::LatestVersion).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_and_delete_is_handled_despite_faults() {
    run_all(seeds(100..104), ChangeFeedMode::AllVersionsAndDeletes).await;
}

async fn run_all(seeds: Range<u64>, mode: ChangeFeedMode) {
    let run = async |seed| {
        let ended = AssertUnwindSafe(run(seed, mode)).catch_unwind().await;
        ended.unwrap_or_else(|_| panic!("seed {seed}, {mode}: failed"));
    };
    futures::stream::iter(seeds).map(run).buffer_unordered(SEEDS_AT_ONCE).collect::<Vec<()>>().await;
}

async fn run(seed: u64, mode: ChangeFeedMode) {
    println!("seed {seed}, {mode}");
    let mut chaos = Chaos::new(seed, mode).await;
    assert!(chaos.start_instance().await, "no fault is active yet");
    for _ in 0..STEPS {
        chaos.write().await;
        chaos.inject_random_event().await;
    }
    chaos.calm_down().await;
    chaos.check(seed).await;
}

struct Chaos {
    shop: Shop,
    random: StdRng,
    mode: ChangeFeedMode,
    instances: Vec<Isolated>,
    log: Log,
    owners: LeaseOwners,
    /// The numbers of acknowledged writes, by cart and item.
    written: BTreeMap<(String, String), Vec<u64>>,
    deletes: BTreeMap<(String, String), usize>,
    next: u64,
    started: usize,
    handler_calls: Arc<AtomicU64>,
}

impl Chaos {
    async fn new(seed: u64, mode: ChangeFeedMode) -> Self {
        let shop = Shop::open().await;
        let owners = LeaseOwners::new(shop.lease_container().await);
        Self {
            shop,
            owners,
            random: StdRng::seed_from_u64(seed),
            mode,
            instances: Vec::new(),
            log: Log::default(),
            written: BTreeMap::new(),
            deletes: BTreeMap::new(),
            next: 1,
            started: 0,
            handler_calls: Arc::default(),
        }
    }

    /// False if a fault prevented the start.
    async fn start_instance(&mut self) -> bool {
        let (mode, log, calls) = (self.mode, Arc::clone(&self.log), Arc::clone(&self.handler_calls));
        let fails = self.random.random_range(7..40);
        self.started += 1;
        let name = format!("instance-{}", self.started);
        let owners = self.owners.clone();
        let build = move |builder: ProcessorBuilder| {
            settings(builder, mode).instance_name(name).build(handler(log, owners, calls, fails))
        };
        let started = Isolated::start(self.shop.endpoint.connection_string(), build).await.ok();
        let is_started = started.is_some();
        self.instances.extend(started);
        is_started
    }

    /// Writes sequentially, so that the order is known.
    async fn write(&mut self) {
        for _ in 0..self.random.random_range(3..15) {
            let cart = format!("cart-{}", self.random.random_range(0..CARTS));
            let item = format!("item-{}", self.random.random_range(0..ITEMS));
            let number = self.next;
            self.next += 1;
            let name = (cart.clone(), item.clone());
            // A failed write may have been executed; the check requires only acknowledged ones.
            if self.random.random_ratio(1, 5) {
                if self.shop.cart.delete_item(cart, &item, None).await.is_ok() {
                    *self.deletes.entry(name).or_default() += 1;
                }
            } else {
                let body = json!({"id": item, "cartId": cart, "number": number});
                if self.shop.cart.upsert_item(cart, &item, body, None).await.is_ok() {
                    self.written.entry(name).or_default().push(number);
                }
            }
        }
    }

    async fn inject_random_event(&mut self) {
        match self.random.random_range(0..12) {
            0 | 1 if self.instances.len() < MAX_INSTANCES => drop(self.start_instance().await),
            2 => {
                if let Some(instance) = self.any_instance() {
                    instance.stop().await;
                }
            }
            3 => {
                if let Some(instance) = self.any_instance() {
                    instance.kill();
                }
            }
            4 => {
                let pause = EXPIRATION * self.random.random_range(1..4);
                if let Some(instance) = self.any_instance() {
                    instance.pause(pause);
                    self.instances.push(instance);
                }
            }
            5 | 6 => self.split().await,
            7 => self.merge().await,
            8 => {
                let limit = Some(self.random.random_range(100.0..1000.0));
                self.shop.endpoint.throttle(DATABASE, "cart", limit).await.expect("throttle");
            }
            9 => self.shop.endpoint.throttle(DATABASE, "cart", None).await.expect("throttle"),
            _ => self.inject_fault(),
        }
    }

    fn any_instance(&mut self) -> Option<Isolated> {
        let count = self.instances.len();
        (count > 0).then(|| self.instances.swap_remove(self.random.random_range(0..count)))
    }

    async fn split(&mut self) {
        let partitions = self.shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
        if partitions.len() < MAX_PARTITIONS {
            let partition = &partitions[self.random.random_range(0..partitions.len())];
            let duration = Duration::from_millis(self.random.random_range(0..100));
            self.shop.endpoint.split(DATABASE, "cart", Some(&partition.id), duration).await.expect("split");
        }
    }

    async fn merge(&mut self) {
        let partitions = self.shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
        if partitions.len() > 1 {
            let first = self.random.random_range(0..partitions.len() - 1);
            let pair = [partitions[first].id.as_str(), partitions[first + 1].id.as_str()];
            let duration = Duration::from_millis(self.random.random_range(0..100));
            self.shop.endpoint.merge(DATABASE, "cart", pair, duration).await.expect("merge");
        }
    }

    /// Affects the requests of the processor: reads of the feed, and any request for leases.
    fn inject_fault(&mut self) {
        let leases = [RequestKind::Write, RequestKind::Read, RequestKind::Query];
        let (container, kind) = match self.random.random_range(0..4) {
            0 => ("cart", RequestKind::ChangeFeed),
            index => ("lease", leases[index - 1]),
        };
        let effect = match self.random.random_range(0..4) {
            0 => Effect::LoseReply,
            1 => Effect::Delay(Duration::from_millis(self.random.random_range(20..300))),
            _ => {
                let statuses = [408, 429, 449, 500, 503];
                Effect::Status { status: statuses[self.random.random_range(0..statuses.len())], substatus: 0 }
            }
        };
        let times = self.random.random_range(1..5);
        self.shop.endpoint.inject(Fault { container: Some(container.to_owned()), kind, times, effect });
    }

    /// Ends all faults, and lets at least one instance reach the end of the feed.
    async fn calm_down(&mut self) {
        self.shop.endpoint.clear_faults();
        self.shop.endpoint.throttle(DATABASE, "cart", None).await.expect("throttle");
        assert!(self.start_instance().await, "no fault is active any longer");
        let estimator =
            ChangeFeedEstimator::new("p", self.shop.container("cart").await, self.shop.container("lease").await)
                .expect("estimator");
        until("the end of the feed", async || {
            let lags = estimator.estimate().await.unwrap_or_default();
            !lags.is_empty() && lags.iter().all(|lease| lease.lag == Some(0) && lease.failure.is_none())
        })
        .await;
        for instance in self.instances.drain(..) {
            instance.stop().await;
        }
    }

    async fn check(&self, seed: u64) {
        let log = self.log.lock().expect("log").clone();
        println!("seed {seed}: {} redeliveries, {} certainly in time", log.redeliveries, log.redeliveries_in_time());
        let first = log.first();
        self.check_order(seed, &first);
        let numbers: BTreeSet<u64> = first.iter().filter_map(|handled| handled.number).collect();
        let mut newest = BTreeSet::new();
        for ((cart, item), written) in &self.written {
            let live: Option<serde_json::Value> = match self.shop.cart.read_item(cart.clone(), item, None).await {
                Ok(response) => Some(response.into_model().expect("item")),
                Err(error) if error.status().is_not_found() => None,
                Err(error) => panic!("seed {seed}: {cart}/{item}: {error}"),
            };
            if let Some(live) = live {
                let number = live["number"].as_u64().expect("number");
                newest.insert(number);
                assert!(
                    numbers.contains(&number),
                    "seed {seed}: {cart}/{item}: the newest write, {number}, is missing"
                );
            }
            if self.mode == ChangeFeedMode::AllVersionsAndDeletes {
                let missing: Vec<&u64> = written.iter().filter(|number| !numbers.contains(number)).collect();
                assert!(missing.is_empty(), "seed {seed}: {cart}/{item}: writes {missing:?} are missing");
                let deleted =
                    |handled: &&Handled| handled.number.is_none() && handled.cart == *cart && handled.item == *item;
                let deletes = self.deletes.get(&(cart.clone(), item.clone())).copied().unwrap_or_default();
                let found = first.iter().filter(deleted).count();
                assert!(found >= deletes, "seed {seed}: {cart}/{item}: {found} of {deletes} deletes");
            }
        }
        let not_followed = log.not_followed(|handled| match self.mode {
            ChangeFeedMode::LatestVersion => handled.number.is_some_and(|number| newest.contains(&number)),
            ChangeFeedMode::AllVersionsAndDeletes => true,
        });
        assert_eq!(not_followed, None, "seed {seed}: the second was not delivered again after the first");
        assert_eq!(
            self.log.lock().expect("log").handled.len(),
            log.handled.len(),
            "seed {seed}: handled after everything stopped"
        );
    }

    /// First deliveries of a partition key are in order.
    fn check_order(&self, seed: u64, first: &[Handled]) {
        let mut newest: BTreeMap<&str, &Handled> = BTreeMap::new();
        for handled in first {
            if let Some(before) = newest.insert(&handled.cart, handled) {
                assert!(before.lsn <= handled.lsn, "seed {seed}: {handled:?} after {before:?}");
            }
        }
    }
}

fn settings(builder: ProcessorBuilder, mode: ChangeFeedMode) -> ProcessorBuilder {
    let start = match mode {
        ChangeFeedMode::LatestVersion => StartFrom::Beginning,
        ChangeFeedMode::AllVersionsAndDeletes => StartFrom::Now,
    };
    builder
        .mode(mode)
        .start_from(start)
        .max_items(std::num::NonZeroU32::new(5).expect("not zero"))
        .poll_delay(Duration::from_millis(15))
        .lease_acquire_interval(Duration::from_millis(60))
        .lease_renew_interval(Duration::from_millis(80))
        .lease_expiration_interval(EXPIRATION)
        .retry_delay(Duration::from_millis(20), Duration::from_millis(200))
}

/// Records changes. Some calls fail before or after recording, or are slow.
fn handler(
    log: Log,
    owners: LeaseOwners,
    calls: Arc<AtomicU64>,
    fails: u64,
) -> impl Fn(changefeed_processor::Context, Vec<Change>) -> futures::future::BoxFuture<'static, Result<(), String>>
+ Send
+ Sync
+ 'static {
    move |context, changes| {
        let (log, owners, call) = (Arc::clone(&log), owners.clone(), calls.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move {
            if call % fails == 3 {
                return Err("before".to_owned());
            }
            let (recorded, is_redelivery) = log.lock().expect("log").record(changes.iter().map(handled).collect());
            if is_redelivery && owners.is_owner(context.instance_name(), context.lease_token()).await {
                log.lock().expect("log").record_in_time(recorded);
            }
            if call % fails == 5 {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            if call % fails == 4 { Err("after".to_owned()) } else { Ok(()) }
        })
    }
}

fn handled(change: &Change) -> Handled {
    let metadata = change.metadata.clone().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let lsn = change.lsn().expect("lsn");
    match &change.current {
        Some(document) => Handled {
            cart: text(&document["cartId"]),
            item: text(&document["id"]),
            lsn,
            number: document["number"].as_u64(),
        },
        None => {
            assert_eq!(metadata.operation_type, Some(OperationType::Delete));
            let key = metadata.partition_key.expect("partition key");
            Handled { cart: text(&key["cartId"]), item: metadata.id.expect("id"), lsn, number: None }
        }
    }
}
