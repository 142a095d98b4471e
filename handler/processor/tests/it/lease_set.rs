//! Export, import and reset of leases.

use std::time::Duration;

use changefeed_processor::{
    ChangeFeedEstimator, ChangeFeedMode, ChangeFeedProcessor, ErrorKind, LeaseSet, ManualClock, StartFrom,
};
use serde_json::{Value, json};

use crate::shop::{Seen, Shop, create, until, until_seen};

async fn lease_set(shop: &Shop, name: &str, leases: &str) -> LeaseSet {
    LeaseSet::open(name, shop.container("cart").await, shop.container(leases).await).expect("leases")
}

#[tokio::test]
async fn exported_leases_resume_in_another_container_under_another_name() {
    let shop = Shop::open().await;
    create(&shop.client, "elsewhere", "/partitionKey").await;
    let seen = Seen::default();
    shop.put("before", 1).await;
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["before=1"]).await;
    running.stop().await;

    let exported = lease_set(&shop, "p", "lease").await.export().await.expect("export");
    assert_eq!(exported.len(), 4);
    assert!(exported.iter().all(|lease| lease["Owner"].is_null() && lease.get("_etag").is_none()), "{exported:?}");
    let elsewhere = lease_set(&shop, "moved", "elsewhere").await;
    assert_eq!(elsewhere.import(exported.clone(), false).await.expect("import"), 4);
    let error = elsewhere.import(exported.clone(), false).await.expect_err("already present");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(elsewhere.import(exported, true).await.expect("overwritten"), 4);

    shop.put("after", 2).await;
    let handler_seen = seen.clone();
    let processor =
        ChangeFeedProcessor::builder("moved", shop.container("cart").await, shop.container("elsewhere").await)
            .poll_delay(Duration::from_millis(20))
            .start_from(StartFrom::Beginning)
            .build(move |_, changes| {
                handler_seen.lock().expect("seen").extend(changes.iter().map(crate::shop::describe));
                std::future::ready(Ok::<(), std::io::Error>(()))
            });
    let running = processor.start().await.expect("started");
    until_seen(&seen, &["after=2"]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_import_does_not_count_a_lease_that_it_could_not_store() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let exported = lease_set(&shop, "p", "lease").await.export().await.expect("export");
    let id = exported[0]["id"].as_str().expect("id").replacen('p', "moved", 1);
    let container = shop.lease_container().await;
    // Not a valid lease, so that it is not listed among the leases.
    container.create_item(id.clone(), &id, json!({"id": id}), None).await.expect("create");

    let set = lease_set(&shop, "moved", "lease").await;
    let error = set.import(exported.clone(), true).await.expect_err("not stored");
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains(&id), "{error}");
    container.delete_item(id.clone(), &id, None).await.expect("delete");
    assert_eq!(set.import(exported, true).await.expect("import"), 4);
    assert_eq!(set.all().await.expect("leases").len(), 4);
}

#[tokio::test]
async fn leases_of_another_container_and_invalid_or_incomplete_sets_are_not_imported() {
    let shop = Shop::open().await;
    create(&shop.client, "other", "/cartId").await;
    let set = lease_set(&shop, "p", "lease").await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let exported = set.export().await.expect("export");
    let set_of_four = exported.clone();
    let other = LeaseSet::open("p", shop.container("other").await, shop.container("lease").await).expect("leases");
    let error = other.import(exported, false).await.expect_err("another container's");
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("other"), "{error}");
    let error = set.import(vec![json!({"id": 3})], true).await.expect_err("invalid");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let some = set.export().await.expect("export").split_off(1);
    for part in [some, Vec::new()] {
        let error = set.import(part, true).await.expect_err("not the whole container");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("leave out"), "{error}");
    }
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut documents = set_of_four.clone();
        change(&mut documents);
        documents
    };
    for (documents, flaw) in [
        (changed(&|all| all.push(all[0].clone())), "more than once"),
        (changed(&|all| all[1]["FeedRange"]["Range"]["min"] = json!("")), "more than once"),
        (changed(&|all| all[1]["Mode"] = json!("Full-Fidelity Feed")), "different modes"),
    ] {
        let error = set.import(documents, true).await.expect_err(flaw);
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(flaw), "{error}");
    }
    assert_eq!(set.all().await.expect("leases").len(), 4);
    assert_eq!((set.gap().await.expect("gap"), set.overlap().await.expect("overlap")), (None, None));
}

