//! Documents that the real trigger cannot deliver stop the stand-in's trigger in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::captured_log;
use crate::cosmos_account::Account;
use crate::test_host::{App, TestHost, with_deadline};

const UNREPRESENTABLE: &str = "/Date(253402300800000)/";

async fn start(account: &Account, trigger: Value) -> TestHost {
    let retry = json!({"strategy": "fixedDelay", "maxRetryCount": -1, "delayInterval": "00:00:00.05"});
    let app = App::new(json!({})).with_trigger("OnChange", trigger, retry);
    let host = TestHost::start_with(app, &[], |options| account.connect(options)).await;
    with_deadline(host.running.wait_until_ready()).await.expect("a host");
    host
}

/// The batch of the next call, which succeeds.
async fn next(host: &TestHost) -> Vec<Value> {
    let mut call = host.call().await;
    let body = call.json().await;
    call.succeed().await;
    let text: String = serde_json::from_str(body["Data"]["documents"].as_str().expect("text")).expect("a string");
    serde_json::from_str(&text).expect("an array")
}

fn ids(documents: &[Value]) -> Vec<&str> {
    documents.iter().map(|document| document["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_document_that_the_trigger_cannot_deliver_stalls_its_lease_and_no_other_until_it_is_replaced() {
    captured_log::start();
    let account = Account::new().await;
    let host = start(&account, json!({"startFromBeginning": true})).await;
    account.write(json!({"id": "before", "pk": "a"})).await;
    assert_eq!(ids(&next(&host).await), ["before"]);
    account.write(json!({"id": "stalls-the-lease", "pk": "a", "at": UNREPRESENTABLE})).await;
    account.write(json!({"id": "behind", "pk": "a"})).await;

    // The lease is written again and again, without an owner and without progress.
    let mut written = BTreeMap::<String, BTreeSet<String>>::new();
    with_deadline(async {
        while written.values().all(|etags| etags.len() < 4) {
            for lease in account.leases().await.iter().filter(|lease| lease["Owner"].is_null()) {
                let key = format!("{} {}", lease["id"], lease["ContinuationToken"]);
                written.entry(key).or_default().insert(lease["_etag"].to_string());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(!captured_log::entries("the trigger threw an exception: document \"stalls-the-lease\"").is_empty());
    for pk in ["b", "c", "d", "e", "f"] {
        account.write(json!({"id": format!("other-{pk}"), "pk": pk})).await;
    }
    let others = next(&host).await;
    assert!(ids(&others).iter().all(|id| id.starts_with("other-")), "{others:?}");

    account.write(json!({"id": "stalls-the-lease", "pk": "a", "at": "2024-01-01T00:00:00Z"})).await;
    let mut delivered: Vec<Value> = Vec::new();
    while ids(&delivered).iter().filter(|id| !id.starts_with("other-")).count() < 2 {
        delivered.extend(next(&host).await);
    }
    let freed: Vec<&str> = ids(&delivered).into_iter().filter(|id| !id.starts_with("other-")).collect();
    assert_eq!(freed, ["behind", "stalls-the-lease"]);
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn a_lease_in_all_versions_mode_without_a_checkpoint_loses_the_batch_and_starts_from_now() {
    captured_log::start();
    let account = Account::new().await;
    let host = start(&account, json!({"changeFeedMode": "AllVersionsAndDeletes"})).await;
    assert!(account.leases().await.iter().all(|lease| lease["ContinuationToken"].is_null()));
    account.write(json!({"id": "is-lost", "pk": "a", "at": UNREPRESENTABLE})).await;
    with_deadline(async {
        while captured_log::entries("the trigger threw an exception: document \"is-lost\"").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut delivered = Vec::new();
    for number in 0..100 {
        account.write(json!({"id": format!("after-{number}"), "pk": "a"})).await;
        if let Ok(batch) = tokio::time::timeout(Duration::from_secs(1), next(&host)).await {
            delivered = batch;
            break;
        }
    }
    let first = delivered.first().expect("the trigger continues");
    assert!(first["current"]["id"].as_str().is_some_and(|id| id.starts_with("after-")), "{delivered:?}");
    with_deadline(host.running.stop()).await;
}
