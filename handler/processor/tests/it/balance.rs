//! Balancing of leases over several instances, with a clock that the test advances.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::{ManualClock, ProcessorBuilder};
use serde_json::Value;

use crate::isolated::Isolated;
use crate::shop::{Shop, until};

const ACQUIRE: Duration = Duration::from_secs(13);
const EXPIRATION: Duration = Duration::from_secs(60);
const RENEW: Duration = Duration::from_secs(17);

/// Instances that share the eight leases of a shop.
struct Fleet {
    shop: Shop,
    clock: ManualClock,
    alive: usize,
}

impl Fleet {
    async fn over_eight_leases() -> Self {
        let shop = Shop::open().await;
        shop.split_all().await;
        Self { shop, clock: ManualClock::new(chrono::Utc::now()), alive: 0 }
    }

    async fn start(&mut self, name: &'static str) -> Isolated {
        self.start_as(move |builder| builder.instance_name(name)).await
    }

    async fn start_as(&mut self, set: impl FnOnce(ProcessorBuilder) -> ProcessorBuilder + Send + 'static) -> Isolated {
        let clock = self.clock.clone();
        let instance = Isolated::start(self.shop.endpoint.connection_string(), move |builder| {
            set(builder.clock(&clock)).build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())))
        });
        let instance = instance.await.expect("started");
        self.alive += 1;
        self.balanced().await;
        instance
    }

    /// Waits until every instance has balanced and sleeps until its next turn.
    async fn balanced(&self) {
        let next = chrono::Duration::from_std(ACQUIRE).expect("short");
        until("every instance to have balanced", async || {
            let now = changefeed_processor::Clock::from(&self.clock).now();
            self.clock.sleepers().iter().filter(|wakes| **wakes == now + next).count() == self.alive
        })
        .await;
    }

    /// Advances the clock by some acquire intervals.
    async fn pass(&self, intervals: u32) {
        for _ in 0..intervals {
            self.clock.advance(ACQUIRE);
            self.balanced().await;
        }
    }

    /// Advances the clock until every lease is due for renewal, and waits until all are renewed.
    async fn renewed(&self) {
        self.clock.advance(RENEW);
        self.balanced().await;
        let now = changefeed_processor::Clock::from(&self.clock).now();
        let written = |lease: &Value| {
            let written = chrono::DateTime::parse_from_rfc3339(lease["timestamp"].as_str().expect("timestamp"));
            written.expect("time").timestamp_micros() == now.timestamp_micros()
        };
        until("every lease to be renewed", async || self.shop.leases().await.iter().all(written)).await;
    }

    /// The number of leases per owner, sorted by name.
    async fn shares(&self) -> Vec<(String, usize)> {
        let mut shares = std::collections::BTreeMap::new();
        for lease in self.shop.leases().await {
            *shares.entry(lease["Owner"].as_str().unwrap_or("free").to_owned()).or_insert(0) += 1;
        }
        shares.into_iter().collect()
    }
}

fn shares(of: &[(&str, usize)]) -> Vec<(String, usize)> {
    of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[tokio::test]
async fn eight_leases_are_balanced_when_instances_join_stop_and_are_killed() {
    let mut fleet = Fleet::over_eight_leases().await;
    let a = fleet.start("a").await;
    assert_eq!(fleet.shares().await, shares(&[("a", 8)]), "at once");

    let b = fleet.start("b").await;
    assert_eq!(fleet.shares().await, shares(&[("a", 4), ("b", 4)]), "at once");

    let c = fleet.start("c").await;
    fleet.pass(2).await;
    let now = fleet.shares().await;
    assert_eq!(now.iter().map(|(_, count)| *count).sum::<usize>(), 8);
    assert!(now.len() == 3 && now.iter().all(|(_, count)| (2..=3).contains(count)), "{now:?}");
    fleet.pass(2).await;
    assert_eq!(fleet.shares().await, now, "stable");

    // After a kill, leases expire one expiration interval after their last renewal; the next balancing acquires them.
    fleet.renewed().await;
    let dead = now.iter().find(|(name, _)| name == "a").expect("a").1;
    a.kill();
    fleet.alive -= 1;
    let until_expired = u32::try_from(EXPIRATION.as_secs() / ACQUIRE.as_secs()).expect("few");
    fleet.pass(until_expired - 1).await;
    assert!(fleet.shares().await.contains(&("a".to_owned(), dead)), "not before they expire");
    fleet.pass(3).await;
    assert_eq!(fleet.shares().await, shares(&[("b", 4), ("c", 4)]));

    // A stop releases leases immediately; the next balancing acquires them.
    b.stop().await;
    fleet.alive -= 1;
    assert_eq!(fleet.shares().await, shares(&[("c", 4), ("free", 4)]));
    fleet.pass(1).await;
    assert_eq!(fleet.shares().await, shares(&[("c", 8)]));
    c.stop().await;
}

#[tokio::test]
async fn acquired_and_released_leases_are_reported() {
    let mut fleet = Fleet::over_eight_leases().await;
    let events: Arc<Mutex<Vec<String>>> = Arc::default();
    let (on_acquired, on_released) = (Arc::clone(&events), Arc::clone(&events));
    let running = fleet
        .start_as(move |builder| {
            builder
                .instance_name("observed")
                .on_lease_acquired(move |token| on_acquired.lock().expect("events").push(format!("+{token}")))
                .on_lease_released(move |token| on_released.lock().expect("events").push(format!("-{token}")))
        })
        .await;
    assert_eq!(events.lock().expect("events").len(), 8);

    // Another instance takes four of them, which the first detects when it renews.
    let other = fleet.start("other").await;
    fleet.pass(6).await;
    let released = || events.lock().expect("events").iter().filter(|event| event.starts_with('-')).count();
    until("four lost leases", async || released() == 4).await;
    running.stop().await;
    until("all released", async || released() == 8).await;
    let tokens = fleet.shop.leases().await;
    let mut tokens_of_events: Vec<String> =
        events.lock().expect("events").iter().map(|event| event[1..].to_owned()).collect();
    tokens_of_events.sort();
    let mut expected: Vec<String> =
        tokens.iter().map(|lease: &Value| lease["LeaseToken"].as_str().expect("token").to_owned()).collect();
    expected.extend(expected.clone());
    expected.sort();
    assert_eq!(tokens_of_events, expected, "each acquired once and released once");
    other.stop().await;
}
