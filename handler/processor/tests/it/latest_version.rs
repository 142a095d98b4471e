//! A walk through LatestVersion mode with a shopping cart, from the first start to an item that expires.

use changefeed_processor::StartFrom;
use local_cosmos::ItemScope;
use serde_json::{Value, json};

use crate::shop::{Seen, Shop, until};

const CART: &str = "cart-1";

impl Shop {
    async fn write(&self, item: Value) {
        let id = item["id"].as_str().expect("id").to_owned();
        self.cart.upsert_item(CART, &id, item, None).await.expect("upsert");
    }

    /// Runs an instance during `while_it_runs` and until every lease has caught up. Returns the changes it received.
    async fn run(&self, from: StartFrom, while_it_runs: impl AsyncFnOnce(&Seen)) -> Vec<String> {
        let seen = Seen::default();
        let running = self.start(from, &seen).await;
        while_it_runs(&seen).await;
        self.caught_up().await;
        running.stop().await;
        seen.lock().expect("seen").split_off(0)
    }

    async fn caught_up(&self) {
        let estimator = changefeed_processor::ChangeFeedEstimator::new(
            "p",
            self.container("cart").await,
            self.container("lease").await,
        )
        .expect("estimator");
        let at_end = async || {
            let lags = estimator.estimate().await.expect("lags");
            !lags.is_empty() && lags.iter().all(|lease| lease.lag == Some(0) && !lease.is_free)
        };
        until("the end of the feed", at_end).await;
    }
}

async fn nothing(_: &Seen) {}

async fn until_received(seen: &Seen, change: &str) {
    until(change, async || seen.lock().expect("seen").iter().any(|seen| seen == change)).await;
}

fn surface_pro(quantity: u32) -> Value {
    json!({"id": "pro", "cartId": CART, "item": "Surface Pro", "quantity": quantity})
}

fn surface_book(ttl: Option<u32>) -> Value {
    let mut item = json!({"id": "book", "cartId": CART, "item": "Surface Book", "quantity": 8});
    if let Some(ttl) = ttl {
        (item["ttl"], item["quantity"]) = (json!(ttl), json!(9));
    }
    item
}

#[tokio::test]
async fn the_shopping_cart_in_latest_version_mode() {
    let shop = Shop::open().await;
    let (now, beginning) = (StartFrom::Now, StartFrom::Beginning);

    // 1. A processor starts from now.
    shop.write(surface_pro(2)).await;
    assert!(shop.run(now, nothing).await.is_empty());
    // 2. From the beginning.
    assert_eq!(shop.run(beginning, nothing).await, ["pro=2"]);
    // 3. A bookmark takes precedence over the configured start.
    assert!(shop.run(beginning, nothing).await.is_empty());
    // 4. Without leases, everything is delivered again.
    shop.recreate_lease_container().await;
    // 5. A second document is written while the instance runs.
    let changes = shop.run(beginning, async |seen: &Seen| {
        until_received(seen, "pro=2").await;
        shop.write(surface_book(None)).await;
        until_received(seen, "book=8").await;
    });
    assert_eq!(changes.await, ["pro=2", "book=8"]);
    // 6. Both are delivered in the order of their changes.
    shop.recreate_lease_container().await;
    assert_eq!(shop.run(beginning, nothing).await, ["pro=2", "book=8"]);
    // 7. A replace is delivered at once; a later reader does not receive the version that was replaced.
    let changes = shop.run(beginning, async |seen: &Seen| {
        shop.write(surface_pro(3)).await;
        until_received(seen, "pro=3").await;
    });
    assert_eq!(changes.await, ["pro=3"]);
    shop.recreate_lease_container().await;
    assert_eq!(shop.run(beginning, nothing).await, ["book=8", "pro=3"]);
    // 8. Deletes are not delivered; later changes are.
    let changes = shop.run(beginning, async |_: &Seen| {
        shop.cart.delete_item(CART, "book", None).await.expect("delete");
    });
    assert!(changes.await.is_empty());
    // 9. An item with a time to live is delivered, and deleted when it expires.
    let changes = shop.run(beginning, async |seen: &Seen| {
        shop.write(surface_book(None)).await;
        until_received(seen, "book=8").await;
        shop.write(surface_book(Some(3600))).await;
        until_received(seen, "book=9").await;
        let book = ItemScope { id: Some("book".to_owned()), partition_key: None };
        assert_eq!(shop.endpoint.expire_now("acme-webstore", "cart", book).await, Ok(1));
        let error = shop.cart.read_item(CART, "book", None).await.expect_err("expired");
        assert!(error.status().is_not_found(), "{error}");
    });
    assert_eq!(changes.await, ["book=8", "book=9"]);
    // 10. Only existing documents are delivered.
    shop.recreate_lease_container().await;
    assert_eq!(shop.run(beginning, nothing).await, ["pro=3"]);
}
