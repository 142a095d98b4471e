//! Starting, handling, stopping and resuming.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::{ChangeFeedEstimator, ChangeFeedProcessor, Clock, ManualClock, RunningProcessor, StartFrom};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use crate::shop::{Seen, Shop, create, describe, until, until_seen};

#[tokio::test]
async fn a_bookmark_takes_precedence_over_the_configured_start() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.put_into("cart", "surface-pro", 2).await;
    let running = shop.start(StartFrom::Now, &seen).await;
    shop.put_into("cart", "surface-book", 8).await;
    until_seen(&seen, &["surface-book=8"]).await;
    running.stop().await;

    shop.put_into("cart", "surface-go", 1).await;
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["surface-go=1"]).await;
    running.stop().await;

    shop.recreate_lease_container().await;
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["surface-book=8", "surface-go=1", "surface-pro=2"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_start_from_now_is_stored_even_without_changes() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Now, &seen).await.stop().await;
    shop.put("while-stopped", 1).await;
    let running = shop.start(StartFrom::Now, &seen).await;
    until_seen(&seen, &["while-stopped=1"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_start_from_a_time_delivers_only_later_changes() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.put("early", 1).await;
    let early: Value = shop.cart.read_item("early", "early", None).await.expect("read").into_model().expect("item");
    let written = early["_ts"].as_i64().expect("_ts");
    until("the next second", async || chrono::Utc::now().timestamp() > written).await;
    shop.put("late", 2).await;
    let start = StartFrom::Time(chrono::DateTime::from_timestamp(written, 0).expect("time"));
    let running = shop.start(start, &seen).await;
    until_seen(&seen, &["late=2"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_failed_batch_is_redelivered_and_only_its_lease_waits() {
    let shop = Shop::open().await;
    for number in 0..40 {
        shop.put(&format!("item-{number}"), number).await;
    }
    let (attempts, seen) = (Arc::new(AtomicUsize::new(0)), Seen::default());
    let (handler_attempts, handler_seen) = (Arc::clone(&attempts), Arc::clone(&seen));
    let processor = shop.builder().await.start_from(StartFrom::Beginning).build(move |context, changes| {
        let (attempts, seen) = (Arc::clone(&handler_attempts), Arc::clone(&handler_seen));
        async move {
            if context.lease_token() == "0" && attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("not yet");
            }
            assert!(
                context.lease_token() != "1" || attempts.fetch_add(1, Ordering::SeqCst) > 1,
                "a panic is a failure too"
            );
            seen.lock().expect("seen").extend(changes.iter().map(describe));
            Ok(())
        }
    });
    let running = processor.start().await.expect("started");
    until("every change", async || seen.lock().expect("seen").len() >= 40).await;
    running.stop().await;
    let mut found = seen.lock().expect("seen").clone();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 40);
}

#[tokio::test]
async fn a_batch_is_redelivered_if_the_handler_panics_before_it_returns_a_future() {
    let shop = Shop::open().await;
    shop.put("a", 1).await;
    let (calls, reported, seen) = (AtomicUsize::new(0), Arc::<Mutex<Vec<String>>>::default(), Seen::default());
    let (handler_reported, handler_seen) = (Arc::clone(&reported), Arc::clone(&seen));
    let builder = shop.builder().await.start_from(StartFrom::Beginning);
    let processor = builder
        // No balancing acquires the lease again.
        .lease_acquire_interval(Duration::from_secs(3600))
        .retry_delay(Duration::from_millis(20), Duration::from_millis(100))
        .on_error(move |_, error| handler_reported.lock().expect("reported").push(error.to_string()))
        .build(move |_, changes| {
            assert!(calls.fetch_add(1, Ordering::SeqCst) > 1, "twice");
            handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
            std::future::ready(Ok::<(), std::io::Error>(()))
        });
    let running = processor.start().await.expect("started");
    until_seen(&seen, &["a=1"]).await;
    running.stop().await;
    assert_eq!(*reported.lock().expect("reported"), ["the handler panicked", "the handler panicked"]);
    let leases = shop.leases().await;
    assert!(leases.iter().all(|lease| lease["Owner"].is_null() && lease["properties"].get("Failure").is_none()));
}

#[tokio::test]
async fn leases_have_the_dotnet_format_and_are_released_on_stop_with_their_bookmarks() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    shop.put("a", 1).await;
    until_seen(&seen, &["a=1"]).await;
    let held = shop.leases().await;
    assert!(held.iter().all(|lease| lease["Owner"].is_string()), "{held:?}");
    running.stop().await;

    let released = shop.leases().await;
    assert_eq!(released.len(), 4);
    for lease in &released {
        let token = lease["LeaseToken"].as_str().expect("token");
        let id = lease["id"].as_str().expect("id");
        assert!(id.starts_with("p127.0.0.1_") && id.ends_with(&format!("..{token}")), "{id}");
        assert_eq!(
            (&lease["version"], &lease["Mode"], &lease["Owner"]),
            (&json!(0), &json!("Incremental Feed"), &Value::Null)
        );
        assert!(lease["ContinuationToken"].as_str().is_some_and(|token| token.starts_with('"')), "{lease}");
        assert!(
            lease["FeedRange"]["Range"]["max"].is_string()
                && lease["timestamp"].is_string()
                && lease["properties"].is_object()
        );
    }
}

#[tokio::test]
async fn the_leases_of_a_killed_instance_are_acquired_after_they_expire() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    for lease in shop.leases().await {
        let killed = |lease: &mut Value| {
            lease["Owner"] = json!("killed");
            lease["timestamp"] = json!(chrono::Utc::now().to_rfc3339());
        };
        shop.change_lease(lease, killed).await;
    }
    shop.put("a", 1).await;
    let handler_seen = Arc::clone(&seen);
    let builder =
        shop.builder().await.start_from(StartFrom::Beginning).lease_expiration_interval(Duration::from_secs(2));
    let builder = builder.lease_renew_interval(Duration::from_millis(500));
    let processor = builder.build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    until_seen(&seen, &["a=1"]).await;
    until("the new owner", async || shop.leases().await.iter().all(|lease| lease["Owner"] != "killed")).await;
    running.stop().await;
}

