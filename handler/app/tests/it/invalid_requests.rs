//! Invalid requests: the response names what is wrong and what is allowed.

use reqwest::{Method, StatusCode};
use serde_json::json;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{DEADLINE, Handler, World, batch_of};

const BATCH: &str = "/CosmosChangeFeed";

async fn rejected(handler: &Handler, path: &str, content_type: &str, body: &str) -> (StatusCode, String) {
    let (status, answer) = handler.send(Method::POST, path, content_type, body.to_owned()).await;
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{path} {body}: {answer}")).to_owned();
    (status, message)
}

#[tokio::test]
async fn an_invalid_batch_is_rejected_with_the_reason() {
    let world = World::new().await;
    let handler = world.handler();
    for (body, named) in [
        ("not json", "not an invocation"),
        ("", "not an invocation"),
        (r#"{"Metadata":{}}"#, "Data"),
        (r#"{"Data":{}}"#, "Data contains no documents"),
        (r#"{"Data":{"documents":{"id":"1"}}}"#, "must be an array"),
        (r#"{"Data":{"documents":"{}"}}"#, "must be an array"),
        (r#"{"Data":{"documents":7}}"#, "must be an array"),
    ] {
        let (status, message) = rejected(&handler, BATCH, "application/json", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(message.contains(named), "{body}: {message}");
    }
    let (status, message) = rejected(&handler, BATCH, "application/xml", "<a/>").await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(message.contains("application/xml") && message.contains("application/json"), "{message}");
    assert_eq!(handler.get("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_invalid_request_is_rejected_with_the_property_and_the_allowed_values() {
    let world = World::new().await;
    let handler = world.handler();
    for (function, body, named) in [
        ("populate", json!({}), "count"),
        ("populate", json!({"count": 0}), "allowed are 1 to"),
        ("populate", json!({"count": -1}), "count"),
        ("populate", json!({"count": 1, "speed": 2}), "speed"),
        ("populate", json!({"count": 1, "ratePerSecond": 0}), "ratePerSecond"),
        ("populate", json!({"count": 1, "ratePerSecond": 1e-300}), "allowed are 0.1 to"),
        ("query", json!({"container": "events", "query": "SELECT * FROM c", "partitionKey": []}), "0 components"),
        (
            "query",
            json!({"container": "events", "query": "SELECT * FROM c", "partitionKey": ["a", "b"]}),
            "2 components",
        ),
        (
            "query",
            json!({"container": "events", "query": "SELECT VALUE COUNT(1) FROM c"}),
            "need a partition key value",
        ),
        ("truncate", json!({"container": "leases", "max": 1, "confirm": "leases"}), "use one of events"),
        ("truncate", json!({"container": "changes", "max": 1, "confirm": "changes"}), "use one of events"),
        ("truncate", json!({"container": "events", "max": 1}), "confirm"),
        ("truncate", json!({"container": "events", "max": 1, "confirm": "yes"}), "repeat the name of the container"),
        (
            "truncate",
            json!({"container": "events", "max": 1, "confirm": "events", "allowChanges": true}),
            "allowChanges",
        ),
        ("truncate", json!({"container": "events", "max": 0, "confirm": "events"}), "max is 0"),
        ("query", json!({"container": "nothing", "query": "SELECT 1"}), "events, changes, leases, jobs, dead-letters"),
        ("query", json!({"container": "events", "query": "SELEKT"}), "near 'SELEKT'"),
        (
            "query",
            json!({"container": "events", "query": format!("SELECT * FROM c WHERE {}c.a", "NOT ".repeat(100_000))}),
            "a chain of operators of 100001 steps",
        ),
        (
            "query",
            json!({"container": "events", "query": format!("SELECT * FROM c WHERE c{}", ".a".repeat(5000))}),
            "the maximum is 256",
        ),
        (
            "query",
            json!({"container": "events", "query": format!("SELECT * FROM c WHERE c.a{}", " AND c.a".repeat(100_000))}),
            "nested 100001 levels deep",
        ),
        (
            "query",
            json!({"container": "events", "query": "SELECT * FROM c", "maxItems": 5000}),
            "allowed are 1 to 1000",
        ),
        ("query", json!({"container": "events", "query": "SELECT * FROM c", "partitionKey": [[1]]}), "partition key"),
        (
            "query",
            json!({"container": "events", "query": "SELECT * FROM c", "continuation": "c1.nonsense"}),
            "continuation",
        ),
        ("query", json!({"container": "leases", "query": "SELECT * FROM c"}), "leases"),
    ] {
        let (status, message) =
            rejected(&handler, &format!("/api/{function}"), "application/json", &body.to_string()).await;
        assert!(status.is_client_error(), "{body}: {status} {message}");
        assert!(message.contains(named), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_reported_as_such_on_every_path() {
    let world = World::new().await;
    let handler = world.handler();
    for path in ["/api/restores", "/api/restores/none/undo", "/api/backups", "/api/verify", "/api/query"] {
        for body in ["{all: true}", "{\"all\": tru", "all", "{}}", "[", "{\"documents\":[{]}"] {
            let (status, message) = rejected(&handler, path, "application/json", body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body}");
            assert!(message.starts_with("the body is not JSON: "), "{path} {body}: {message}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_or_method_is_reported() {
    let world = World::new().await;
    let handler = world.handler();
    let (status, answer) = handler.get("/api/nothing").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("NotFound")));
    let (status, answer) = handler.get("/api/populate").await;
    assert_eq!(
        (status, &answer["error"]["details"]["allowed"]),
        (StatusCode::METHOD_NOT_ALLOWED, &json!("POST, OPTIONS"))
    );
    assert_eq!(answer["error"]["message"], "GET is not supported on /api/populate; allowed: POST, OPTIONS");
}

#[tokio::test]
async fn an_invalid_history_request_is_rejected_with_the_parameter() {
    let world = World::new().await;
    let handler = world.handler();
    let long = format!("/api/history/search?filter=a%3D{}", "x".repeat(20_000));
    for (path, named) in [
        ("/api/history/versions", "id is missing"),
        ("/api/history/versions?id=1", "pk"),
        ("/api/history/versions?id=1&pk=a&partitionKey=[1]", "one of pk"),
        ("/api/history/versions?id=1&partitionKey=[[1]]", "partitionKey"),
        ("/api/history/versions?id=1&pk=a&maxItems=0", "allowed are 1 to 1000"),
        ("/api/history/versions?id=1&pk=a&colour=red", "colour"),
        ("/api/history/versions?id=1&pk=a&continuation=x", "continuation"),
        ("/api/history/document?id=1&pk=a", "asOf"),
        ("/api/history/document?id=1&pk=a&asOf=noon", "RFC 3339"),
        ("/api/history/diff?id=1&pk=a&to=live", "from is missing"),
        ("/api/history/search?filter=c.x%3B%20DROP%3D1", "invalid field"),
        ("/api/history/search?filter=a%5B%27b%27%5D%3D1", "invalid field"),
        ("/api/history/search?filter=a%22%3D1", "invalid field"),
        (&long, "bytes"),
    ] {
        let (status, answer) = handler.get(path).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(named), "{path}: {status} {answer}");
    }
}

#[tokio::test]
async fn a_hostile_filter_value_matches_only_documents_with_this_value() {
    let world = World::new().await;
    let handler = world.handler();
    let hostile = "'] OR true -- \" \\ [c.x] {\"$ne\": 1}";
    let long = "y".repeat(10_000);
    let mut documents = Vec::new();
    for (id, name) in [("plain", "x"), ("hostile", hostile), ("long", &long)] {
        documents.push(world.put("a", json!({"id": id, "pk": "a", "name": name})).await);
    }
    handler.invoke(&batch_of(&documents), false).await;
    for (value, found) in [(hostile, "hostile"), (&long, "long")] {
        let request = json!({"filter": [format!("name={}", json!(value))], "asOf": "-0s", "dryRun": true});
        let (status, plan) = handler.post("/api/restores", &request).await;
        assert_eq!(status, StatusCode::OK, "{plan}");
        let ids: Vec<&str> =
            plan["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids, [found]);
    }
}

#[tokio::test]
async fn an_incomplete_or_ambiguous_restore_request_is_rejected() {
    let world = World::new().await;
    let handler = world.handler();
    for (request, named) in [
        (json!({}), "exactly one of: id and partitionKey"),
        (json!({"all": true}), "asOf, before, version"),
        (json!({"all": true, "asOf": "noon"}), "RFC 3339"),
        (json!({"id": "1", "asOf": 1}), "partitionKey"),
        (json!({"id": "1", "pk": "a", "partitionKey": ["a"], "asOf": 1}), "pk or partitionKey, not both"),
        (json!({"documents": [{"id": "1"}], "asOf": 1}), "documents[0]: a document needs pk"),
        (json!({"filter": ["a b c"], "asOf": 1}), "filter"),
        (json!({"all": true, "asOf": 1, "into": "changes"}), "into is \"changes\""),
        (json!({"partitionKey": ["a", "b"], "asOf": 1}), "2 components"),
        (json!({"all": true, "asOf": 1, "speed": 1}), "speed"),
    ] {
        let (status, answer) = handler.post("/api/restores", &request).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(named), "{request}: {status} {answer}");
    }
    let missing = json!({"id": "1", "partitionKey": ["a"], "version": "1592926406-nothing"});
    assert_eq!(handler.post("/api/restores", &missing).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        handler.post("/api/restores", &json!({"all": true, "asOf": 1, "into": "nowhere"})).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(handler.get("/api/restores/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(handler.post("/api/restores/nothing/undo", &json!({})).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_answered_after_half_a_minute() {
    let world = World::new().await;
    let handler = world.handler();
    let address = handler.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let interrupted = [BATCH, "/api/restores", "/api/truncate"].map(|path| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: 100\r\n\r\n{{\"Data\"");
        let address = &address;
        async move {
            let mut connection = tokio::net::TcpStream::connect(address).await.expect("connected");
            connection.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = vec![0; 1024];
            let read = tokio::time::timeout(DEADLINE, connection.read(&mut answer)).await;
            let length = read.unwrap_or_else(|_| panic!("{path}: no answer")).expect("an answer");
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("30 s"), "{path}: {answer}");
        }
    });
    futures::future::join_all(interrupted).await;
    assert_eq!(handler.get("/").await.0, StatusCode::OK);
}
