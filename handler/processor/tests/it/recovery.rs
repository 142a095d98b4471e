//! Containers and leases that are deleted while an instance runs. It creates what it needs again, and misses no change after
//! its start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, TimeToLive};
use changefeed_processor::{ChangeFeedMode, OperationType, ProcessingError, RunningProcessor, StartFrom};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::json;

use crate::shop::{Seen, Shop, create, describe, until};

const DATABASE: &str = "acme-webstore";

/// An instance with what it received and reported.
struct Observed {
    running: RunningProcessor,
    seen: Seen,
    reported: Arc<Mutex<Vec<String>>>,
    /// The result of the last check of the leases.
    checked: Arc<Mutex<Option<Result<(), String>>>>,
}

impl Observed {
    async fn start(shop: &Shop, from: StartFrom) -> Self {
        let (seen, reported, checked) = (Seen::default(), Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let (handler_seen, handler_reported) = (Arc::clone(&seen), Arc::clone(&reported));
        let last: Arc<Mutex<Option<Result<(), String>>>> = Arc::clone(&checked);
        let builder = shop
            .builder()
            .await
            .start_from(from)
            .retry_delay(Duration::from_millis(20), Duration::from_millis(100))
            .on_error(move |_, error: &ProcessingError| {
                handler_reported.lock().expect("reported").push(error.to_string());
            })
            .on_leases_checked(move |checked| {
                *last.lock().expect("checked") = Some(checked.map_err(ToString::to_string));
            });
        let processor = builder.build(move |_, changes| {
            handler_seen.lock().expect("seen").extend(changes.iter().map(describe));
            std::future::ready(Ok::<(), std::io::Error>(()))
        });
        Self { running: processor.start().await.expect("started"), seen, reported, checked }
    }

    async fn until_received(&self, change: &str) {
        until(change, async || self.seen.lock().expect("seen").iter().any(|seen| seen == change)).await;
    }

    async fn until_checked(&self, what: &str, expected: impl Fn(&Result<(), String>) -> bool) {
        until(what, async || self.checked.lock().expect("checked").as_ref().is_some_and(&expected)).await;
    }

    fn has_reported(&self, text: &str) -> bool {
        self.reported.lock().expect("reported").iter().any(|error| error.contains(text))
    }
}

async fn delete(shop: &Shop, container: &'static str) {
    let container =
        shop.client.sdk().database_client(DATABASE).container_client(container, None).await.expect("container");
    container.delete(None).await.expect("deleted");
}

/// The container that has this name now. The SDK's cache may know the one that was deleted, for a moment.
async fn container(shop: &Shop, name: &'static str) -> ContainerClient {
    let found = Mutex::new(None);
    until(name, async || {
        let container = shop.client.sdk().database_client(DATABASE).container_client(name, None).await;
        let container = match container {
            Ok(container) if container.read(None).await.is_ok() => Some(container),
            _ => None,
        };
        *found.lock().expect("found") = container;
        found.lock().expect("found").is_some()
    })
    .await;
    found.into_inner().expect("found").expect("a container")
}

/// Writes into the container that has the name now.
async fn put(shop: &Shop, id: &str, quantity: u32) {
    let item = json!({"id": id, "cartId": id, "quantity": quantity});
    let write = async || {
        let cart = container(shop, "cart").await;
        cart.upsert_item(id.to_owned(), id, item.clone(), None).await.is_ok()
    };
    until(&format!("the write of {id}"), write).await;
}

async fn resource_id(shop: &Shop, name: &'static str) -> String {
    let properties = container(shop, name).await.read(None).await.expect("read").into_model().expect("model");
    properties.system_properties.resource_id.expect("a resource id")
}

#[tokio::test]
async fn a_monitored_container_that_is_deleted_and_created_again_is_read_from_the_start() {
    let shop = Shop::open().await;
    for number in 0..30 {
        shop.put("old", number).await;
    }
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    observed.until_received("old=29").await;
    delete(&shop, "cart").await;
    observed.until_checked("the missing container", Result::is_err).await;
    create(&shop.client, "cart", "/cartId").await;
    // Its number is lower than the bookmark of the old container.
    put(&shop, "old", 100).await;
    observed.until_received("old=100").await;
    observed.until_checked("the new leases", Result::is_ok).await;
    assert!(observed.has_reported("cart was deleted and created again"), "{:?}", observed.reported);
    put(&shop, "later", 1).await;
    observed.until_received("later=1").await;
    observed.running.stop().await;

    let rid = resource_id(&shop, "cart").await;
    let leases = shop.leases().await;
    let of_new = leases.iter().filter(|lease| lease["id"].as_str().expect("id").contains(&rid)).collect::<Vec<_>>();
    assert!(of_new.len() == 4 && of_new.iter().all(|lease| lease["Owner"].is_null()), "{leases:?}");
}

#[tokio::test]
async fn a_monitored_container_that_is_replaced_between_two_checks_is_read_from_the_start() {
    let shop = Shop::open().await;
    for number in 0..30 {
        shop.put("old", number).await;
    }
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    observed.until_received("old=29").await;
    delete(&shop, "cart").await;
    create(&shop.client, "cart", "/cartId").await;
    put(&shop, "old", 100).await;
    observed.until_received("old=100").await;
    observed.running.stop().await;
}

#[tokio::test]
async fn a_database_that_is_deleted_and_created_again_is_read_from_the_start() {
    let shop = Shop::open().await;
    shop.put("old", 1).await;
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    observed.until_received("old=1").await;
    shop.client.sdk().database_client(DATABASE).delete(None).await.expect("deleted");
    observed.until_checked("the missing database", Result::is_err).await;
    shop.client.sdk().create_database(DATABASE, None).await.expect("database");
    create(&shop.client, "lease", "/id").await;
    create(&shop.client, "cart", "/cartId").await;
    put(&shop, "new", 1).await;
    observed.until_received("new=1").await;
    observed.running.stop().await;
}

#[tokio::test]
async fn a_lease_container_that_is_deleted_and_created_again_gets_its_leases_back() {
    let shop = Shop::open().await;
    shop.put("old", 1).await;
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    observed.until_received("old=1").await;
    shop.lease_container().await.delete(None).await.expect("deleted");
    observed.until_checked("the missing container", Result::is_err).await;
    shop.put("meanwhile", 1).await;
    create(&shop.client, "lease", "/id").await;
    observed.until_received("meanwhile=1").await;
    observed.until_checked("the new leases", Result::is_ok).await;
    assert!(observed.has_reported("lease was deleted and created again"), "{:?}", observed.reported);
    shop.put("later", 1).await;
    observed.until_received("later=1").await;
    observed.running.stop().await;
}

#[tokio::test]
async fn deleted_leases_are_created_again() {
    let shop = Shop::open().await;
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    let owned = async || shop.leases().await.iter().filter(|lease| lease["Owner"].is_string()).count();
    for count in [1, 4] {
        until("every lease to be acquired", async || owned().await == 4).await;
        for lease in shop.leases().await.into_iter().take(count) {
            let id = lease["id"].as_str().expect("id").to_owned();
            shop.lease_container().await.delete_item(id.clone(), &id, None).await.expect("delete");
        }
        for number in 0..20 {
            shop.put(&format!("{count}-{number}"), 1).await;
        }
        for number in 0..20 {
            observed.until_received(&format!("{count}-{number}=1")).await;
        }
        // The owner of a deleted lease processes changes until it finds out.
        until("the report", async || observed.has_reported("no lease covers the range")).await;
    }
    until("every lease to be acquired", async || owned().await == 4).await;
    observed.running.stop().await;
}

#[tokio::test]
async fn missing_leases_that_cannot_be_created_are_reported_until_they_can() {
    let shop = Shop::open().await;
    let observed = Observed::start(&shop, StartFrom::Beginning).await;
    observed.until_checked("a check", Result::is_ok).await;
    shop.lease_container().await.delete(None).await.expect("deleted");
    let effect = Effect::Status { status: 403, substatus: 5300 };
    let (container, kind) = (Some("lease".to_owned()), RequestKind::Write);
    shop.endpoint.inject(Fault { container, kind, times: u32::MAX, effect });
    create(&shop.client, "lease", "/id").await;
    observed.until_checked("the failure", |checked| checked.as_ref().is_err_and(|error| error.contains("403"))).await;
    shop.endpoint.clear_faults();
    shop.put("late", 1).await;
    observed.until_received("late=1").await;
    observed.until_checked("the leases", Result::is_ok).await;
    observed.running.stop().await;
}

#[tokio::test]
async fn in_all_versions_mode_a_recreated_container_is_read_from_now() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    let handler_seen = Arc::clone(&seen);
    let builder = shop.builder().await.mode(ChangeFeedMode::AllVersionsAndDeletes);
    let processor = builder.build(move |_, changes| {
        let deleted = |change: &changefeed_processor::Change| {
            change.metadata.as_ref().and_then(|metadata| metadata.operation_type) == Some(OperationType::Delete)
        };
        let described = changes.iter().map(|change| if deleted(change) { "deleted".into() } else { describe(change) });
        handler_seen.lock().expect("seen").extend(described);
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    delete(&shop, "cart").await;
    let properties = ContainerProperties::new("cart", PartitionKeyDefinition::from("/cartId"))
        .with_default_ttl(TimeToLive::NoDefault);
    shop.client.sdk().database_client(DATABASE).create_container(properties, None).await.expect("container");
    let rid = resource_id(&shop, "cart").await;
    until("the new leases", async || {
        let leases = shop.leases().await;
        let is_new = |lease: &&serde_json::Value| lease["id"].as_str().is_some_and(|id| id.contains(&rid));
        leases.iter().filter(is_new).filter(|lease| lease["Owner"].is_string()).count() == 4
    })
    .await;
    put(&shop, "new", 1).await;
    container(&shop, "cart").await.delete_item("new", "new", None).await.expect("delete");
    until("the create and the delete", async || *seen.lock().expect("seen") == ["new=1", "deleted"]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_instance_that_must_not_create_leases_reports_the_gap_only() {
    let shop = Shop::open().await;
    let reported = Arc::<Mutex<Vec<String>>>::default();
    let handler_reported = Arc::clone(&reported);
    let builder = shop.builder().await.recreate_leases(false).on_error(move |_, error| {
        handler_reported.lock().expect("reported").push(error.to_string());
    });
    let running =
        builder.build(|_, _| std::future::ready(Ok::<(), std::io::Error>(()))).start().await.expect("started");
    shop.recreate_lease_container().await;
    until("the report", async || {
        reported.lock().expect("reported").iter().any(|error| error.contains("no lease covers the range -FF"))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.stop().await;
    assert!(shop.leases().await.is_empty());
}
