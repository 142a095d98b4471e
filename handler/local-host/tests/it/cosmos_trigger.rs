//! Cosmos DB triggers: from a change in a container to the handler and to the checkpoint.

use serde_json::{Value, json};

use crate::cosmos_account::Account;
use crate::test_host::{App, Call, TestHost, with_deadline};

fn app(retry: Value) -> App {
    App::new(json!({})).with_cosmos("OnChange", retry)
}

fn unlimited_retries() -> Value {
    json!({"strategy": "fixedDelay", "maxRetryCount": -1, "delayInterval": "00:00:00.05"})
}

async fn start(account: &Account, app: App) -> TestHost {
    let host = TestHost::start_with(app, &[], |options| {
        account.connect(options);
        options.restart_limit = None;
    })
    .await;
    with_deadline(host.running.wait_until_ready()).await.expect("a host");
    host
}

/// The documents of the batch, without system properties.
async fn batch(call: &mut Call) -> Vec<Value> {
    let body = call.json().await;
    let text: String =
        serde_json::from_str(body["Data"]["documents"].as_str().expect("text")).expect("a string in a string");
    let mut documents: Vec<Value> = serde_json::from_str(&text).expect("an array");
    for document in &mut documents {
        assert!(document["_etag"].is_string() && document["_ts"].is_i64() && document["_lsn"].is_i64(), "{document}");
        document.as_object_mut().expect("an object").retain(|name, _| !name.starts_with('_'));
    }
    documents
}

