//! The behaviour of every route: unknown parameters are rejected, and headers state the allowed methods and the retry time.

use std::path::Path;

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, batch_of};

/// The paths and methods in `routes.rs`.
fn routes() -> Vec<(String, Vec<Method>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes.rs");
    let source = std::fs::read_to_string(path).expect("routes.rs");
    let calls = source.split("resource(\"").skip(1).filter_map(|rest| rest.split_once("\", \""));
    let methods = |text: &str| {
        let text = text.split('"').next().expect("methods");
        text.split(", ").map(|method| method.parse().expect("a method")).collect()
    };
    calls.map(|(path, rest)| (path.replace("{id}", "none"), methods(rest))).collect()
}

#[tokio::test]
async fn every_route_rejects_an_unknown_parameter() {
    let world = World::new().await;
    let handler = world.handler();
    let routes = routes();
    assert!(routes.len() > 20, "{routes:?}");
    for (path, methods) in routes {
        for method in methods {
            let target = format!("{path}?colour=red");
            let (status, answer) = handler.send(method.clone(), &target, "application/json", "").await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(
                status == StatusCode::BAD_REQUEST && message.starts_with("unknown parameter \"colour\"; "),
                "{method} {target}: {status} {answer}"
            );
        }
    }
}

#[tokio::test]
async fn every_route_answers_a_wrong_method_with_the_allowed_methods() {
    let world = World::new().await;
    let handler = world.handler();
    for (path, methods) in routes() {
        let response = handler.respond(Method::PUT, &path, "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = response.headers()["allow"].to_str().expect("text").to_owned();
        let expected: Vec<&str> = methods.iter().map(Method::as_str).collect();
        assert_eq!(allowed, expected.join(", "), "{path}");
    }
}

#[tokio::test]
async fn a_response_that_asks_for_a_retry_has_a_retry_time() {
    let world = World::new().await;
    let handler = world.handler();
    let stored = world.put("a", json!({"id": "1", "pk": "a"})).await;
    let encoded = Value::String(batch_of(&[stored])).to_string();
    let body = json!({"Data": {"documents": encoded}, "Metadata": {}}).to_string();
    world.endpoint.inject(Fault {
        container: Some("changes".into()),
        kind: RequestKind::Write,
        times: 1000,
        effect: Effect::Status { status: 503, substatus: 0 },
    });
    let response = handler.respond(Method::POST, "/CosmosChangeFeed", &body).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u32 = response.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}
