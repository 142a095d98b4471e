//! HTTP requests that are proxied to the handler.

use std::time::Duration;

use reqwest::{Body, Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::test_host::{App, TestHost, with_deadline};

fn anonymous(more: Value) -> Value {
    let mut trigger = json!({"authLevel": "anonymous"});
    if let (Some(trigger), Value::Object(more)) = (trigger.as_object_mut(), more) {
        trigger.extend(more);
    }
    trigger
}

fn app() -> App {
    App::new(json!({})).with_http("Everything", anonymous(json!({"route": "{*rest}"})))
}

fn client() -> Client {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
}

#[tokio::test]
async fn a_request_arrives_with_the_hosts_headers() {
    let host = TestHost::start(app()).await;
    let path = "/api/a%2Fb/C?x=1&x=2&y=%20z";
    let request = client()
        .request(reqwest::Method::PATCH, host.url(path))
        .header("X-Custom", "one")
        .header("X-Custom", "two")
        .header("Connection", "x-hop")
        .header("X-Hop", "stays")
        .header("TE", "trailers")
        .header("X-Azure-Functions-InvocationId", "forged")
        .body("the body");
    let (response, ()) = tokio::join!(with_deadline(request.send()), async {
        let mut call = host.call().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", "/api/a%252Fb/C?x=1&x=2&y=%20z"));
        assert_eq!(call.header("x-custom"), Some("one, two"));
        let handler_port = call.header("host").and_then(|host| host.strip_prefix("127.0.0.1:")).map(str::to_owned);
        assert!(handler_port.is_some_and(|port| port != host.running.port().to_string()));
        assert_eq!(call.header("x-forwarded-host"), Some(host.running.address().to_string().as_str()));
        assert_eq!(
            (call.header("x-forwarded-for"), call.header("x-forwarded-proto")),
            (Some("127.0.0.1"), Some("http"))
        );
        assert!(call.header("x-azure-functions-hostversion").is_some_and(|version| version.starts_with("4.")));
        let id = call.header("x-azure-functions-invocationid");
        assert_eq!((id.map(str::len), id), (Some(36), call.header("x-ms-invocation-id")));
        assert_eq!((call.header("x-hop"), call.header("te")), (Some("stays"), None));
        assert_eq!(call.header("content-length"), Some("8"));
        assert_eq!(call.body().await, b"the body");
        call.answer("204 No Content", &[], "").await;
    });
    assert_eq!(response.expect("a response").status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_response_is_returned_unchanged() {
    let host = TestHost::start(app()).await;
    for status in ["200 OK", "201 Created", "302 Found", "404 Not Found", "409 Conflict", "500 Internal Server Error"] {
        let request = client().get(host.url("/api/x"));
        let (response, ()) = tokio::join!(with_deadline(request.send()), async {
            let headers = ["Set-Cookie: a=1", "Set-Cookie: b=2", "Location: /elsewhere", "Keep-Alive: timeout=5"];
            host.call().await.answer(status, &headers, "the body").await;
        });
        let response = response.expect("a response");
        assert!(status.starts_with(response.status().as_str()));
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(response.headers().get("location").map(|value| value.as_bytes()), Some(&b"/elsewhere"[..]));
        assert_eq!((response.headers().get("keep-alive"), response.content_length()), (None, Some(8)));
        assert_eq!(response.text().await.expect("a body"), "the body");
    }
}

#[tokio::test]
async fn a_response_to_head_has_a_length_and_no_body() {
    let host = TestHost::start(app()).await;
    let request = client().head(host.url("/api/x"));
    let (response, ()) = tokio::join!(with_deadline(request.send()), async {
        let mut call = host.call().await;
        assert_eq!(call.method, "HEAD");
        call.head("200 OK", &["Content-Length: 12"]).await;
        call.done();
    });
    let response = response.expect("a response");
    assert_eq!(response.headers().get("content-length").map(|value| value.as_bytes()), Some(&b"12"[..]));
    assert_eq!(response.text().await.expect("no body"), "");
}

#[tokio::test]
async fn an_upload_is_streamed_to_the_handler() {
    let host = TestHost::start(app()).await;
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(0);
    let request = client().post(host.url("/api/upload")).body(Body::wrap_stream(receiver));
    let (response, ()) = tokio::join!(with_deadline(request.send()), async {
        use futures::SinkExt;
        sender.send(Ok(b"first".to_vec())).await.expect("a reader");
        let mut call = host.call().await;
        assert_eq!(call.header("transfer-encoding"), Some("chunked"));
        assert_eq!(call.chunk().await.as_deref(), Some(&b"first"[..]));
        sender.send(Ok(b"second".to_vec())).await.expect("a reader");
        assert_eq!(call.chunk().await.as_deref(), Some(&b"second"[..]));
        drop(sender);
        assert_eq!(call.chunk().await, None);
        call.succeed().await;
    });
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_download_is_streamed_to_the_client() {
    let host = TestHost::start(app()).await;
    let request = client().get(host.url("/api/events"));
    let (response, mut call) = tokio::join!(with_deadline(request.send()), async {
        let mut call = host.call().await;
        call.head("200 OK", &["Content-Type: text/event-stream", "Transfer-Encoding: chunked"]).await;
        call.send("5\r\nfirst\r\n").await;
        call
    });
    let mut response = response.expect("a response");
    assert_eq!(with_deadline(response.chunk()).await.expect("a chunk").as_deref(), Some(&b"first"[..]));
    call.send("6\r\nsecond\r\n").await;
    assert_eq!(with_deadline(response.chunk()).await.expect("a chunk").as_deref(), Some(&b"second"[..]));
    call.send("0\r\n\r\n").await;
    assert_eq!(with_deadline(response.chunk()).await.expect("the end"), None);
}

#[tokio::test]
async fn a_request_is_cancelled_when_its_client_disconnects() {
    let host = TestHost::start(app()).await;
    let request = client().get(host.url("/api/events"));
    let (response, call) = tokio::join!(with_deadline(request.send()), async {
        let mut call = host.call().await;
        call.head("200 OK", &["Transfer-Encoding: chunked"]).await;
        call.send("5\r\nfirst\r\n").await;
        call
    });
    drop(response.expect("a response"));
    call.send_until_abandoned("4\r\nmore\r\n").await;
}

#[tokio::test]
async fn requests_are_routed_by_path_and_method() {
    let app = App::new(json!({}))
        .with_http("Query", anonymous(json!({"methods": ["post"]})))
        .with_http("Restores", anonymous(json!({"route": "restores/{id}/{action?}"})))
        .with_http("Console", anonymous(json!({"route": "console/{*rest}", "methods": ["GET"]})));
    let host = TestHost::start(app).await;
    for (method, path) in [
        ("POST", "/api/Query"),
        ("POST", "/API/query/"),
        ("DELETE", "/api/restores/1"),
        ("PUT", "/api/restores/1/undo?x=y"),
        ("GET", "/api/console"),
        ("GET", "/api/console/a/b.js"),
    ] {
        let request = client().request(method.parse().expect("a method"), host.url(path));
        let (response, ()) = tokio::join!(with_deadline(request.send()), async {
            let call = host.call().await;
            assert_eq!((call.method.as_str(), call.path.as_str()), (method, path));
            call.succeed().await;
        });
        assert_eq!(response.expect("a response").status(), StatusCode::OK, "{method} {path}");
    }
    for (method, path) in [
        ("GET", "/api/Query"),
        ("POST", "/Query"),
        ("GET", "/api/restores"),
        ("GET", "/api"),
        ("POST", "/api/console/a"),
    ] {
        let request = client().request(method.parse().expect("a method"), host.url(path));
        let response = with_deadline(request.send()).await.expect("a response");
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(response.text().await.expect("no body"), "");
    }
    let home = with_deadline(client().get(host.url("/")).send()).await.expect("a response");
    assert_eq!(home.status(), StatusCode::OK);
    assert!(!home.text().await.expect("a body").is_empty());
    assert_eq!(host.running.api_url(), host.url("/api"));
}

/// Sends a request with a path that an HTTP client would resolve first; the status of the answer.
async fn status_as_spelled(host: &TestHost, path: &str) -> String {
    let address = host.running.address();
    let mut connection = BufReader::new(TcpStream::connect(address).await.expect("a host that listens"));
    let request = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\n\r\n{{}}");
    connection.write_all(request.as_bytes()).await.expect("a host that listens");
    let mut line = String::new();
    with_deadline(connection.read_line(&mut line)).await.expect("an answer");
    line.split(' ').nth(1).unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[tokio::test]
async fn a_path_that_would_be_resolved_to_that_of_another_function_does_not_reach_the_handler() {
    let host = TestHost::start(app()).await;
    for path in [
        "/api/restores/../../CosmosChangeFeed",
        "/api/restores/%2e%2e/%2E%2E/CosmosChangeFeed",
        "/api/restores/.%2e/%2e./CosmosChangeFeed",
        "/api/restores/..\\..\\CosmosChangeFeed",
    ] {
        let status = tokio::select! {
            status = status_as_spelled(&host, path) => status,
            call = host.call() => panic!("{path} reached the handler as {}", call.path),
        };
        assert_eq!(status, "404", "{path}");
    }
    for (path, routed) in [
        ("/api/restores/../truncate", "/api/truncate"),
        ("/api/./truncate", "/api/truncate"),
        ("/api/restores/..", "/api/"),
        // An encoded slash separates no segments, so nothing is resolved.
        ("/api/restores/..%2f..%2fCosmosChangeFeed", "/api/restores/..%252f..%252fCosmosChangeFeed"),
    ] {
        let (status, ()) = tokio::join!(status_as_spelled(&host, path), async {
            let call = host.call().await;
            assert_eq!(call.path, routed);
            call.succeed().await;
        });
        assert_eq!(status, "200", "{path}");
    }
}

#[tokio::test]
async fn a_path_that_resolves_to_that_of_another_function_needs_the_key_of_that_function() {
    let app = App::new(json!({}))
        .with_http("Open", anonymous(json!({"route": "open/{*rest}"})))
        .with_http("Closed", json!({}));
    let host = TestHost::start_with(app, &[], |options| options.require_keys = true).await;
    for path in ["/api/open/../Closed", "/api/open/%2e%2e/Closed", "/api/open/x/%2E./../closed"] {
        let status = tokio::select! {
            status = status_as_spelled(&host, path) => status,
            call = host.call() => panic!("{path} reached the handler as {}", call.path),
        };
        assert_eq!(status, "401", "{path}");
    }
}

#[tokio::test]
async fn the_route_prefix_is_configurable() {
    for (prefix, path) in [("", "/Query"), ("v1/app", "/v1/app/Query")] {
        let app = App::new(json!({"extensions": {"http": {"routePrefix": prefix}}}));
        let host = TestHost::start(app.with_http("Query", anonymous(json!({})))).await;
        assert_eq!(format!("{}/Query", host.running.api_url()), host.url(path));
        let (response, ()) = tokio::join!(with_deadline(client().get(host.url(path)).send()), async {
            host.call().await.succeed().await;
        });
        assert_eq!(response.expect("a response").status(), StatusCode::OK);
        let elsewhere = with_deadline(client().get(host.url("/api/Query")).send()).await.expect("a response");
        assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn functions_require_a_key_when_the_host_requires_keys() {
    let app = App::new(json!({}))
        .with_http("Open", anonymous(json!({})))
        .with_http("Closed", json!({}))
        .with_http("Admin", json!({"authLevel": "admin"}));
    let host = TestHost::start_with(app, &[], |options| options.require_keys = true).await;
    let key = host.running.function_key().expect("a key").to_owned();
    let master = host.running.master_key().expect("a key").to_owned();
    let get = |path: &str| client().get(host.url(path));
    for rejected in [
        get("/api/Closed"),
        get("/api/Admin"),
        get(&format!("/api/Admin?code={key}")),
        get("/api/Closed?code=wrong"),
        get("/api/Closed?x=1&code="),
        get("/api/Closed").header("x-functions-key", "wrong"),
        get(&format!("/api/Closed?code={key}")).header("x-functions-key", "wrong"),
    ] {
        let response = with_deadline(rejected.send()).await.expect("a response");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.text().await.expect("no body"), "");
    }
    for accepted in [
        get("/api/Open"),
        get(&format!("/api/Closed?x=1&code={key}")),
        get("/api/Closed").header("x-functions-key", &master),
        get("/api/Admin").header("x-functions-key", &master),
        get(&format!("/api/Admin?code={master}")),
    ] {
        let (response, ()) = tokio::join!(with_deadline(accepted.send()), async { host.call().await.succeed().await });
        assert_eq!(response.expect("a response").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_for_another_host_and_a_post_from_a_page_of_another_website_are_refused() {
    let host = TestHost::start(app()).await;
    let port = host.running.port();
    let post = || client().post(host.url("/api/x")).body("{}");
    for refused in [
        client().get(host.url("/api/x")).header("Host", format!("evil.example:{port}")),
        client().get(host.url("/")).header("Host", "localhost:1"),
        post().header("Origin", "https://evil.example"),
        post().header("Origin", "null"),
        client().delete(host.url("/api/x")).header("Origin", "http://localhost:3000"),
    ] {
        let response = with_deadline(refused.send()).await.expect("a response");
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let text = response.text().await.expect("a body");
        assert!(text.contains(&format!("http://127.0.0.1:{port}")), "{text}");
    }
    for accepted in [
        post().header("Host", format!("localhost:{port}")),
        post().header("Host", format!("[::1]:{port}")),
        post().header("Origin", format!("http://localhost:{port}")),
        client().get(host.url("/api/x")).header("Origin", "https://evil.example"),
    ] {
        let (response, ()) = tokio::join!(with_deadline(accepted.send()), async { host.call().await.succeed().await });
        assert_eq!(response.expect("a response").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn functions_need_no_key_by_default() {
    let host = TestHost::start(App::new(json!({})).with_http("Closed", json!({}))).await;
    assert_eq!(host.running.function_key(), None);
    let request = client().get(host.url("/api/Closed"));
    let (response, ()) = tokio::join!(with_deadline(request.send()), async { host.call().await.succeed().await });
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_broken_request_is_retried_unless_its_body_was_consumed() {
    let host = TestHost::start(app()).await;
    let (response, ()) = tokio::join!(with_deadline(client().get(host.url("/api/x")).send()), async {
        drop(host.call().await);
        drop(host.call().await);
        host.call().await.succeed().await;
    });
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
    let (response, ()) =
        tokio::join!(with_deadline(client().post(host.url("/api/x")).body("consumed").send()), async {
            let mut call = host.call().await;
            call.body().await;
            drop(call);
        });
    assert_eq!(response.expect("a response").status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_ended_handler_is_tried_ten_times() {
    let host = TestHost::start(app()).await;
    let mut process = host.process().await;
    with_deadline(host.running.wait_until_handler_ready()).await.expect("a handler");
    process.command("exit 0").await;
    process.ended().await;
    let started = std::time::Instant::now();
    let response =
        with_deadline(client().post(host.url("/api/x")).body("sent again").send()).await.expect("a response");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(started.elapsed() >= Duration::from_millis(50 + 100 + 200 + 6 * 250));
}

#[tokio::test]
async fn a_request_waits_for_a_restart_of_the_handler() {
    let host = TestHost::start_with(app(), &["listen", ""], |_| ()).await;
    host.process().await.command("exit 200").await;
    let mut process = host.process().await;
    let request = client().post(host.url("/api/x")).body("sent again");
    let (response, ()) = tokio::join!(with_deadline(request.send()), async {
        process.command("listen").await;
        let mut call = host.call().await;
        assert_eq!(call.body().await, b"sent again");
        call.succeed().await;
    });
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_timeout_kills_the_handler() {
    let set = |options: &mut local_host::HostOptions| options.function_timeout = Some(Duration::from_millis(200));
    let host = TestHost::start_with(app(), &[], set).await;
    let process = host.process().await;
    let (response, call) = tokio::join!(with_deadline(client().get(host.url("/api/x")).send()), host.call());
    assert_eq!(response.expect("a response").status(), StatusCode::INTERNAL_SERVER_ERROR);
    process.ended().await;
    call.abandoned().await;
    host.process().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected() {
    let limit = ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT".to_owned(), "10".to_owned());
    let host = TestHost::start_with(app(), &[], |options| options.settings.extend([limit])).await;
    let response =
        with_deadline(client().post(host.url("/api/x")).body("x".repeat(11)).send()).await.expect("a response");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let chunks = ["12345", "67890", "1"].map(Ok::<_, std::io::Error>);
    let chunked = client().post(host.url("/api/x")).body(Body::wrap_stream(futures::stream::iter(chunks)));
    let (response, call) = tokio::join!(with_deadline(chunked.send()), host.call());
    assert_eq!(response.expect("a response").status(), StatusCode::INTERNAL_SERVER_ERROR);
    call.abandoned().await;
}