/// The ids in the batch of the next call, which succeeds.
async fn next_ids(host: &TestHost) -> Vec<String> {
    let mut call = host.call().await;
    let documents = batch(&mut call).await;
    call.succeed().await;
    documents.iter().map(|document| document["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_change_reaches_the_function_as_newtonsoft_rewrites_it() {
    let account = Account::new().await;
    let host = start(&account, app(Value::Null)).await;
    account.write(json!({"id": "1", "pk": "a", "at": "2024-01-01T00:00:00.000Z", "n": 12.50})).await;
    let mut call = host.call().await;
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/OnChange"));
    assert_eq!(batch(&mut call).await, [json!({"id": "1", "pk": "a", "at": "2024-01-01T00:00:00Z", "n": 12.5})]);
    call.succeed().await;
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn changes_before_the_first_start_are_delivered_only_from_the_beginning() {
    let account = Account::new().await;
    account.write(json!({"id": "before", "pk": "a"})).await;
    let all = json!({"startFromBeginning": true, "leaseContainerPrefix": "all-", "name": "documents"});
    let app = App::new(json!({})).with_cosmos("OnlyNew", Value::Null).with_trigger("All", all, Value::Null);
    let host = start(&account, app).await;
    let mut call = host.call().await;
    assert_eq!(call.path, "/All");
    assert_eq!(batch(&mut call).await, [json!({"id": "before", "pk": "a"})]);
    call.succeed().await;
    account.write(json!({"id": "after", "pk": "a"})).await;
    let mut functions = Vec::new();
    for _ in 0..2 {
        let mut call = host.call().await;
        assert_eq!(batch(&mut call).await, [json!({"id": "after", "pk": "a"})]);
        functions.push(call.path.clone());
        call.succeed().await;
    }
    functions.sort();
    assert_eq!(functions, ["/All", "/OnlyNew"]);
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn every_version_and_delete_reaches_the_function_in_its_envelope() {
    let account = Account::new().await;
    let mode = json!({"changeFeedMode": "AllVersionsAndDeletes"});
    let app = App::new(json!({})).with_trigger("OnChange", mode, unlimited_retries());
    let host = start(&account, app).await;
    account.write(json!({"id": "1", "pk": "a", "n": 1})).await;
    account.write(json!({"id": "1", "pk": "a", "n": 2})).await;
    account.delete("a", "1").await;
    let mut changes = Vec::new();
    while changes.len() < 3 {
        let mut call = host.call().await;
        let body = call.json().await;
        let text: String = serde_json::from_str(body["Data"]["documents"].as_str().expect("text")).expect("text");
        changes.extend(serde_json::from_str::<Vec<Value>>(&text).expect("an array"));
        call.succeed().await;
    }
    let delivered: Vec<(&Value, &Value)> =
        changes.iter().map(|change| (&change["metadata"]["operationType"], &change["current"]["n"])).collect();
    assert_eq!(
        delivered,
        [(&json!("create"), &json!(1)), (&json!("replace"), &json!(2)), (&json!("delete"), &Value::Null)]
    );
    assert_eq!((&changes[2]["metadata"]["id"], &changes[2]["current"]), (&json!("1"), &json!({})));
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn a_batch_that_succeeded_is_not_delivered_again_to_the_next_host() {
    let account = Account::new().await;
    let first = start(&account, app(Value::Null)).await;
    account.write(json!({"id": "1", "pk": "a"})).await;
    assert_eq!(next_ids(&first).await, ["1"]);
    account.write(json!({"id": "2", "pk": "a"})).await;
    // A second batch arrives only after the first was checkpointed.
    let call = first.call().await;
    with_deadline(first.running.stop()).await;
    call.abandoned().await;
    let leases = account.leases().await;
    assert!(!leases.is_empty() && leases.iter().all(|lease| lease["Owner"].is_null()), "{leases:?}");
    let second = start(&account, app(Value::Null)).await;
    assert_eq!(next_ids(&second).await, ["2"]);
    with_deadline(second.running.stop()).await;
}

#[tokio::test]
async fn a_batch_that_failed_without_a_retry_policy_is_skipped() {
    let account = Account::new().await;
    let host = start(&account, app(Value::Null)).await;
    account.write(json!({"id": "skipped", "pk": "a"})).await;
    let mut call = host.call().await;
    call.body().await;
    call.answer("500 Internal Server Error", &[], "").await;
    account.write(json!({"id": "next", "pk": "a"})).await;
    assert_eq!(next_ids(&host).await, ["next"]);
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn a_batch_in_flight_when_the_host_stops_is_delivered_by_the_next_host() {
    let account = Account::new().await;
    let first = start(&account, app(unlimited_retries())).await;
    account.write(json!({"id": "1", "pk": "a"})).await;
    let mut call = first.call().await;
    let first_id = call.header("x-azure-functions-invocationid").map(str::to_owned);
    assert_eq!(batch(&mut call).await.len(), 1);
    with_deadline(first.running.stop()).await;
    call.abandoned().await;

    let second = start(&account, app(unlimited_retries())).await;
    let mut call = second.call().await;
    assert_ne!(call.header("x-azure-functions-invocationid").map(str::to_owned), first_id);
    assert_eq!(batch(&mut call).await, [json!({"id": "1", "pk": "a"})]);
    call.succeed().await;
    with_deadline(second.running.stop()).await;
}

#[tokio::test]
async fn a_retry_policy_redelivers_a_batch_after_the_handler_is_killed() {
    let account = Account::new().await;
    let host = start(&account, app(unlimited_retries())).await;
    let mut process = host.process().await;
    account.write(json!({"id": "1", "pk": "a"})).await;
    let mut call = host.call().await;
    let id = call.header("x-azure-functions-invocationid").map(str::to_owned);
    call.body().await;
    process.command("abort").await;
    process.ended().await;
    host.process().await;
    let mut call = host.call().await;
    assert_eq!(call.header("x-azure-functions-invocationid").map(str::to_owned), id);
    assert_eq!(batch(&mut call).await, [json!({"id": "1", "pk": "a"})]);
    call.succeed().await;
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn batches_do_not_exceed_the_maximum_size() {
    let account = Account::new().await;
    for id in ["1", "2", "3"] {
        account.write(json!({"id": id, "pk": "a"})).await;
    }
    let trigger = json!({"startFromBeginning": true, "maxItemsPerInvocation": 2});
    let host = start(&account, App::new(json!({})).with_trigger("OnChange", trigger, Value::Null)).await;
    assert_eq!(next_ids(&host).await, ["1", "2"]);
    assert_eq!(next_ids(&host).await, ["3"]);
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn a_trigger_waits_until_its_containers_exist() {
    let account = Account::empty().await;
    let host = TestHost::start_with(app(Value::Null), &[], |options| account.connect(options)).await;
    with_deadline(host.running.wait_until_handler_ready()).await.expect("a handler");
    account.create_containers().await;
    with_deadline(host.running.wait_until_ready()).await.expect("a host");
    account.write(json!({"id": "1", "pk": "a"})).await;
    assert_eq!(next_ids(&host).await, ["1"]);
    with_deadline(host.running.stop()).await;
}
