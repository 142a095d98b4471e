//! Splits and merges of physical partitions while a processor runs.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::{ChangeFeedEstimator, ChangeFeedMode, LeaseSet, RunningProcessor, StartFrom};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::shop::{Seen, Shop, describe, until};

const DATABASE: &str = "acme-webstore";
/// More 410 responses than there are reads of a partition.
const GONE: u32 = 1_000_000;

async fn tokens(shop: &Shop) -> BTreeSet<String> {
    shop.leases().await.iter().map(|lease| lease["LeaseToken"].as_str().expect("token").to_owned()).collect()
}

async fn partitions(shop: &Shop) -> BTreeSet<String> {
    let partitions = shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
    partitions.into_iter().map(|partition| partition.id).collect()
}

/// Starts an instance with one change per batch.
async fn start_one_by_one(shop: &Shop, seen: &Seen) -> RunningProcessor {
    let seen = seen.clone();
    let builder = shop.builder().await.start_from(StartFrom::Beginning).max_items(NonZeroU32::MIN);
    let processor = builder.build(move |_, changes| {
        seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    processor.start().await.expect("started")
}

/// Splits partition 3, whose lease is the only free one. The page that shows the split arrives at once, the page that names
/// the first part is delayed. Returns the names of the parts.
async fn split_under_an_instance(shop: &Shop) -> Vec<String> {
    for lease in shop.leases().await.into_iter().filter(|lease| lease["LeaseToken"] != "3") {
        let held = |lease: &mut Value| {
            (lease["Owner"], lease["timestamp"]) = (json!("other"), json!(chrono::Utc::now().to_rfc3339()));
        };
        shop.change_lease(lease, held).await;
    }
    let parts = shop.endpoint.split(DATABASE, "cart", Some("3"), Duration::ZERO).await.expect("split");
    // Makes the SDK learn of the split, so that each later read is one request.
    let estimator =
        ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await).expect("estimator");
    estimator.estimate().await.expect("lags");
    for delay in [Duration::ZERO, Duration::from_secs(2)] {
        let effect = Effect::Delay(delay);
        shop.endpoint.inject(Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 1, effect });
    }
    parts.into_iter().map(|part| part.id).collect()
}

async fn each_once(seen: &Seen, expected: usize) {
    until("every change", async || seen.lock().expect("seen").len() >= expected).await;
    let mut found = seen.lock().expect("seen").clone();
    found.sort();
    let all = found.len();
    found.dedup();
    assert_eq!((found.len(), all), (expected, expected), "each change once");
}

#[tokio::test]
async fn a_split_creates_a_lease_per_part_with_the_properties_of_the_parent() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    for number in 0..30 {
        shop.put(&format!("before-{number}"), 1).await;
    }
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    for lease in shop.leases().await {
        shop.change_lease(lease, |lease| lease["properties"]["mine"] = json!("kept")).await;
    }
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until("the first changes", async || seen.lock().expect("seen").len() >= 30).await;
    shop.split_all().await;
    for number in 0..30 {
        shop.put(&format!("after-{number}"), 1).await;
    }
    until("leases of the parts", async || tokens(&shop).await == partitions(&shop).await).await;
    each_once(&seen, 60).await;
    running.stop().await;
    for lease in shop.leases().await {
        assert_eq!((&lease["version"], &lease["properties"]["mine"]), (&json!(0), &json!("kept")), "{lease}");
        assert!(lease["ContinuationToken"].is_string() && lease["FeedRange"].is_object(), "{lease}");
    }
}

#[tokio::test]
async fn after_a_merge_leases_continue_named_after_their_bounds() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    for number in 0..30 {
        shop.put(&format!("before-{number}"), 1).await;
    }
    each_once(&seen, 30).await;
    shop.endpoint.merge(DATABASE, "cart", ["0", "1"], Duration::ZERO).await.expect("merge");
    for number in 0..30 {
        shop.put(&format!("after-{number}"), 1).await;
    }
    each_once(&seen, 60).await;
    let renamed = |leases: &[Value]| leases.iter().filter(|lease| lease["version"] == 1).count();
    until("two leases named after bounds", async || renamed(&shop.leases().await) == 2).await;
    assert_eq!(shop.leases().await.len(), 4);

    // A split of the merged partition, at any position, retains these leases or splits them.
    shop.split_all().await;
    for number in 0..30 {
        shop.put(&format!("later-{number}"), 1).await;
    }
    each_once(&seen, 90).await;
    running.stop().await;
}

