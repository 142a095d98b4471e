//! Leases that other processors wrote or own, and faults while leases are acquired.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use changefeed_processor::StartFrom;
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::shop::{Seen, Shop, until};

fn by_token<'a>(leases: &'a [Value], token: &str) -> &'a Value {
    leases.iter().find(|lease| lease["LeaseToken"] == token).expect("lease")
}

#[tokio::test]
async fn leases_of_older_processors_are_read_and_retain_unknown_fields() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    let before = shop.leases().await;
    for lease in before.clone() {
        let aged = |lease: &mut Value| {
            let token = lease["LeaseToken"].clone();
            let fields = lease.as_object_mut().expect("object");
            fields.remove("FeedRange");
            fields.insert("PartitionId".into(), token);
            fields.insert("unknown".into(), json!({"kept": true}));
        };
        shop.change_lease(lease, aged).await;
    }
    for number in 0..20 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    let running = shop.start(StartFrom::Beginning, &seen).await;
    until("every change", async || seen.lock().expect("seen").len() >= 20).await;
    running.stop().await;

    let after = shop.leases().await;
    assert_eq!(after.len(), 4);
    for lease in &before {
        let now = by_token(&after, lease["LeaseToken"].as_str().expect("token"));
        assert_eq!((&now["FeedRange"], &now["PartitionId"]), (&lease["FeedRange"], &lease["LeaseToken"]));
        assert_eq!(now["unknown"], json!({"kept": true}));
    }
}

#[tokio::test]
async fn an_invalid_lease_and_a_failed_acquisition_do_not_delay_other_leases() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    shop.change_lease(shop.leases().await.remove(0), |lease| lease["timestamp"] = json!("yesterday")).await;
    let effect = Effect::Status { status: 400, substatus: 0 };
    shop.endpoint.inject(Fault { container: Some("lease".into()), kind: RequestKind::Write, times: 1, effect });
    let builder = shop.builder().await.lease_acquire_interval(Duration::from_secs(3600));
    let processor = builder.build(|_, _| std::future::ready(Ok::<(), std::io::Error>(())));
    let running = processor.start().await.expect("started");
    let held = async || shop.leases().await.iter().filter(|lease| lease["Owner"].is_string()).count();
    until("the other two leases", async || held().await == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_lease_is_processed_at_once_if_the_reply_to_its_acquisition_is_lost() {
    let shop = Shop::open().await;
    let seen = Seen::default();
    shop.start(StartFrom::Beginning, &seen).await.stop().await;
    for number in 0..20 {
        shop.put(&format!("item-{number}"), 1).await;
    }
    shop.endpoint.inject(Fault {
        container: Some("lease".into()),
        kind: RequestKind::Write,
        times: 1,
        effect: Effect::LoseReply,
    });
    let handler_seen = seen.clone();
    let builder = shop.builder().await.start_from(StartFrom::Beginning);
    let processor = builder.lease_acquire_interval(Duration::from_secs(3600)).build(move |_, changes| {
        handler_seen.lock().expect("seen").extend(changes.iter().map(crate::shop::describe));
        std::future::ready(Ok::<(), std::io::Error>(()))
    });
    let running = processor.start().await.expect("started");
    until("every change", async || seen.lock().expect("seen").len() == 20).await;
    running.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_lost_while_the_handler_runs_is_not_checkpointed() {
    let shop = Shop::open().await;
    shop.put("a", 1).await;
    let (running_on, resume) = (Arc::new(Mutex::new(None)), Arc::new(Notify::new()));
    let (handler_running_on, handler_resume) = (Arc::clone(&running_on), Arc::clone(&resume));
    let builder = shop.builder().await.start_from(StartFrom::Beginning);
    let processor = builder.build(move |context, _| {
        let (running_on, resume) = (Arc::clone(&handler_running_on), Arc::clone(&handler_resume));
        async move {
            *running_on.lock().expect("token") = Some(context.lease_token().to_owned());
            resume.notified().await;
            *running_on.lock().expect("token") = None;
            Ok::<(), std::io::Error>(())
        }
    });
    let running = processor.start().await.expect("started");
    until("the handler", async || running_on.lock().expect("token").is_some()).await;
    let token = running_on.lock().expect("token").clone().expect("token");
    let before = by_token(&shop.leases().await, &token).clone();
    shop.change_lease(before.clone(), |lease| lease["Owner"] = json!("other")).await;
    resume.notify_one();
    until("the end of the handler", async || running_on.lock().expect("token").is_none()).await;
    running.stop().await;

    let after = by_token(&shop.leases().await, &token).clone();
    assert_eq!(after["Owner"], "other");
    assert_eq!(after["ContinuationToken"], before["ContinuationToken"]);
}

#[tokio::test]
async fn a_failed_start_releases_its_lock() {
    let shop = Shop::open().await;
    let effect = Effect::Status { status: 400, substatus: 0 };
    shop.endpoint.inject(Fault { container: Some("cart".into()), kind: RequestKind::ChangeFeed, times: 1, effect });
    let idle = |_, _| std::future::ready(Ok::<(), std::io::Error>(()));
    shop.builder().await.build(idle).start().await.expect_err("the first page cannot be read");
    let locks = async || {
        let leases = shop.lease_container().await;
        let query = "SELECT * FROM c WHERE ENDSWITH(c.id, '.lock')";
        let scope = azure_data_cosmos::FeedScope::full_container();
        let locks = leases.query_items::<Value>(query, scope, None).await.expect("query");
        futures::TryStreamExt::try_collect::<Vec<Value>>(locks).await.expect("locks")
    };
    assert!(locks().await.is_empty(), "the next start does not wait for a lock to expire");
    shop.builder().await.build(idle).start().await.expect("started").stop().await;
}
