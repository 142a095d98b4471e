//! The behaviour of every route: unknown parameters are rejected, every list has pages of the requested length, and headers state the
//! allowed methods and the retry time.

use std::path::Path;

use local_cosmos::{Effect, Fault, RequestKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Handler, World, batch_of, version_id};

/// The paths and methods in `routes.rs`.
pub fn routes() -> Vec<(String, Vec<Method>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes.rs");
    let source = std::fs::read_to_string(path).expect("routes.rs");
    let calls = source.split("resource(\"").skip(1).filter_map(|rest| rest.split_once("\", \""));
    let methods = |text: &str| {
        let text = text.split('"').next().expect("methods");
        text.split(", ").map(|method| method.parse().expect("a method")).collect()
    };
    calls.map(|(path, rest)| (path.replace("{id}", "none"), methods(rest))).collect()
}

/// The paths of the pages in `routes.rs`, which are all read.
pub fn page_paths() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/routes.rs");
    let source = std::fs::read_to_string(path).expect("routes.rs");
    let calls = source.split("page(\"").skip(1).filter_map(|rest| rest.split_once("\", "));
    calls.map(|(path, _)| path.replace("{id}", "find")).collect()
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
            if method == Method::HEAD {
                assert_eq!((status, &answer), (StatusCode::BAD_REQUEST, &json!("")), "HEAD {target}");
                continue;
            }
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(
                status == StatusCode::BAD_REQUEST && message.starts_with("unknown parameter \"colour\"; "),
                "{method} {target}: {status} {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_path_may_have_any_case_and_a_slash_at_its_end_and_no_answer_is_cached() {
    let world = World::new().await;
    let handler = world.handler();
    for path in ["/api/status", "/API/Status", "/api/DEAD-letters/", "/Api/restores?maxItems=1", "/api/nothing"] {
        let answer = handler.respond(Method::GET, path, "").await;
        let expected = if path == "/api/nothing" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(answer.status(), expected, "{path}");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
    }
}

/// The paths that return one record. Every other path of a GET is a list.
const NOT_LISTS: [&str; 17] = [
    "/api/metrics",
    "/",
    "/api",
    "/api/openapi.json",
    "/api/history/versions/none",
    "/api/history/document",
    "/api/history/diff",
    "/api/history/activity",
    "/api/history/blame",
    "/api/restores/none",
    "/api/backups/none",
    "/api/backup-policy",
    "/api/dead-letters/none",
    "/api/verify/none",
    "/api/digests/none",
    "/api/erasures/none",
    "/api/status",
];

#[tokio::test]
async fn every_list_has_pages_of_the_requested_length_with_the_same_bounds() {
    let world = World::new().await;
    let handler = world.handler();
    let is_get = |methods: &[Method]| methods.contains(&Method::GET);
    let gets: Vec<String> = routes().into_iter().filter(|(_, methods)| is_get(methods)).map(|(path, _)| path).collect();
    assert!(NOT_LISTS.iter().all(|path| gets.iter().any(|get| get == path)), "{gets:?}");
    let lists: Vec<String> = gets.into_iter().filter(|path| !NOT_LISTS.contains(&path.as_str())).collect();
    assert!(lists.len() >= 8, "{lists:?}");
    for path in lists {
        let document = if path == "/api/history/versions" { "id=1&pk=a&" } else { "" };
        let target = format!("{path}?{document}");
        for wrong in ["0", "1001", "4294967295"] {
            let (status, answer) = handler.get(&format!("{target}maxItems={wrong}")).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            let expected = format!("maxItems is {wrong}; allowed are 1 to 1000");
            assert!(status == StatusCode::BAD_REQUEST && message.contains(&expected), "{target}: {status} {answer}");
        }
        for wrong in ["many", "-1", "1.5", "", "4294967296"] {
            let (status, answer) = handler.get(&format!("{target}maxItems={wrong}")).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            let expected = format!("maxItems: {wrong:?} is not a whole number");
            assert!(status == StatusCode::BAD_REQUEST && message.contains(&expected), "{target}: {status} {answer}");
        }
        for right in ["1", "1000"] {
            let (status, answer) = handler.get(&format!("{target}maxItems={right}")).await;
            let is_missing = status == StatusCode::NOT_FOUND && path.contains("/none/");
            assert!(
                is_missing || status == StatusCode::OK && answer["items"] == json!([]),
                "{target}: {status} {answer}"
            );
        }
        let (status, answer) = handler.get(&format!("{target}maxItems=1&colour=red")).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            status == StatusCode::BAD_REQUEST
                && message.contains("unknown parameter \"colour\"; allowed are ")
                && message.contains("maxItems, continuation"),
            "{target}: {status} {answer}"
        );
    }
}

