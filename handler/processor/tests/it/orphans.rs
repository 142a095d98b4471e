//! Leases of older processors, which record no feed range, after their partition was split or merged.

use std::time::Duration;

use changefeed_processor::{ChangeFeedMode, LeaseSet, StartFrom};
use serde_json::Value;

use crate::shop::{Seen, Shop, describe, until, until_seen};

const DATABASE: &str = "acme-webstore";

/// A shop with 20 documents, whose leases record that an instance has received them, and no ranges.
async fn aged() -> Shop {
    let shop = Shop::open().await;
    let items: Vec<String> = (0..20).map(|number| format!("old-{number:02}")).collect();
    for item in &items {
        shop.put(item, 1).await;
    }
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until("the old documents", async || seen.lock().expect("seen").len() == 20).await;
    running.stop().await;
    for lease in shop.leases().await {
        let aged = |lease: &mut Value| drop(lease.as_object_mut().expect("object").remove("FeedRange"));
        shop.change_lease(lease, aged).await;
    }
    shop
}

async fn partition_ids(shop: &Shop) -> Vec<String> {
    let partitions = shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
    partitions.into_iter().map(|partition| partition.id).collect()
}

async fn split(shop: &Shop, id: &str) {
    shop.endpoint.split(DATABASE, "cart", Some(id), Duration::ZERO).await.expect("split");
}

async fn put_new(shop: &Shop) -> Vec<String> {
    let mut changes = Vec::new();
    for number in 0..20 {
        shop.put(&format!("new-{number:02}"), 1).await;
        changes.push(format!("new-{number:02}=1"));
    }
    changes
}

fn tokens(leases: &[Value]) -> Vec<&str> {
    let mut tokens: Vec<&str> = leases.iter().map(|lease| lease["LeaseToken"].as_str().expect("token")).collect();
    tokens.sort_unstable();
    tokens
}

async fn lease_set(shop: &Shop) -> LeaseSet {
    LeaseSet::open("p", shop.container("cart").await, shop.container("lease").await).expect("leases")
}

#[tokio::test]
async fn a_lease_whose_partition_was_split_continues_at_its_bookmark() {
    let shop = aged().await;
    split(&shop, &partition_ids(&shop).await[0]).await;
    let expected = put_new(&shop).await;
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    running.stop().await;
    let leases = shop.leases().await;
    let mut ids = partition_ids(&shop).await;
    ids.sort_unstable();
    assert_eq!(tokens(&leases), ids);
    assert!(leases.iter().all(|lease| lease["FeedRange"].is_object()), "{leases:?}");
}

#[tokio::test]
async fn no_change_is_missed_after_several_partitions_were_split_and_merged() {
    let shop = aged().await;
    shop.split_all().await;
    let ids = partition_ids(&shop).await;
    split(&shop, &ids[2]).await;
    let partitions = shop.endpoint.partitions(DATABASE, "cart").await.expect("partitions");
    shop.endpoint.merge(DATABASE, "cart", [&partitions[0].id, &partitions[1].id], Duration::ZERO).await.expect("merge");
    let expected = put_new(&shop).await;
    let seen = Seen::default();
    let handler_seen = seen.clone();
    let builder = shop.builder().await.start_from(StartFrom::Beginning);
    let builder = builder.on_error(|token, error| println!("lease {token:?}: {error}"));
    let processor = builder.build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    // Each old lease is deleted by the instance that holds it, when new ones cover its range.
    let has_range = |lease: &Value| lease["FeedRange"].is_object();
    until("no lease without a range", async || shop.leases().await.iter().all(has_range)).await;
    until("the new documents", async || {
        let seen = seen.lock().expect("seen");
        expected.iter().all(|change| seen.contains(change))
    })
    .await;
    running.stop().await;
    let set = lease_set(&shop).await;
    assert_eq!((set.gap().await.expect("gap"), set.overlap().await.expect("overlap")), (None, None));
}

#[tokio::test]
async fn a_repair_replaces_a_lease_whose_partition_was_split() {
    let shop = aged().await;
    let id = partition_ids(&shop).await[0].clone();
    let leases = shop.leases().await;
    let bookmark = &leases.iter().find(|lease| lease["LeaseToken"] == *id).expect("lease")["ContinuationToken"];
    split(&shop, &id).await;
    let set = lease_set(&shop).await;
    assert_eq!(set.repair(StartFrom::Beginning, ChangeFeedMode::LatestVersion).await.expect("repair"), 2);
    let repaired = shop.leases().await;
    let new: Vec<&Value> =
        repaired.iter().filter(|lease| leases.iter().all(|before| before["id"] != lease["id"])).collect();
    assert!(repaired.len() == 5 && new.len() == 2, "{repaired:?}");
    assert!(new.iter().all(|lease| lease["ContinuationToken"] == *bookmark), "{bookmark}: {new:?}");
    assert_eq!(set.repair(StartFrom::Beginning, ChangeFeedMode::LatestVersion).await.expect("repair"), 0);
}

#[tokio::test]
async fn a_reset_replaces_a_lease_whose_partition_was_split() {
    for start in [StartFrom::Now, StartFrom::Beginning] {
        let shop = aged().await;
        split(&shop, &partition_ids(&shop).await[0]).await;
        assert_eq!(lease_set(&shop).await.reset(start).await.expect("reset"), 5);
        let mut expected = put_new(&shop).await;
        if start == StartFrom::Beginning {
            expected.extend((0..20).map(|number| format!("old-{number:02}=1")));
        }
        let seen = Seen::default();
        let running = shop.start(StartFrom::Now, &seen).await;
        until_seen(&seen, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
        running.stop().await;
    }
}