#[tokio::test]
async fn the_estimator_counts_changes_that_are_not_handled_yet() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Now, &seen).await.stop().await;
    for number in 0..25 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    let estimator =
        ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await).expect("estimator");
    let lags = estimator.estimate().await.expect("lags");
    assert_eq!(lags.iter().filter_map(|lease| lease.lag).sum::<i64>(), 25, "{lags:?}");
    let running = shop.start(StartFrom::Now, &seen).await;
    until("all caught up", async || estimator.estimate().await.expect("lags").iter().all(|lease| lease.lag == Some(0)))
        .await;
    running.stop().await;
}

#[tokio::test]
async fn the_estimator_counts_a_change_in_a_partition_that_was_split_twice() {
    for number in 0..3 {
        let shop = Shop::open().await;
        shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
        let estimator = ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await)
            .expect("estimator");
        let lag = async || -> i64 {
            let lags = estimator.estimate().await.expect("lags");
            lags.iter().map(|lease| lease.lag.unwrap_or_else(|| panic!("{lags:?}"))).sum()
        };
        shop.put(&format!("item-{number}"), 1).await;
        // The SDK knows the partitions of the last look.
        assert!(lag().await > 0, "item-{number}");
        for round in 0..2 {
            shop.split_all().await;
            shop.split_all().await;
            assert!(lag().await > 0, "item-{number} after round {round}");
        }
    }
}

#[tokio::test]
async fn the_estimator_reports_an_unreadable_feed_and_the_lag_of_the_other_leases() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let effect = Effect::Status { status: 400, substatus: 0 };
    shop.endpoint.inject(Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 1, effect });
    let estimator =
        ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await).expect("estimator");
    let lags = estimator.estimate().await.expect("lags");
    let (failed, estimated): (Vec<_>, Vec<_>) = lags.iter().partition(|lease| lease.error.is_some());
    assert!(failed.len() == 1 && failed[0].lag.is_none() && failed[0].last_written.is_some(), "{lags:?}");
    assert!(estimated.len() == 3 && estimated.iter().all(|lease| lease.lag == Some(0)), "{lags:?}");
}

#[tokio::test]
async fn a_lease_is_stuck_after_a_minute_without_owner_or_by_a_failure_of_its_owner() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    for number in 0..25 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    let clock = ManualClock::new(chrono::Utc::now());
    let estimator = ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await)
        .expect("estimator")
        .clock(&clock);
    let stuck = async || {
        let lags = estimator.estimate().await.expect("lags");
        assert!(lags.iter().all(|lease| lease.lag > Some(0)), "{lags:?}");
        lags.iter().filter(|lease| lease.is_stuck).count()
    };
    assert_eq!(stuck().await, 0, "just released");
    clock.advance(Duration::from_secs(61));
    assert_eq!(stuck().await, 4);
    let held_by = async |owner: &str| {
        for lease in shop.leases().await {
            let failed = |lease: &mut Value| {
                (lease["Owner"], lease["properties"]["Holder"]) = (json!(owner), json!("ours"));
                lease["properties"]["HeldSince"] = json!(Clock::from(&clock).now().to_rfc3339());
                lease["timestamp"] = lease["properties"]["HeldSince"].clone();
                lease["properties"]["FailingSince"] = json!("2026-08-01T12:00:00Z");
                lease["properties"]["Failure"] = json!("the poison");
            };
            shop.change_lease(lease, failed).await;
        }
    };
    held_by("ours").await;
    assert_eq!(stuck().await, 4);
    held_by("dotnet").await;
    assert_eq!(stuck().await, 0, "the failure of another owner");
}

#[tokio::test]
async fn a_lease_container_with_another_partition_key_is_rejected() {
    let shop = Shop::open().await;
    create(&shop.client, "wrong", "/pk").await;
    let processor = ChangeFeedProcessor::builder("p", shop.container("cart").await, shop.container("wrong").await)
        .build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    let error = processor.start().await.expect_err("rejected").to_string();
    assert!(error.contains("wrong") && error.contains("/pk") && error.contains("/id"), "{error}");
}