#[tokio::test]
async fn a_reset_to_now_creates_a_lease_for_each_part_of_a_split_partition() {
    for mode in [ChangeFeedMode::LatestVersion, ChangeFeedMode::AllVersionsAndDeletes] {
        let shop = Shop::open().await;
        let seen = Seen::default();
        let started = async || {
            let handler_seen = seen.clone();
            let processor = shop.builder().await.mode(mode).build(move |_, changes| {
                handler_seen.lock().expect("seen").extend(changes.iter().map(crate::shop::describe));
                std::future::ready(Ok::<(), std::io::Error>(()))
            });
            processor.start().await.expect("started")
        };
        started().await.stop().await;
        shop.split_all().await;
        for number in 0..20 {
            shop.put(&format!("missed-{number}"), 1).await;
        }
        let set = lease_set(&shop, "p", "lease").await;
        assert_eq!(set.reset(StartFrom::Now).await.expect("reset"), 8, "{mode}");
        let leases = shop.leases().await;
        let starts = |lease: &Value| lease["ContinuationToken"].is_string() && lease["version"] == 0;
        assert!(leases.len() == 8 && leases.iter().all(starts), "{mode}: {leases:?}");
        shop.put("newest", 4).await;
        let running = started().await;
        until_seen(&seen, &["newest=4"]).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_lease_expires_after_the_interval_of_its_owner_or_else_after_a_minute() {
    let shop = Shop::open().await;
    let builder = shop.builder().await.lease_expiration_interval(Duration::from_secs(600));
    let idle = builder.build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    let running = idle.start().await.expect("started");
    until("every lease to be taken", async || shop.leases().await.iter().all(|lease| lease["Owner"].is_string())).await;
    running.stop().await;
    let now = chrono::Utc::now();
    let hold = async |has_interval: bool| {
        for lease in shop.leases().await {
            let killed = |lease: &mut Value| {
                lease["timestamp"] = json!(now.to_rfc3339());
                lease["Owner"] = if has_interval { lease["properties"]["Holder"].clone() } else { json!("dotnet") };
            };
            shop.change_lease(lease, killed).await;
        }
    };
    for (has_interval, seconds) in [(true, 600), (false, 60)] {
        hold(has_interval).await;
        let clock = ManualClock::new(now);
        let set = lease_set(&shop, "p", "lease").await.clock(&clock);
        let estimator = estimator(&shop).await.clock(&clock);
        let free = async || estimator.estimate().await.expect("lags").iter().all(|lease| lease.is_free);
        clock.advance(Duration::from_secs(seconds));
        let error = set.reset(StartFrom::Now).await.expect_err("held");
        assert!(error.kind() == ErrorKind::Conflict && !free().await, "{error}");
        clock.advance(Duration::from_secs(1));
        assert!(free().await);
        set.reset(StartFrom::Now).await.expect("free");
    }
}

async fn estimator(shop: &Shop) -> ChangeFeedEstimator {
    ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await).expect("estimator")
}

#[tokio::test]
async fn leases_are_reset_to_the_beginning_to_a_time_and_to_now() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let set = lease_set(&shop, "p", "lease").await;
    shop.put("early", 1).await;
    let early: Value = shop.cart.read_item("early", "early", None).await.expect("read").into_model().expect("item");
    let written = early["_ts"].as_i64().expect("_ts");
    until("the next second", async || chrono::Utc::now().timestamp() > written).await;
    shop.put("late", 2).await;
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["early=1", "late=2"]).await;
    let error = set.reset(StartFrom::Beginning).await.expect_err("held");
    assert!(error.kind() == ErrorKind::Conflict && error.to_string().contains("stop every instance"), "{error}");
    running.stop().await;

    let time = StartFrom::Time(chrono::DateTime::from_timestamp(written, 0).expect("time"));
    for (start, expected) in [(StartFrom::Beginning, vec!["early=1", "late=2"]), (time, vec!["late=2"])] {
        assert_eq!(set.reset(start).await.expect("reset"), 4);
        // A reset takes precedence over the configured start.
        let running = shop.start(StartFrom::Now, &seen).await;
        until_seen(&seen, &expected).await;
        running.stop().await;
    }
    shop.put("missed", 3).await;
    set.reset(StartFrom::Now).await.expect("reset");
    let running = shop.start(StartFrom::Beginning, &seen).await;
    shop.put("newest", 4).await;
    until_seen(&seen, &["newest=4"]).await;
    running.stop().await;
}

#[tokio::test]
async fn leases_of_another_mode_are_rejected_with_the_remedy() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let idle = |_, _| std::future::ready(Ok::<(), std::io::Error>(()));
    let builder = shop.builder().await.mode(ChangeFeedMode::AllVersionsAndDeletes);
    let error = builder.build(idle).start().await.expect_err("another mode").to_string();
    assert!(error.contains("LatestVersion") && error.contains("leaseContainerPrefix"), "{error}");
    let builder = shop.builder().await.mode(ChangeFeedMode::AllVersionsAndDeletes).start_from(StartFrom::Beginning);
    let error = builder.build(idle).start().await.expect_err("no beginning").to_string();
    assert!(error.contains("starts from now"), "{error}");
}
