//! Wrong input gets a clear answer, and the handler goes on.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Handler, World};

const BATCH: &str = "/CosmosChangeFeed";

async fn refused(handler: &Handler, path: &str, content_type: &str, body: &str) -> (StatusCode, String) {
    let (status, answer) = handler.send(Method::POST, path, content_type, body.to_owned()).await;
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{path} {body}: {answer}")).to_owned();
    (status, message)
}

#[tokio::test]
async fn a_body_that_is_no_batch_is_refused_by_what_is_wrong_with_it() {
    let world = World::new().await;
    let handler = world.handler();
    for (body, named) in [
        ("not json", "not an invocation"),
        ("", "not an invocation"),
        (r#"{"Metadata":{}}"#, "Data"),
        (r#"{"Data":{}}"#, "Data holds no documents"),
        (r#"{"Data":{"documents":{"id":"1"}}}"#, "must be an array"),
        (r#"{"Data":{"documents":"{}"}}"#, "must be an array"),
        (r#"{"Data":{"documents":7}}"#, "must be an array"),
    ] {
        let (status, message) = refused(&handler, BATCH, "application/json", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(message.contains(named), "{body}: {message}");
    }
    let (status, message) = refused(&handler, BATCH, "application/xml", "<a/>").await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(message.contains("application/xml") && message.contains("application/json"), "{message}");
    assert_eq!(handler.get("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn functions_name_the_property_that_is_wrong_and_what_is_allowed() {
    let world = World::new().await;
    let handler = world.handler();
    for (function, body, named) in [
        ("populate", json!({}), "count"),
        ("populate", json!({"count": 0}), "allowed are 1 to"),
        ("populate", json!({"count": -1}), "count"),
        ("populate", json!({"count": 1, "speed": 2}), "speed"),
        ("populate", json!({"count": 1, "ratePerSecond": 0}), "ratePerSecond"),
        ("truncate", json!({"container": "leases", "max": 1}), "events, changes"),
        ("truncate", json!({"container": "events", "max": 0}), "max is 0"),
        ("query", json!({"container": "nothing", "query": "SELECT 1"}), "events, changes, leases, jobs, dead-letters"),
        ("query", json!({"container": "events", "query": "SELEKT"}), "expected SELECT"),
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
        ("query", json!({"container": "jobs", "query": "SELECT * FROM c"}), "jobs"),
    ] {
        let (status, message) =
            refused(&handler, &format!("/api/{function}"), "application/json", &body.to_string()).await;
        assert!(status.is_client_error(), "{body}: {status} {message}");
        assert!(message.contains(named), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_path_or_method_that_is_none_is_told() {
    let world = World::new().await;
    let handler = world.handler();
    let (status, answer) = handler.get("/api/nothing").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("NotFound")));
    let (status, answer) = handler.get("/api/populate").await;
    assert_eq!((status, &answer["error"]["details"]["allowed"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("POST")));
}
