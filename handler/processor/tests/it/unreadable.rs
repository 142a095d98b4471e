//! Pages that cannot be read, and items that are as deep as a page can have them.

use local_cosmos::{Effect, Fault, RequestKind};
use log::Level;
use serde_json::{Value, json};

use crate::log_book;
use crate::shop::{Seen, Shop, until, until_seen};
use changefeed_processor::StartFrom;

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
    let running = shop.start(StartFrom::Beginning, &seen).await;
    let reported = || log_book::entries(Level::Error, "the next page cannot be read");
    until("a report for every lease", async || reported().len() >= 4).await;
    assert!(reported().iter().all(|message| message.starts_with("lease ")), "{:?}", reported());
    until_seen(&seen, &["behind=1"]).await;
    running.stop().await;
}
