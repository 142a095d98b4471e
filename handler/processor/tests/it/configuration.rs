//! Settings that a processor refuses or corrects.

use std::sync::Arc;
use std::time::Duration;

use changefeed_processor::{ChangeFeedEstimator, ChangeFeedProcessor, ErrorKind, LeaseSet, ManualClock, StartFrom};

use crate::shop::{Seen, Shop, describe, until, until_seen};

#[tokio::test]
async fn a_processor_name_that_cannot_be_part_of_an_id_is_refused() {
    let shop = Shop::open().await;
    let (cart, leases) = (shop.container("cart").await, shop.container("lease").await);
    for name in ["a/b", "a\\b", "a?", "#"] {
        let processor = ChangeFeedProcessor::builder(name, cart.clone(), leases.clone())
            .build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
        for error in [
            processor.start().await.map(drop).expect_err("processor"),
            LeaseSet::open(name, cart.clone(), leases.clone()).map(drop).expect_err("leases"),
            ChangeFeedEstimator::new(name, cart.clone(), leases.clone()).map(drop).expect_err("estimator"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_delay_of_zero_still_pauses() {
    let shop = Shop::open().await;
    let clock = ManualClock::new(chrono::Utc::now());
    let builder = shop.builder().await.clock(&clock);
    let processor = builder
        .poll_delay(Duration::ZERO)
        .lease_acquire_interval(Duration::ZERO)
        .lease_renew_interval(Duration::ZERO)
        .build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    let running = processor.start().await.expect("started");
    // Each of the four leases is polled and renewed, and one task balances the leases.
    until("every task to pause", async || clock.sleepers().len() == 4 + 4 + 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_retry_without_a_delay_still_pauses() {
    let shop = Shop::open().await;
    shop.put("a", 1).await;
    let clock = ManualClock::new(chrono::Utc::now());
    let builder = shop.builder().await.clock(&clock).start_from(changefeed_processor::StartFrom::Beginning);
    let processor = builder
        .poll_delay(Duration::from_secs(3600))
        .lease_acquire_interval(Duration::from_secs(3600))
        .retry_delay(Duration::ZERO, Duration::ZERO)
        .build(|_, _| std::future::ready(Err::<(), _>("always")));
    let running = processor.start().await.expect("started");
    let retry = chrono::Duration::milliseconds(10);
    let now = changefeed_processor::Clock::from(&clock).now();
    // A pause before a retry has jitter.
    let is_pause = |wake: &chrono::DateTime<chrono::Utc>| (retry / 2..=retry).contains(&(*wake - now));
    until("the retry to pause", async || clock.sleepers().iter().any(is_pause)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_change_soon_after_another_does_not_wait_for_the_poll_delay() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.put("first", 1).await;
    let builder = shop.builder().await.poll_delay(Duration::from_secs(3600)).start_from(StartFrom::Beginning);
    let handler_seen = Arc::clone(&seen);
    let processor = builder.build(move |_, changes| {
        let seen = Arc::clone(&handler_seen);
        async move {
            seen.lock().expect("seen").extend(changes.iter().map(describe));
            Ok::<(), std::io::Error>(())
        }
    });
    let running = processor.start().await.expect("started");
    until_seen(&seen, &["first=1"]).await;
    for number in 2..5 {
        shop.put("first", number).await;
        until_seen(&seen, &[&format!("first={number}")]).await;
    }
    running.stop().await;
}