/// The items of every page of a list.
async fn pages(handler: &Handler, path: &str, max_items: usize) -> Vec<Vec<Value>> {
    let (mut pages, mut continuation) = (Vec::new(), String::new());
    loop {
        let (status, page) = handler.get(&format!("{path}?maxItems={max_items}{continuation}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        pages.push(page["items"].as_array().expect("items").clone());
        match page["continuation"].as_str() {
            Some(next) => continuation = format!("&continuation={next}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn the_pages_of_a_list_have_every_record_once_newest_first() {
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = Vec::new();
    for id in 0..5 {
        documents.push(world.put("a", json!({"id": format!("{id}"), "pk": "a", "v": 1})).await);
        documents.push(world.put("a", json!({"id": format!("{id}"), "pk": "a", "v": 2})).await);
    }
    handler.invoke(&batch_of(&documents), false).await;
    let mut restores = Vec::new();
    for document in documents.iter().step_by(2).take(3) {
        let request = json!({"id": document["id"], "partitionKey": ["a"], "version": version_id(document)});
        let (status, report) = handler.post("/api/restores", &request).await;
        assert_eq!(status, StatusCode::OK, "{report}");
        restores.push(report["id"].as_str().expect("id").to_owned());
    }
    for _ in 0..3 {
        assert_eq!(handler.post("/api/verify", &json!({})).await.0, StatusCode::ACCEPTED);
    }
    let listed = pages(&handler, "/api/restores", 2).await;
    assert_eq!(listed.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let ids: Vec<&str> = listed.iter().flatten().filter_map(|restore| restore["id"].as_str()).collect();
    restores.reverse();
    assert_eq!(ids, restores);
    let verifications = pages(&handler, "/api/verify", 1).await;
    assert_eq!(verifications.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);

    let all = json!({"all": true, "asOf": "-0s", "dryRun": true, "job": true});
    let (status, job) = handler.post("/api/restores", &all).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let batch = batch_of(&[world
        .query("jobs", &format!("SELECT * FROM c WHERE c.id = '{}'", job["id"].as_str().expect("id")))
        .await
        .remove(0)]);
    assert_eq!(handler.invoke_function("RunJobs", &batch, false).await.0, StatusCode::OK);
    let path = format!("/api/restores/{}/items", job["id"].as_str().expect("id"));
    let items = pages(&handler, &path, 2).await;
    assert!(items.iter().all(|page| page.len() <= 2), "{items:?}");
    let mut ids: Vec<&str> = items.iter().flatten().filter_map(|item| item["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn every_route_says_which_methods_it_has() {
    let world = World::new().await;
    let handler = world.handler();
    for (path, methods) in routes() {
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        let expected = format!("{}, OPTIONS", methods.join(", "));
        let others = [Method::PUT, Method::PATCH, Method::TRACE, Method::OPTIONS];
        for method in others.into_iter().filter(|method| !methods.contains(&method.as_str())) {
            let response = handler.respond(method.clone(), &path, "").await;
            let is_options = method == Method::OPTIONS;
            let status = if is_options { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED };
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.headers()["allow"].to_str().expect("text"), expected, "{method} {path}");
            let body = response.text().await.expect("body");
            assert_eq!(body.is_empty(), is_options, "{method} {path}: {body}");
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_is_without_a_body() {
    let world = World::new().await;
    let handler = world.handler();
    for (path, _) in routes().iter().filter(|(_, methods)| methods.contains(&Method::GET)) {
        // The status counts the requests and looks at the clock.
        let (get, head) = (handler.respond(Method::GET, path, "").await, handler.respond(Method::HEAD, path, "").await);
        assert_eq!(get.status(), head.status(), "{path}");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(get.headers().get(name), head.headers().get(name), "{path}: {name}");
        }
        assert_eq!(head.text().await.expect("body"), "", "{path}");
    }
    assert!(page_paths().len() > 3);
    for path in page_paths() {
        let response = handler.respond(Method::POST, &path, "").await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS", "{path}");
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
