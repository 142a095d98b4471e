//! Faults that garble replies, affect one item, or affect reads of metadata.

use std::time::{Duration, Instant};

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use azure_data_cosmos::options::ChangeFeedStartFrom;
use futures::{StreamExt, TryStreamExt};
use local_cosmos::{Effect, Fault, Options, RequestKind};
use serde_json::{Value, json};

use crate::rest::{self, RawAnswer};
use crate::scene::{Scene, client};

const QUERY: [(&str, &str); 3] = [
    ("x-ms-documentdb-isquery", "true"),
    ("x-ms-documentdb-query-enablecrosspartition", "true"),
    ("content-type", "application/query+json"),
];

fn fault(kind: RequestKind, times: u32, effect: Effect) -> Fault {
    Fault { container: Some("c".into()), kind, times, effect }
}

async fn raw(scene: &Scene, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> RawAnswer {
    rest::send_raw(scene.endpoint.url(), method, path, headers, body).await
}

async fn query(container: &ContainerClient, text: &'static str) -> azure_data_cosmos::Result<Vec<Value>> {
    container.query_items::<Value>(text, FeedScope::full_container(), None).await?.try_collect().await
}

#[tokio::test]
async fn a_garbled_reply_has_its_status_and_headers_and_no_valid_body() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let requests: [(&str, &str, Headers<'_>, &str); 3] = [
        ("GET", "/dbs/db/colls/c/docs/a", &[("x-ms-documentdb-partitionkey", r#"["p"]"#)], ""),
        ("GET", "/dbs/db/colls/c/docs", &[("a-im", "Incremental Feed")], ""),
        ("POST", "/dbs/db/colls/c/docs", &QUERY, r#"{"query":"SELECT * FROM c"}"#),
    ];
    for (method, path, headers, body) in requests {
        let complete = raw(&scene, method, path, headers, body).await;
        assert_eq!(complete.status, 200);
        serde_json::from_slice::<Value>(&complete.body).expect("valid");
        scene.endpoint.inject(fault(RequestKind::Any, 1, Effect::Garble));
        let garbled = raw(&scene, method, path, headers, body).await;
        assert_eq!((garbled.status, garbled.header("x-ms-item-count")), (200, complete.header("x-ms-item-count")));
        assert!(
            garbled.body.len() > complete.body.len() / 4
                && complete.body.starts_with(&garbled.body[..garbled.body.len() / 2])
        );
        serde_json::from_slice::<Value>(&garbled.body).expect_err("not valid");
        assert!(String::from_utf8(garbled.body).is_err());
        assert_eq!(raw(&scene, method, path, headers, body).await.body.len(), complete.body.len(), "once only");
    }
}

#[tokio::test]
async fn the_sdk_reports_a_garbled_read_a_garbled_page_and_a_garbled_container() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    scene.endpoint.inject(fault(RequestKind::Read, 1, Effect::Garble));
    let read = scene.container.read_item("p", "a", None).await;
    assert!(read.and_then(|read| read.into_model::<Value>()).is_err());
    scene.endpoint.inject(fault(RequestKind::Query, 1, Effect::Garble));
    query(&scene.container, "SELECT * FROM c").await.expect_err("garbled");
    scene.endpoint.inject(fault(RequestKind::Metadata, 1, Effect::Garble));
    let fresh = client(&scene.endpoint).await;
    assert!(fresh.database_client("db").container_client("c", None).await.is_err());
    assert_eq!(scene.endpoint.pending_faults(), 0);
}

#[tokio::test]
async fn a_reply_without_a_body_leaves_the_fault_for_the_next_one() {
    let scene = Scene::start().await;
    scene.endpoint.inject(fault(RequestKind::ChangeFeed, 1, Effect::Garble));
    let headers = [("a-im", "Incremental Feed")];
    assert_eq!(scene.docs("GET", &headers, "").await.status, 304);
    assert_eq!(scene.endpoint.pending_faults(), 1);
    scene.upsert("p", "a", 1).await;
    let page = raw(&scene, "GET", "/dbs/db/colls/c/docs", &headers, "").await;
    assert!(page.status == 200 && serde_json::from_slice::<Value>(&page.body).is_err());
}

#[tokio::test]
async fn a_fault_of_one_item_affects_only_its_reads_its_writes_and_the_pages_that_have_it() {
    let scene = Scene::start().await;
    for id in ["a", "b", "c"] {
        scene.upsert("p", id, 1).await;
    }
    let garble = |kind| scene.endpoint.inject(fault(kind, 1, Effect::Garble).on_item("b"));
    let read = |id: &'static str| async { scene.container.read_item("p", id, None).await?.into_model::<Value>() };
    garble(RequestKind::Read);
    read("a").await.expect("not this one");
    read("b").await.expect_err("garbled");
    read("b").await.expect("once only");

    garble(RequestKind::Query);
    query(&scene.container, "SELECT * FROM c WHERE c.id = 'a'").await.expect("not this page");
    query(&scene.container, "SELECT c.n FROM c").await.expect("no ids");
    query(&scene.container, "SELECT * FROM c").await.expect_err("the page has it");

    let page = |etag: &'static str| {
        let headers = [("a-im", "Incremental Feed"), ("if-none-match", etag), ("x-ms-max-item-count", "1")];
        let scene = &scene;
        async move { raw(scene, "GET", "/dbs/db/colls/c/docs", &headers, "").await }
    };
    garble(RequestKind::ChangeFeed);
    for (etag, is_valid) in [("0", true), ("1", false), ("2", true)] {
        assert_eq!(serde_json::from_slice::<Value>(&page(etag).await.body).is_ok(), is_valid, "after {etag}");
    }

    let refuse = Effect::Status { status: 400, substatus: 0 };
    for kind in [RequestKind::Write, RequestKind::Query] {
        scene.endpoint.inject(fault(kind, 1, refuse.clone()).on_item("b"));
    }
    scene.upsert("p", "a", 2).await;
    let item = json!({"id": "b", "pk": "p", "n": 2});
    scene.container.upsert_item("p", "b", &item, None).await.expect_err("refused");
    query(&scene.container, "SELECT * FROM c WHERE c.id = 'a'").await.expect("not this page");
    let error = query(&scene.container, "SELECT c.id FROM c").await.expect_err("refused");
    assert_eq!(u16::from(error.status().status_code()), 400);
    assert_eq!(read("b").await.expect("read")["n"], 1, "the refused write was not done");
    assert_eq!(scene.endpoint.pending_faults(), 0);
}

#[tokio::test]
async fn the_sdk_reports_a_garbled_page_of_the_change_feed() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    scene.endpoint.inject(fault(RequestKind::ChangeFeed, 1, Effect::Garble).on_item("a"));
    let start = ChangeFeedStartFrom::Beginning;
    let mut pages =
        scene.container.query_change_feed::<Value>(FeedScope::partition("p"), start, None).await.expect("change feed");
    assert!(pages.next().await.expect("page").is_err());
}

#[tokio::test]
async fn reads_of_metadata_are_refused_delayed_lost_or_garbled_and_other_requests_are_not() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let reads = ["/", "/dbs/db", "/dbs/db/colls/c", "/dbs/db/colls/c/pkranges"];
    let get = |path: &'static str| raw(&scene, "GET", path, &[], "");
    let inject = |effect, times| {
        scene.endpoint.inject(Fault { container: None, kind: RequestKind::Metadata, times, effect });
    };
    inject(Effect::Status { status: 429, substatus: 3200 }, 4);
    scene.container.read_item("p", "a", None).await.expect("not metadata");
    for path in reads {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.header("x-ms-substatus")), (429, Some("3200")), "{path}");
        assert_eq!(get("/dbs/db/colls/c/docs").await.status, 200, "not metadata");
    }
    inject(Effect::Delay(Duration::from_millis(200)), 4);
    inject(Effect::LoseReply, 4);
    inject(Effect::Garble, 4);
    for path in reads {
        let before = Instant::now();
        assert!(get(path).await.status == 200 && before.elapsed() >= Duration::from_millis(200), "{path}");
    }
    for path in reads {
        assert_eq!(get(path).await.status, 0, "{path} is lost");
    }
    for path in reads {
        assert!(serde_json::from_slice::<Value>(&get(path).await.body).is_err(), "{path} is garbled");
    }
    for path in reads {
        serde_json::from_slice::<Value>(&get(path).await.body).expect("valid again");
    }
}