#[tokio::test]
async fn leases_left_by_a_kill_during_a_split_are_deleted_without_redelivery() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let handled =
        async |expected: &[&str]| until("the changes", async || *seen.lock().expect("seen") == expected).await;
    shop.put_into("one", "a", 1).await;
    let running = start_one_by_one(&shop, &seen).await;
    handled(&["a=1"]).await;
    running.stop().await;
    let parents = shop.leases().await;
    shop.split_all().await;
    shop.put_into("one", "b", 2).await;
    shop.put_into("one", "c", 3).await;
    let running = start_one_by_one(&shop, &seen).await;
    handled(&["a=1", "b=2", "c=3"]).await;
    until("leases of the parts", async || tokens(&shop).await == partitions(&shop).await).await;
    running.stop().await;
    // The state after a kill: children were created, and parents were not deleted.
    for parent in parents {
        let id = parent["id"].as_str().expect("id").to_owned();
        shop.lease_container().await.create_item(id.clone(), &id, parent, None).await.expect("parent");
    }

    let running = start_one_by_one(&shop, &seen).await;
    until("no parents", async || tokens(&shop).await == partitions(&shop).await).await;
    shop.put_into("one", "d", 4).await;
    handled(&["a=1", "b=2", "c=3", "d=4"]).await;
    running.stop().await;
}

/// After a kill between creating the replacements and deleting the old lease, followed by a merge, no page of the feed
/// identifies the old lease.
#[tokio::test]
async fn a_replaced_lease_is_deleted_even_after_a_merge() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    for n in 0..12 {
        shop.put_into(&format!("cart-{n}"), &format!("item-{n:02}"), n).await;
    }
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until("every change", async || seen.lock().expect("seen").len() == 12).await;
    running.stop().await;
    let leases = shop.leases().await;
    let of = |token: &str| leases.iter().find(|lease| lease["LeaseToken"] == token).expect("lease").clone();
    let (mut old, upper) = (of("0"), of("1"));
    let (min, max) = (&old["FeedRange"]["Range"]["min"], &upper["FeedRange"]["Range"]["max"]);
    let token = format!("{}-{}", min.as_str().expect("min"), max.as_str().expect("max"));
    let id = old["id"].as_str().expect("id").replace("..0", &format!("..{token}"));
    old["FeedRange"] = json!({"Range": {"min": min, "max": max}});
    (old["id"], old["LeaseToken"], old["version"]) = (json!(id), json!(token), json!(1));
    old["ContinuationToken"] = Value::Null;
    shop.lease_container().await.create_item(id.clone(), &id, old, None).await.expect("the old lease");
    shop.endpoint.merge(DATABASE, "cart", ["0", "1"], Duration::ZERO).await.expect("merge");

    let running = shop.start(StartFrom::Beginning, &seen).await;
    until("the end of the old lease", async || !tokens(&shop).await.contains(&token)).await;
    for n in 12..24 {
        shop.put_into(&format!("cart-{n}"), &format!("item-{n:02}"), n).await;
    }
    until("every change", async || seen.lock().expect("seen").len() >= 24).await;
    running.stop().await;
    let seen = seen.lock().expect("seen").clone();
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (24, 24), "each change once: {seen:?}");
    let set = LeaseSet::open("p", shop.container("cart").await, shop.container("lease").await).expect("leases");
    assert_eq!((set.gap().await.expect("leases"), set.overlap().await.expect("leases")), (None, None));
}

#[tokio::test]
async fn an_instance_that_loses_a_lease_while_replacing_it_creates_none() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Beginning, &Seen::default()).await.stop().await;
    split_under_an_instance(&shop).await;
    let released = Arc::<Mutex<Vec<String>>>::default();
    let handler_released = Arc::clone(&released);
    let builder = shop.builder().await.lease_acquire_interval(Duration::from_secs(3600));
    let processor = builder
        .lease_renew_interval(Duration::from_millis(50))
        .on_lease_released(move |token| handler_released.lock().expect("released").push(token.to_owned()))
        .build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    let running = processor.start().await.expect("started");
    until("the part to be named", async || shop.endpoint.pending_faults() == 0).await;
    let lost = shop.leases().await.into_iter().find(|lease| lease["LeaseToken"] == "3").expect("lease");
    shop.change_lease(lost, |lease| lease["Owner"] = json!("other")).await;
    until("the end of the lease", async || *released.lock().expect("released") == ["3"]).await;
    running.stop().await;
    assert_eq!(tokens(&shop).await, ["0", "1", "2", "3"].map(str::to_owned).into());
}

