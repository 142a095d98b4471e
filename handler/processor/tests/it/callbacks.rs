//! Callbacks that panic.

use changefeed_processor::StartFrom;
use local_cosmos::{Effect, Fault, RequestKind};
use log::Level;

use crate::captured_log;
use crate::shop::{Seen, Shop, describe, until, until_seen};

#[tokio::test]
async fn a_panic_in_a_callback_is_logged_and_does_not_stop_the_processor() {
    captured_log::start();
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    shop.put("a", 1).await;
    // The first acquisition fails, which the balancing task reports with on_error.
    let effect = Effect::Status { status: 400, substatus: 0 };
    shop.endpoint.inject(Fault { container: Some("lease".into()), kind: RequestKind::Write, times: 1, effect });
    let handler_seen = seen.clone();
    let builder = shop.builder().await.start_from(StartFrom::Beginning);
    let processor = builder
        .on_lease_acquired(|token| panic!("acquired {token}"))
        .on_lease_released(|token| panic!("released {token}"))
        .on_error(|_, error| panic!("{error}"))
        .build(move |_, changes| {
            handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
            std::future::ready(Ok::<(), std::io::Error>(()))
        });
    let running = processor.start().await.expect("started");
    let owned = async || shop.leases().await.iter().all(|lease| lease["Owner"].is_string());
    until("every lease to be acquired", owned).await;
    until_seen(&seen, &["a=1"]).await;
    shop.put("b", 2).await;
    until_seen(&seen, &["b=2"]).await;
    running.stop().await;
    assert!(shop.leases().await.iter().all(|lease| lease["Owner"].is_null()), "every lease is released");
    for name in ["on_lease_acquired", "on_lease_released", "on_error"] {
        let logged = captured_log::entries(Level::Error, &format!("the callback of {name} panicked"));
        assert!(!logged.is_empty(), "{name}");
    }
}