#[tokio::test]
async fn a_poison_document_stops_only_its_lease_until_the_handler_is_repaired() {
    let shop = Shop::open().await;
    let (broken, reported, seen) =
        (Arc::new(AtomicBool::new(true)), Arc::<Mutex<Vec<String>>>::default(), Seen::default());
    let (handler_broken, handler_reported, handler_seen) =
        (Arc::clone(&broken), Arc::clone(&reported), Arc::clone(&seen));
    let builder = shop
        .builder()
        .await
        .start_from(StartFrom::Beginning)
        .retry_delay(Duration::from_millis(20), Duration::from_millis(100))
        .on_error(move |token, error| {
            handler_reported.lock().expect("reported").push(format!("{}: {error}", token.unwrap_or_default()));
        });
    let processor = builder.build(move |_, changes| {
        let changes: Vec<String> = changes.iter().map(describe).collect();
        let fails = handler_broken.load(Ordering::SeqCst) && changes.iter().any(|change| change == "poison=1");
        if !fails {
            handler_seen.lock().expect("seen").extend(changes);
        }
        std::future::ready(if fails { Err("the poison") } else { Ok(()) })
    });
    let running = processor.start().await.expect("started");
    shop.put("poison", 1).await;
    let estimator =
        ChangeFeedEstimator::new("p", shop.container("cart").await, shop.container("lease").await).expect("estimator");
    let stuck = async || {
        let leases = estimator.estimate().await.expect("lags");
        leases.into_iter().filter(|lease| lease.is_stuck).collect::<Vec<_>>()
    };
    until("the stuck lease", async || stuck().await.iter().any(|lease| lease.failure.is_some())).await;
    let lease = stuck().await.remove(0);
    let (_, failure) = lease.failure.expect("failure");
    assert_eq!((failure.as_str(), lease.lag), ("the handler failed: the poison", Some(1)));
    assert!(
        reported.lock().expect("reported").contains(&format!("{}: the handler failed: the poison", lease.lease_token))
    );

    // Only the lease of the poison document stops.
    for number in 0..20 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    until("the other leases", async || {
        let leases = estimator.estimate().await.expect("lags");
        leases.iter().filter(|other| other.lease_token != lease.lease_token).all(|other| other.lag == Some(0))
    })
    .await;
    assert!(!seen.lock().expect("seen").is_empty());
    assert_eq!(stuck().await.len(), 1);

    broken.store(false, Ordering::SeqCst);
    until("every change", async || seen.lock().expect("seen").len() == 21).await;
    until("no stuck lease", async || stuck().await.is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn an_expiration_below_the_renewal_interval_and_an_empty_name_are_rejected() {
    let shop = Shop::open().await;
    let idle = |_, _| std::future::ready(Ok::<(), std::io::Error>(()));
    let builder = shop.builder().await.lease_expiration_interval(Duration::from_secs(17));
    let error = builder.build(idle).start().await.expect_err("rejected").to_string();
    assert!(error.contains("renewed every 17s"), "{error}");
    let error = shop.builder().await.instance_name("").build(idle).start().await.expect_err("rejected").to_string();
    assert!(error.contains("name is empty"), "{error}");
}

/// An instance that ignores changes, and the errors that it reports.
async fn start_reporting(shop: &Shop) -> (RunningProcessor, Arc<Mutex<Vec<String>>>) {
    let reported = Arc::<Mutex<Vec<String>>>::default();
    let handler_reported = Arc::clone(&reported);
    let builder = shop
        .builder()
        .await
        .on_error(move |_, error| handler_reported.lock().expect("reported").push(error.to_string()));
    let processor = builder.build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    (processor.start().await.expect("started"), reported)
}

#[tokio::test]
async fn leases_that_are_deleted_while_a_processor_runs_are_reported() {
    let shop = Shop::open().await;
    let (running, reported) = start_reporting(&shop).await;
    shop.recreate_lease_container().await;
    until("the report", async || {
        reported.lock().expect("reported").iter().any(|error| error.contains("no lease covers the range -FF"))
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn overlapping_leases_are_reported() {
    let shop = Shop::open().await;
    shop.start(StartFrom::Now, &Seen::default()).await.stop().await;
    let mut twice = shop.leases().await.remove(0);
    let range = twice["FeedRange"]["Range"].clone();
    let token = format!("{}-{}", range["min"].as_str().expect("min"), range["max"].as_str().expect("max"));
    let prefix = twice["id"].as_str().expect("id").split("..").next().expect("prefix").to_owned();
    let id = format!("{prefix}..{token}");
    (twice["id"], twice["LeaseToken"], twice["version"]) = (json!(id), json!(token), json!(1));
    shop.lease_container().await.create_item(id.clone(), &id, twice, None).await.expect("lease");
    let (running, reported) = start_reporting(&shop).await;
    let report = format!("more than one lease covers the range {token}");
    until("the report", async || reported.lock().expect("reported").iter().any(|error| error.contains(&report))).await;
    running.stop().await;
}
