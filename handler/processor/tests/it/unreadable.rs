//! Unreadable pages, and deeply nested items.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use changefeed_processor::{ProcessingError, StartFrom};
use local_cosmos::{Effect, Fault, RequestKind};
use log::Level;
use serde_json::{Value, json};

use crate::captured_log;
use crate::shop::{Seen, Shop, describe, until, until_seen};

/// The nesting limit of the endpoint.
const DEEPEST: usize = 124;

fn nested(id: &str, levels: usize) -> Value {
    let deep = (1..levels).fold(json!(null), |inner, _| json!([inner]));
    json!({"id": id, "cartId": id, "quantity": 1, "deep": deep})
}

#[tokio::test]
async fn an_item_of_maximum_depth_is_delivered_and_a_deeper_one_is_rejected() {
    let shop = Shop::open().await;
    shop.cart.create_item("deepest", "deepest", nested("deepest", DEEPEST), None).await.expect("create");
    let error = shop.cart.create_item("deeper", "deeper", nested("deeper", DEEPEST + 1), None).await;
    let error = error.expect_err("rejected");
    assert!(u16::from(error.status().status_code()) == 400 && error.to_string().contains("nested"), "{error}");
    let read: Value = shop.cart.read_item("deepest", "deepest", None).await.expect("read").into_model().expect("item");
    assert_eq!(read["deep"], nested("deepest", DEEPEST)["deep"]);

    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["deepest=1"]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_unreadable_page_is_logged_and_read_again() {
    captured_log::start();
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    shop.put("behind", 1).await;
    // One fault for the first page of each lease.
    let effect = Effect::Status { status: 400, substatus: 0 };
    let unreadable = Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 4, effect };
    shop.endpoint.inject(unreadable);
    let (reported, handler_seen) = (Arc::<Mutex<BTreeMap<String, String>>>::default(), seen.clone());
    let handler_reported = Arc::clone(&reported);
    let builder = shop.builder().await.start_from(StartFrom::Beginning).on_error(move |token, error| {
        assert!(matches!(error, ProcessingError::UnreadablePage(_)), "{error}");
        handler_reported.lock().expect("reported").insert(token.expect("token").to_owned(), error.to_string());
    });
    let processor = builder.build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    until("a report for every lease", async || reported.lock().expect("reported").len() == 4).await;
    for (token, error) in reported.lock().expect("reported").iter() {
        assert!(!captured_log::entries(Level::Error, &format!("lease {token}: {error}")).is_empty(), "{error}");
    }
    until_seen(&seen, &["behind=1"]).await;
    running.stop().await;
}
