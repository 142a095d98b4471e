//! Session tokens, continuations, account keys and charges.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{CONTAINER, QUOTAS, Scene, row};
use crate::wire::Wire;

const CHARGES: &str = "Request Units in Azure Cosmos DB: a point read of 1 KB costs 1, of 100 KB costs 10";
const WRITES: &str =
    "Understand request units consumption in Azure Cosmos DB: operations on an item of 1 KB with 10 properties";
const LARGE_WRITE: &str = "Optimize request cost in Azure Cosmos DB: a write of 100 KB costs 50";

#[tokio::test]
async fn an_empty_session_token_is_no_token() {
    let scene = Scene::start().await;
    scene.upsert(json!({"id": "a", "pk": "p"})).await;
    const SESSION: &str = "Consistency levels: a client without a token reads as with eventual consistency";
    let key = json!(["p"]);
    scene
        .check(vec![
            row("GET", "docs/a", SESSION).key(&key).header("x-ms-session-token", ""),
            row("POST", "docs", SESSION).key(&key).header("x-ms-session-token", "").query("SELECT * FROM c"),
            row("GET", "docs/a", SESSION).key(&key).header("x-ms-session-token", "0:nonsense").is(400),
        ])
        .await;
}

#[tokio::test]
async fn continuations_are_headers_in_ascii_whatever_the_values_are() {
    let scene = Scene::start().await;
    for n in 0..6 {
        scene.upsert(json!({"id": format!("ключ-{n}"), "pk": "p", "name": format!("日本語 😀 {n}")})).await;
    }
    for query in ["SELECT VALUE c.id FROM c", "SELECT VALUE c.id FROM c ORDER BY c.name"] {
        let mut ids = Vec::new();
        let mut continuation: Option<String> = None;
        for page in 0.. {
            assert!(page < 10, "{query} has no last page");
            let mut request =
                row("POST", "docs", "").key(&json!(["p"])).header("x-ms-max-item-count", "2").query(query);
            if let Some(continuation) = &continuation {
                request = request.header("x-ms-continuation", continuation);
            }
            let answer = scene.succeed(request).await;
            ids.extend(answer.json()["Documents"].as_array().expect("Documents").clone());
            let Some(next) = answer.header("x-ms-continuation") else { break };
            assert!(next.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{query}: {next}");
            continuation = Some(next.to_owned());
        }
        assert_eq!(ids.len(), 6, "{query}: {ids:?}");
    }
}

#[tokio::test]
async fn a_signature_with_another_key_is_refused() {
    let scene = Scene::start().await;
    let stranger = Wire::with_key(scene.endpoint.url(), &STANDARD.encode([7; 64]));
    for (method, path) in [("GET", "/dbs/db"), ("GET", CONTAINER), ("GET", "/dbs/db/colls/c/docs/a"), ("POST", "/dbs")]
    {
        let answer = stranger.send(method, path, &Vec::new(), b"{\"id\":\"x\"}").await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.summary());
    }
}

#[tokio::test]
async fn point_reads_cost_what_is_published() {
    let scene = Scene::start().await;
    for (id, bytes, right) in [("small", 1_000, 1.0), ("large", 100_000, 10.0)] {
        scene.upsert(json!({"id": id, "pk": "p", "text": "x".repeat(bytes)})).await;
        let read = scene.succeed(row("GET", &format!("docs/{id}"), CHARGES).key(&json!(["p"]))).await;
        let charge: f64 = read.header("x-ms-request-charge").and_then(|text| text.parse().ok()).expect("a charge");
        assert!((charge - right).abs() <= right * 0.2, "{bytes} bytes: {charge}; right: {right} ({CHARGES})");
    }
}

#[tokio::test]
async fn writes_cost_what_is_published() {
    let scene = Scene::start().await;
    let item = |id: &str, bytes: usize, changed: i64| {
        json!({"id": id, "pk": "p", "a": 1, "b": changed, "c": "red", "d": true, "e": 2.5, "f": "north",
            "g": changed, "text": "x".repeat(bytes)})
    };
    let row = |method, path: &str, source| row(method, path, source).key(&json!(["p"]));
    let operations = json!([{"op": "set", "path": "/b", "value": 3}, {"op": "set", "path": "/g", "value": 3}]);
    for (what, request, right) in [
        ("create", row("POST", "docs", WRITES).body(&item("small", 900, 1)), 7.0),
        ("replace", row("PUT", "docs/small", WRITES).body(&item("small", 900, 2)), 10.8),
        ("patch", row("PATCH", "docs/small", WRITES).body(&operations), 11.6),
        ("delete", row("DELETE", "docs/small", WRITES), 7.0),
        ("create of 100 KB", row("POST", "docs", LARGE_WRITE).body(&item("large", 100 * 1024, 1)), 50.0),
    ] {
        let source = request.source;
        let answer = scene.succeed(request).await;
        let charge: f64 = answer.header("x-ms-request-charge").and_then(|text| text.parse().ok()).expect("a charge");
        assert!((charge - right).abs() <= right * 0.2, "{what}: {charge}; right: {right} ({source})");
    }
}

#[tokio::test]
async fn a_continuation_of_another_query_is_refused() {
    let scene = Scene::start().await;
    for n in 0..6 {
        scene.upsert(json!({"id": format!("{n}"), "pk": "p", "n": n, "m": -n})).await;
    }
    let page = |query: &str| row("POST", "docs", "").key(&json!(["p"])).header("x-ms-max-item-count", "2").query(query);
    const SORTED: &str = "SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.n";
    let first = scene.succeed(page(SORTED)).await;
    let continuation = first.header("x-ms-continuation").expect("another page").to_owned();
    for (query, status) in [
        (SORTED, 200),
        // Clients that resume a sort change the filter.
        ("SELECT VALUE c.n FROM c WHERE c.n >= 2 ORDER BY c.n", 200),
        ("SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.n DESC", 400),
        ("SELECT VALUE c.n FROM c WHERE c.n >= 0 ORDER BY c.m", 400),
        ("SELECT VALUE c.m FROM c WHERE c.n >= 0 ORDER BY c.n", 400),
        ("SELECT VALUE c.n FROM c WHERE c.n >= 0", 400),
    ] {
        let answer = scene.send(&page(query).header("x-ms-continuation", &continuation)).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.summary());
        match status {
            200 => assert_eq!(answer.json()["Documents"], json!([2, 3]), "{query}"),
            _ => assert!(answer.text().contains("belongs to another query"), "{query}: {}", answer.summary()),
        }
    }
}

#[tokio::test]
async fn items_and_batches_have_a_largest_size() {
    let scene = Scene::start().await;
    let item = |bytes: usize| json!({"id": "a", "pk": "p", "text": "x".repeat(bytes)});
    let create = |bytes: usize| row("POST", "docs", QUOTAS).key(&json!(["p"])).upsert().body(&item(bytes));
    let batch = |count: usize| {
        let operations: Vec<_> = (0..count)
            .map(|n| json!({"operationType": "Upsert", "resourceBody": {"id": format!("b{n}"), "pk": "p"}}))
            .collect();
        row("POST", "docs", QUOTAS)
            .key(&json!(["p"]))
            .header("x-ms-cosmos-is-batch-request", "True")
            .header("x-ms-cosmos-batch-atomic", "True")
            .body(&json!(operations))
    };
    scene.check(vec![create(2_000_000).is(201), create(2_200_000).is(413), batch(100), batch(101).is(400)]).await;
}
