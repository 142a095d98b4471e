//! Compatibility of leases with the .NET change feed processor and the Functions trigger, in both versions of the format:
//! their leases are resumed at their bookmarks, and leases of this crate remain readable for them.

use std::time::Duration;

use azure_data_cosmos::FeedScope;
use changefeed_processor::{ChangeFeedEstimator, ChangeFeedProcessor, LeaseSet, StartFrom};
use chrono::DateTime;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::shop::{Seen, Shop, create, describe, until_seen};

/// The lease documents of a .NET processor that ended after `continuation` on every range.
async fn written_by_dotnet(shop: &Shop, version: i64, continuation: &str) -> Vec<Value> {
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let ours = shop.leases().await;
    shop.recreate_lease_container().await;
    let leases = shop.lease_container().await;
    let prefix = ours[0]["id"].as_str().expect("id").split("..").next().expect("prefix").to_owned();
    let info = format!("{prefix}.info");
    leases.create_item(info.clone(), &info, json!({"id": info}), None).await.expect("info");
    let mut written = Vec::new();
    for (index, lease) in ours.iter().enumerate() {
        let range = &lease["FeedRange"]["Range"];
        let token = match version {
            0 => lease["LeaseToken"].as_str().expect("token").to_owned(),
            _ => format!("{}-{}", range["min"].as_str().expect("min"), range["max"].as_str().expect("max")),
        };
        let id = format!("{prefix}..{token}");
        let mut document = json!({"id": id, "version": version, "_etag": "\"00000000-0000-0000-0000-000000000000\"",
            "LeaseToken": token, "FeedRange": {"Range": range},
            "Owner": null, "ContinuationToken": continuation, "properties": {},
            "timestamp": "2026-08-01T12:00:00.1234567Z", "Mode": "Incremental Feed"});
        match index {
            // Killed while it owned the lease.
            0 => document["Owner"] = json!("5c1c6b1e-3c57-4b35-a7c5-0b8f5b3a2f10"),
            // Written by a release before modes.
            1 => drop(document.as_object_mut().expect("object").remove("Mode")),
            // Written by a release before feed ranges: the token implies the range.
            2 => drop(document.as_object_mut().expect("object").remove("FeedRange")),
            _ => {}
        }
        leases.create_item(id.clone(), &id, document.clone(), None).await.expect("lease");
        written.push(document);
    }
    written
}