#[tokio::test]
async fn every_version_and_delete_is_delivered_once_across_splits_and_merges() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let handler_seen = seen.clone();
    let builder = shop.builder().await.mode(ChangeFeedMode::AllVersionsAndDeletes);
    let processor = builder.build(move |_, changes| {
        let described = changes.iter().map(|change| match &change.current {
            Some(_) => describe(change),
            None => format!("{} deleted", change.metadata.as_ref().expect("metadata").id.as_deref().expect("id")),
        });
        handler_seen.lock().expect("seen").extend(described);
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    let mut expected = 0;
    for round in 0..4 {
        for number in 0..10 {
            let id = format!("item-{number}-{round}");
            shop.put(&id, 1).await;
            shop.put(&id, 2).await;
            shop.cart.delete_item(id.clone(), &id, None).await.expect("delete");
            expected += 3;
            match (round, number) {
                (0, 5) => shop.split_all().await,
                (2, 5) => {
                    let all: Vec<String> = partitions(&shop).await.into_iter().collect();
                    let pair = [all[0].as_str(), all[1].as_str()];
                    // Only neighbours can be merged; the first two partitions are.
                    if shop.endpoint.merge(DATABASE, "cart", pair, Duration::ZERO).await.is_err() {
                        let partitions = shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
                        let pair = [partitions[0].id.as_str(), partitions[1].id.as_str()];
                        shop.endpoint.merge(DATABASE, "cart", pair, Duration::ZERO).await.expect("merge");
                    }
                }
                _ => {}
            }
        }
    }
    each_once(&seen, expected).await;
    let seen = seen.lock().expect("seen").clone();
    for round in 0..4 {
        let of = |change: &str| seen.iter().position(|seen| *seen == change.replace('#', &format!("item-3-{round}")));
        assert!(of("#=1") < of("#=2") && of("#=2") < of("# deleted"), "in order");
    }
    running.stop().await;
    let modes: Vec<Value> = shop.leases().await.iter().map(|lease| lease["Mode"].clone()).collect();
    assert!(modes.iter().all(|mode| mode == "Full-Fidelity Feed"), "{modes:?}");
}

#[tokio::test]
async fn a_merge_while_leases_are_created_loses_nothing() {
    let shop = Shop::open().await;
    for number in 0..60 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    // The first pages, which name the partitions, arrive after the merge.
    let effect = Effect::Delay(Duration::from_millis(1500));
    let late = Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 4, effect };
    shop.endpoint.inject(late);
    let seen = Seen::default();
    let starting = shop.start(StartFrom::Beginning, &seen);
    let merging = async {
        until("the first page", async || shop.endpoint.pending_faults() < 4).await;
        shop.endpoint.merge(DATABASE, "cart", ["2", "3"], Duration::ZERO).await.expect("merge");
    };
    let (running, ()) = tokio::join!(starting, merging);
    each_once(&seen, 60).await;
    running.stop().await;
}

#[tokio::test]
async fn a_merge_while_parts_are_named_loses_nothing() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    for number in 0..60 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    let parts = split_under_an_instance(&shop).await;
    let handler_seen = seen.clone();
    let builder = shop.builder().await.lease_acquire_interval(Duration::from_secs(3600));
    let processor = builder.build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    until("the part to be named", async || shop.endpoint.pending_faults() == 0).await;
    shop.endpoint.merge(DATABASE, "cart", [parts[0].as_str(), parts[1].as_str()], Duration::ZERO).await.expect("merge");
    until("leases of the parts", async || !tokens(&shop).await.contains("3")).await;
    let named = tokens(&shop).await;
    assert!(named.len() == 5 && parts.iter().all(|part| !named.contains(part)), "merged before: {named:?}");
    running.stop().await;

    for lease in shop.leases().await {
        shop.change_lease(lease, |lease| lease["Owner"] = Value::Null).await;
    }
    let running = shop.start(StartFrom::Beginning, &seen).await;
    each_once(&seen, 60).await;
    for number in 0..60 {
        shop.put(&format!("after-{number}"), 1).await;
    }
    each_once(&seen, 120).await;
    running.stop().await;
}

#[tokio::test]
async fn a_start_that_creates_leases_retains_those_of_merged_partitions() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    shop.endpoint.merge(DATABASE, "cart", ["0", "1"], Duration::ZERO).await.expect("merge");
    let renamed = async || shop.leases().await.iter().filter(|lease| lease["version"] == 1).count();
    until("two leases named after bounds", async || renamed().await == 2).await;
    running.stop().await;
    let before = tokens(&shop).await;
    let leases = shop.lease_container().await;
    let lease = shop.leases().await.remove(0);
    let marker = format!("{}.info", lease["id"].as_str().expect("id").split("..").next().expect("prefix"));
    leases.delete_item(marker.clone(), &marker, None).await.expect("delete");

    for number in 0..30 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    let running = shop.start(StartFrom::Beginning, &seen).await;
    each_once(&seen, 30).await;
    running.stop().await;
    assert_eq!(tokens(&shop).await, before);
}

#[tokio::test]
async fn a_partition_that_merges_while_leases_are_created_is_read_once() {
    let shop = Shop::open().await;
    // The lease of one partition is created; the other partition responds 410 until it is merged.
    let gone = Effect::Status { status: 410, substatus: 1002 };
    for (times, effect) in [(1, Effect::Delay(Duration::ZERO)), (GONE, gone)] {
        shop.endpoint.inject(Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times, effect });
    }
    let seen = Seen::default();
    let starting = shop.start(StartFrom::Beginning, &seen);
    let merging = async {
        until("the first lease", async || tokens(&shop).await.len() == 1 && shop.endpoint.pending_faults() < GONE)
            .await;
        shop.endpoint.merge(DATABASE, "cart", ["0", "1"], Duration::ZERO).await.expect("merge");
        shop.endpoint.clear_faults();
    };
    let (running, ()) = tokio::join!(starting, merging);
    for number in 0..60 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    each_once(&seen, 60).await;
    running.stop().await;
    let set = LeaseSet::open("p", shop.container("cart").await, shop.container("lease").await).expect("leases");
    assert_eq!((set.gap().await.expect("leases"), set.overlap().await.expect("leases")), (None, None));
}
