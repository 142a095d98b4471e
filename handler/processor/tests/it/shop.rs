//! The fixture of the tests: an embedded endpoint with a monitored container and a lease container.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive};
use changefeed_cosmos::Client;
use changefeed_processor::{
    Change, ChangeFeedProcessor, Container, ProcessorBuilder, RunningProcessor, StartFrom, connect,
};
use futures::TryStreamExt;
use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A monitored container, `cart`, and one for leases.
pub struct Shop {
    pub endpoint: Endpoint,
    pub client: Client,
    pub cart: ContainerClient,
}

/// The changes that a handler received, as `id=quantity`.
pub type Seen = Arc<Mutex<Vec<String>>>;

impl Shop {
    pub async fn open() -> Self {
        let endpoint = Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("endpoint");
        let client = connect(&endpoint.connection_string()).await.expect("client");
        client.sdk().create_database("acme-webstore", None).await.expect("database");
        create(&client, "cart", "/cartId").await;
        create(&client, "lease", "/id").await;
        let cart = client.sdk().database_client("acme-webstore").container_client("cart", None).await.expect("cart");
        Self { endpoint, client, cart }
    }

    /// Splits every physical partition of the cart.
    pub async fn split_all(&self) {
        for partition in self.endpoint.partitions("acme-webstore", "cart").await.expect("partitions") {
            self.endpoint.split("acme-webstore", "cart", Some(&partition.id), Duration::ZERO).await.expect("split");
        }
    }

    /// Deletes all leases.
    pub async fn recreate_lease_container(&self) {
        let leases = self.lease_container().await;
        leases.delete(None).await.expect("delete");
        create(&self.client, "lease", "/id").await;
    }

    pub async fn lease_container(&self) -> ContainerClient {
        self.client.sdk().database_client("acme-webstore").container_client("lease", None).await.expect("lease")
    }

    /// Changes a lease document and replaces it.
    pub async fn change_lease(&self, mut lease: Value, change: impl FnOnce(&mut Value)) {
        change(&mut lease);
        let id = lease["id"].as_str().expect("id").to_owned();
        self.lease_container().await.replace_item(id.clone(), &id, lease, None).await.expect("replace");
    }

    pub async fn put(&self, id: &str, quantity: u32) {
        self.put_into(id, id, quantity).await;
    }

    pub async fn put_into(&self, cart: &str, id: &str, quantity: u32) {
        let item = json!({"id": id, "cartId": cart, "quantity": quantity});
        self.cart.upsert_item(cart.to_owned(), id, item, None).await.expect("upsert");
    }

    pub async fn container(&self, name: &str) -> Container {
        Container::open(&self.client, "acme-webstore", name).await.expect("container")
    }

    pub async fn builder(&self) -> ProcessorBuilder {
        ChangeFeedProcessor::builder("p", self.container("cart").await, self.container("lease").await)
            .poll_delay(Duration::from_millis(20))
            .lease_acquire_interval(Duration::from_millis(100))
    }

    pub async fn start(&self, from: StartFrom, seen: &Seen) -> RunningProcessor {
        let seen = Arc::clone(seen);
        let processor = self.builder().await.start_from(from).build(move |_, changes| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().expect("seen").extend(changes.iter().map(describe));
                Ok::<(), std::io::Error>(())
            }
        });
        processor.start().await.expect("started")
    }

    pub async fn leases(&self) -> Vec<Value> {
        let leases = self.lease_container().await;
        let query = "SELECT * FROM c WHERE IS_DEFINED(c.LeaseToken)";
        let items = leases
            .query_items::<Value>(query, azure_data_cosmos::FeedScope::full_container(), None)
            .await
            .expect("query");
        items.try_collect().await.expect("leases")
    }
}

pub async fn create(client: &Client, name: &'static str, key: &'static str) {
    let properties =
        ContainerProperties::new(name, PartitionKeyDefinition::from(key)).with_default_ttl(TimeToLive::NoDefault);
    client.sdk().database_client("acme-webstore").create_container(properties, None).await.expect("container");
}

pub fn describe(change: &Change) -> String {
    let document = change.current.as_ref().expect("current");
    format!("{}={}", document["id"].as_str().expect("id"), document["quantity"])
}

/// Polls until the condition holds; panics after three minutes.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: timed out after three minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for as many changes, compares them in sorted order, and clears `seen`.
pub async fn until_seen(seen: &Seen, expected: &[&str]) {
    until(&format!("{expected:?}"), async || seen.lock().expect("seen").len() >= expected.len()).await;
    let mut found = seen.lock().expect("seen").split_off(0);
    found.sort();
    assert_eq!(found, expected);
}