async fn assert_resumed(version: i64) {
    let shop = Shop::open().await;
    shop.put("handled-by-dotnet", 1).await;
    let written = written_by_dotnet(&shop, version, "\"1\"").await;
    for number in 0..20 {
        shop.put(&format!("item-{number:02}"), 1).await;
    }
    let seen = Seen::default();
    let expected: Vec<String> = (0..20).map(|number| format!("item-{number:02}=1")).collect();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    running.stop().await;

    let now = shop.leases().await;
    assert_eq!(now.len(), written.len(), "no leases were added");
    for before in &written {
        let after = now.iter().find(|lease| lease["id"] == before["id"]).expect("the same id");
        for field in ["version", "LeaseToken"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let token = after["ContinuationToken"].as_str().expect("token");
        assert!(token.starts_with('"') && token.ends_with('"') && token != "\"1\"", "the feed's etag: {token}");
        let known = [
            "id",
            "version",
            "_etag",
            "LeaseToken",
            "FeedRange",
            "Owner",
            "ContinuationToken",
            "properties",
            "timestamp",
            "_ts",
            "Mode",
            "_rid",
            "_self",
            "_attachments",
            "_lsn",
        ];
        let fields: Vec<&String> = after.as_object().expect("object").keys().collect();
        assert!(fields.iter().all(|field| known.contains(&field.as_str())), "{fields:?}");
        let properties = after["properties"].as_object().expect("properties");
        assert!(properties.values().all(Value::is_string), ".NET reads strings only: {properties:?}");
        let has_range = after["FeedRange"].is_object() || version == 1;
        assert!(has_range && after["Owner"].is_null(), "{after}");
    }
}

#[tokio::test]
async fn leases_named_after_partitions_are_resumed() {
    assert_resumed(0).await;
}

#[tokio::test]
async fn leases_named_after_their_bounds_are_resumed() {
    assert_resumed(1).await;
}

/// Writes the leases as a .NET processor does that acquires and releases them: its JSON library has taken texts in the form of
/// dates for dates.
async fn rewrite_like_dotnet(shop: &Shop) {
    for lease in shop.leases().await {
        let rewritten = |lease: &mut Value| {
            for (_, value) in lease["properties"].as_object_mut().expect("properties") {
                if let Ok(time) = DateTime::parse_from_rfc3339(value.as_str().expect("a text")) {
                    *value = json!(time.to_utc().format("%m/%d/%Y %H:%M:%S").to_string());
                }
            }
        };
        shop.change_lease(lease, rewritten).await;
    }
}

#[tokio::test]
async fn a_reset_and_the_times_of_a_lease_survive_a_dotnet_processor() {
    let shop = Shop::open().await;
    let items: Vec<String> = (0..40).map(|number| format!("item-{number:02}")).collect();
    for item in &items {
        shop.put(item, 1).await;
    }
    let expected: Vec<String> = items.iter().map(|item| format!("{item}=1")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &expected).await;
    running.stop().await;
    let open = async || (shop.container("cart").await, shop.container("lease").await);
    let (cart, leases) = open().await;
    let estimator = ChangeFeedEstimator::new("p", cart, leases).expect("estimator");
    rewrite_like_dotnet(&shop).await;
    let lags = estimator.estimate().await.expect("lags");
    assert!(lags.iter().all(|lease| lease.last_checkpoint.is_some()), "{lags:?}");

    let (cart, leases) = open().await;
    let set = LeaseSet::open("p", cart, leases).expect("leases");
    set.reset(StartFrom::Beginning).await.expect("reset");
    rewrite_like_dotnet(&shop).await;
    let running = shop.start(StartFrom::Now, &seen).await;
    until_seen(&seen, &expected).await;
    running.stop().await;

    // The times of an earlier version, as .NET has rewritten them.
    set.reset(StartFrom::Beginning).await.expect("reset");
    for lease in shop.leases().await {
        shop.change_lease(lease, |lease| lease["properties"]["ResetTo"] = json!("01/01/1970 00:00:00")).await;
    }
    let running = shop.start(StartFrom::Now, &seen).await;
    until_seen(&seen, &expected).await;
    running.stop().await;
}

#[tokio::test]
async fn a_lease_that_starts_from_now_has_its_bookmark_before_the_first_change() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.put("before", 1).await;
    shop.start(StartFrom::Now, &seen).await.stop().await;
    shop.put("meanwhile", 1).await;
    let leases = shop.leases().await;
    assert!(leases.iter().all(|lease| lease["ContinuationToken"].is_string()), "{leases:?}");
    for lease in leases {
        // A .NET processor does not use the properties.
        shop.change_lease(lease, |lease| lease["properties"] = json!({})).await;
    }
    let running = shop.start(StartFrom::Now, &seen).await;
    until_seen(&seen, &["meanwhile=1"]).await;
    running.stop().await;
}

#[tokio::test]
async fn leases_with_a_random_partition_key_are_resumed() {
    let shop = Shop::open().await;
    create(&shop.client, "random", "/partitionKey").await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let random =
        shop.client.sdk().database_client("acme-webstore").container_client("random", None).await.expect("random");
    for mut lease in shop.leases().await {
        let (id, key) = (lease["id"].as_str().expect("id").to_owned(), format!("guid-{}", lease["LeaseToken"]));
        lease["partitionKey"] = json!(key);
        random.create_item(key, &id, lease, None).await.expect("lease");
    }
    shop.put("a", 1).await;
    let seen = Seen::default();
    let handler_seen = seen.clone();
    let processor = ChangeFeedProcessor::builder("p", shop.container("cart").await, shop.container("random").await)
        .poll_delay(Duration::from_millis(20))
        .build(move |_, changes| {
            handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
            std::future::ready(Ok::<(), std::io::Error>(()))
        });
    let running = processor.start().await.expect("started");
    until_seen(&seen, &["a=1"]).await;
    running.stop().await;
    let query = "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)";
    let leases = random.query_items::<Value>(query, FeedScope::full_container(), None).await.expect("query");
    let leases: Vec<Value> = leases.try_collect().await.expect("leases");
    assert!(leases.len() == 4 && leases.iter().all(|lease| lease["partitionKey"] != lease["id"]), "{leases:?}");
}
