//! Pages that cannot be read, and items that are as deep as a page can have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use changefeed_processor::{ProcessingError, StartFrom};
use local_cosmos::{Effect, Fault, RequestKind};
use log::Level;
use serde_json::{Value, json};

use crate::log_book;
use crate::shop::{Seen, Shop, describe, until, until_seen};

/// As many levels as the endpoint takes.
const DEEPEST: usize = 124;

fn nested(id: &str, levels: usize) -> Value {
    let deep = (1..levels).fold(json!(null), |inner, _| json!([inner]));
    json!({"id": id, "cartId": id, "quantity": 1, "deep": deep})
}

#[tokio::test]
async fn the_deepest_item_that_can_be_stored_is_delivered_and_a_deeper_one_is_refused() {
    let shop = Shop::open().await;
    shop.cart.create_item("deepest", "deepest", nested("deepest", DEEPEST), None).await.expect("create");
    let error = shop.cart.create_item("deeper", "deeper", nested("deeper", DEEPEST + 1), None).await;
    let error = error.expect_err("refused");
    assert!(u16::from(error.status().status_code()) == 400 && error.to_string().contains("nested"), "{error}");
    let read: Value = shop.cart.read_item("deepest", "deepest", None).await.expect("read").into_model().expect("item");
    assert_eq!(read["deep"], nested("deepest", DEEPEST)["deep"]);

    let seen = Seen::default();
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until_seen(&seen, &["deepest=1"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_an_error_in_the_log_and_is_read_again_not_skipped() {
    log_book::open();
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    shop.put("behind", 1).await;
    // One for the first page of each lease.
    let effect = Effect::Status { status: 400, substatus: 0 };
    let unreadable = Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 4, effect };
    shop.endpoint.inject(unreadable);
    let (told, handler_seen) = (Arc::<Mutex<BTreeMap<String, String>>>::default(), seen.clone());
    let handler_told = Arc::clone(&told);
    let builder = shop.builder().await.start_from(StartFrom::Beginning).on_error(move |token, error| {
        assert!(matches!(error, ProcessingError::UnreadablePage(_)), "{error}");
        handler_told.lock().expect("told").insert(token.expect("token").to_owned(), error.to_string());
    });
    let processor = builder.build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    until("a report for every lease", async || told.lock().expect("told").len() == 4).await;
    for (token, error) in told.lock().expect("told").iter() {
        assert!(!log_book::entries(Level::Error, &format!("lease {token}: {error}")).is_empty(), "{error}");
    }
    until_seen(&seen, &["behind=1"]).await;
    running.stop().await;
}