#[tokio::test]
async fn a_metadata_fault_of_one_container_does_not_affect_the_others_and_the_account() {
    let scene = Scene::start().await;
    scene.endpoint.inject(fault(RequestKind::Metadata, 10, Effect::Status { status: 503, substatus: 0 }));
    let status = |path: &'static str| async { raw(&scene, "GET", path, &[], "").await.status };
    assert_eq!((status("/").await, status("/dbs/db").await, status("/dbs/db/colls/x").await), (200, 200, 404));
    assert_eq!((status("/dbs/db/colls/c").await, status("/dbs/db/colls/c/pkranges").await), (503, 503));
}

#[tokio::test]
async fn the_control_interface_takes_an_item_and_garble() {
    let options = Options { control_port: Some(0), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    scene.upsert("p", "a", 1).await;
    let url = scene.endpoint.control_url().expect("control");
    let fault = json!({"container": "c", "item": "a", "kind": "query", "times": 1, "garble": true});
    let answer = rest::send(url, "POST", "/faults", &[], &fault.to_string()).await;
    assert_eq!(answer.json(), json!({"faults": [fault]}));
    query(&scene.container, "SELECT * FROM c").await.expect_err("garbled");
    query(&scene.container, "SELECT * FROM c").await.expect("once only");
}

#[tokio::test]
async fn a_lost_reply_does_not_arrive_if_its_status_has_no_body() {
    let scene = Scene::start().await;
    scene.upsert("p", "a", 1).await;
    let key: &[(&str, &str)] = &[("x-ms-documentdb-partitionkey", r#"["p"]"#)];
    let delete = async || raw(&scene, "DELETE", "/dbs/db/colls/c/docs/a", key, "").await.status;
    scene.endpoint.inject(fault(RequestKind::Write, 1, Effect::LoseReply));
    assert_eq!((delete().await, delete().await), (0, 404), "executed, and lost");
    scene.upsert("p", "a", 2).await;
    assert_eq!(delete().await, 204);
    let feed: &[(&str, &str)] = &[("a-im", "Incremental Feed"), ("if-none-match", "*")];
    let read = async || raw(&scene, "GET", "/dbs/db/colls/c/docs", feed, "").await.status;
    scene.endpoint.inject(fault(RequestKind::ChangeFeed, 1, Effect::LoseReply));
    assert_eq!((read().await, read().await), (0, 304));
}
