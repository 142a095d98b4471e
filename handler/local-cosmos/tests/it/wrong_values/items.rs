//! Items: conditions, keys, ids and times to live.

use serde_json::{Value, json};

use super::{QUOTAS, Row, Scene, row};

const CONDITIONS: &str = "Database transactions and optimistic concurrency control";
const HEADERS: &str = "Common Azure Cosmos DB REST request headers";
const STATUS_CODES: &str = "HTTP status codes for Azure Cosmos DB";
const TTL: &str = "Time to Live (TTL) in Azure Cosmos DB";
const KEYS: &str = "Partitioning and horizontal scaling in Azure Cosmos DB";

fn write(method: &'static str, path: &str, source: &'static str, item: &Value) -> Row {
    row(method, path, source).key(&json!(["p"])).body(item)
}

#[tokio::test]
async fn conditions_of_writes() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p"})).await;
    let (a, new) = (json!({"id": "a", "pk": "p", "n": 1}), json!({"id": "new", "pk": "p"}));
    let stale = "\"00000000-0000-0000-0000-000000000000\"";
    scene
        .check(vec![
            write("PUT", "docs/a", HEADERS, &a).header("if-match", "*"),
            write("PUT", "docs/nope", HEADERS, &json!({"id": "nope", "pk": "p"})).header("if-match", "*").is(404),
            write("POST", "docs", HEADERS, &a).upsert().header("if-match", "*"),
            write("PUT", "docs/a", CONDITIONS, &a).header("if-match", stale).is(412),
            write("POST", "docs", CONDITIONS, &a).upsert().header("if-match", stale).is(412),
            write("POST", "docs", HEADERS, &new).upsert().header("if-none-match", "*").is(201),
            write("POST", "docs", STATUS_CODES, &a).is(409),
            row("DELETE", "docs/a", CONDITIONS).key(&json!(["p"])).header("if-match", stale).is(412),
            row("DELETE", "docs/a", HEADERS).key(&json!(["p"])).header("if-match", "*").is(204),
            row("DELETE", "docs/a", STATUS_CODES).key(&json!(["p"])).is(404),
            row("GET", "docs/new", HEADERS).key(&json!(["p"])).header("if-none-match", stale),
        ])
        .await;
}

#[tokio::test]
async fn a_path_through_a_scalar_or_to_an_object_gives_the_undefined_key() {
    let scene =
        Scene::with(json!({"id": "c", "partitionKey": {"paths": ["/a/b"], "kind": "Hash", "version": 2}})).await;
    let create = |id: &str, a: Value| row("POST", "docs", KEYS).body(&json!({"id": id, "a": a}));
    let undefined = json!([{}]);
    scene
        .check(vec![
            create("number", json!(1)).key(&undefined).is(201),
            create("text", json!("x")).key(&undefined).is(201),
            create("null", json!(null)).key(&undefined).is(201),
            create("list", json!([1])).key(&undefined).is(201),
            create("empty", json!({})).key(&undefined).is(201),
            create("wrong", json!(1)).key(&json!(["x"])).is(400).substatus(1001),
            create("other", json!({"b": "x"})).key(&undefined).is(400).substatus(1001),
            create("right", json!({"b": "x"})).key(&json!(["x"])).is(201),
            create("of-null", json!({"b": null})).key(&json!([null])).is(201),
            row("GET", "docs/number", KEYS).key(&undefined).has(json!({"a": 1})),
        ])
        .await;
}

#[tokio::test]
async fn ids_and_key_values_up_to_their_limits() {
    let scene = Scene::start().await;
    let with_id = |id: &str| write("POST", "docs", QUOTAS, &json!({"id": id, "pk": "p"}));
    let with_key = |id: &str, length: usize| {
        let key = "k".repeat(length);
        row("POST", "docs", QUOTAS).key(&json!([key])).body(&json!({"id": id, "pk": key}))
    };
    scene
        .check(vec![
            with_id(&"i".repeat(1_023)).is(201),
            with_id(&"i".repeat(1_024)).is(400),
            // The limit is in bytes.
            with_id(&"é".repeat(511)).is(201),
            with_id(&"é".repeat(512)).is(400),
            with_id("").is(400),
            write("POST", "docs", QUOTAS, &json!({"id": 1, "pk": "p"})).is(400),
            write("POST", "docs", QUOTAS, &json!({"pk": "p"})).is(400),
            with_key("k1", 2_048).is(201),
            with_key("k2", 2_049).is(400),
        ])
        .await;
}

#[tokio::test]
async fn times_to_live_are_positive_whole_numbers_or_minus_one() {
    let mut definition = json!({"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}});
    definition["defaultTtl"] = json!(-1);
    let scene = Scene::with(definition).await;
    let with_ttl = |ttl: Value| write("POST", "docs", TTL, &json!({"id": "a", "pk": "p", "ttl": ttl})).upsert();
    let mut rows = vec![with_ttl(json!(1_000)).is(201), with_ttl(json!(-1)), with_ttl(json!(i32::MAX))];
    for ttl in [json!(0), json!(-2), json!(null), json!("10"), json!(1.5), json!(2_147_483_648_u64), json!(true)] {
        rows.push(with_ttl(ttl).is(400));
    }
    scene.check(rows).await;
}

#[tokio::test]
async fn a_member_that_has_the_name_of_the_number_in_the_change_feed_is_there_once() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p", "_lsn": "mine"})).await;
    let feed = row("GET", "docs", "").key(&json!(["p"])).header("a-im", "Incremental Feed");
    let text = scene.succeed(feed).await.text();
    assert_eq!(text.matches("\"_lsn\"").count(), 1, "{text}");
    let read = scene.succeed(row("GET", "docs/a", "").key(&json!(["p"]))).await.text();
    assert!(read.matches("\"_lsn\"").count() <= 1, "{read}");
}
