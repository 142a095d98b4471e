//! Requests that are passed through to the handler.

use std::time::Duration;

use reqwest::{Body, Client, StatusCode};
use serde_json::{Value, json};

use crate::stage::{App, Stage, within};

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
async fn a_request_arrives_as_it_was_sent_with_the_hosts_headers() {
    let stage = Stage::set(app()).await;
    let path = "/api/a%2Fb/C?x=1&x=2&y=%20z";
    let request = client()
        .request(reqwest::Method::PATCH, stage.url(path))
        .header("X-Custom", "one")
        .header("X-Custom", "two")
        .header("Connection", "x-hop")
        .header("X-Hop", "gone")
        .header("TE", "trailers")
        .header("X-Azure-Functions-InvocationId", "forged")
        .body("the body");
    let (answer, ()) = tokio::join!(within(request.send()), async {
        let mut call = stage.call().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", path));
        let custom: Vec<_> =
            call.headers.iter().filter(|(name, _)| name == "x-custom").map(|(_, v)| v.as_str()).collect();
        assert_eq!(custom, ["one", "two"]);
        let handler_port = call.header("host").and_then(|host| host.strip_prefix("127.0.0.1:")).map(str::to_owned);
        assert!(handler_port.is_some_and(|port| port != stage.host.port().to_string()));
        assert_eq!(call.header("x-forwarded-host"), Some(stage.host.address().to_string().as_str()));
        assert_eq!(
            (call.header("x-forwarded-for"), call.header("x-forwarded-proto")),
            (Some("127.0.0.1"), Some("http"))
        );
        assert!(call.header("x-azure-functions-hostversion").is_some_and(|version| version.starts_with("4.")));
        let id = call.header("x-azure-functions-invocationid");
        assert_eq!((id.map(str::len), id), (Some(36), call.header("x-ms-invocation-id")));
        assert_eq!((call.header("x-hop"), call.header("te")), (None, None));
        assert_eq!(call.header("content-length"), Some("8"));
        assert_eq!(call.body().await, b"the body");
        call.answer("204 No Content", &[], "").await;
    });
    assert_eq!(answer.expect("an answer").status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_answer_comes_back_as_the_handler_gave_it() {
    let stage = Stage::set(app()).await;
    for status in ["200 OK", "201 Created", "302 Found", "404 Not Found", "409 Conflict", "500 Internal Server Error"] {
        let request = client().get(stage.url("/api/x"));
        let (answer, ()) = tokio::join!(within(request.send()), async {
            let headers = ["Set-Cookie: a=1", "Set-Cookie: b=2", "Location: /elsewhere", "Keep-Alive: timeout=5"];
            stage.call().await.answer(status, &headers, "what it says").await;
        });
        let answer = answer.expect("an answer");
        assert!(status.starts_with(answer.status().as_str()));
        let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(answer.headers().get("location").map(|value| value.as_bytes()), Some(&b"/elsewhere"[..]));
        assert_eq!((answer.headers().get("keep-alive"), answer.content_length()), (None, Some(12)));
        assert_eq!(answer.text().await.expect("a body"), "what it says");
    }
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let stage = Stage::set(app()).await;
    let request = client().head(stage.url("/api/x"));
    let (answer, ()) = tokio::join!(within(request.send()), async {
        let mut call = stage.call().await;
        assert_eq!(call.method, "HEAD");
        call.head("200 OK", &["Content-Length: 12"]).await;
        call.done();
    });
    let answer = answer.expect("an answer");
    assert_eq!(answer.headers().get("content-length").map(|value| value.as_bytes()), Some(&b"12"[..]));
    assert_eq!(answer.text().await.expect("no body"), "");
}

#[tokio::test]
async fn an_upload_reaches_the_handler_while_it_is_still_being_sent() {
    let stage = Stage::set(app()).await;
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(0);
    let request = client().post(stage.url("/api/upload")).body(Body::wrap_stream(receiver));
    let (answer, ()) = tokio::join!(within(request.send()), async {
        use futures::SinkExt;
        sender.send(Ok(b"first".to_vec())).await.expect("a reader");
        let mut call = stage.call().await;
        assert_eq!(call.header("transfer-encoding"), Some("chunked"));
        assert_eq!(call.chunk().await.as_deref(), Some(&b"first"[..]));
        sender.send(Ok(b"second".to_vec())).await.expect("a reader");
        assert_eq!(call.chunk().await.as_deref(), Some(&b"second"[..]));
        drop(sender);
        assert_eq!(call.chunk().await, None);
        call.succeed().await;
    });
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_download_reaches_the_client_while_the_handler_still_sends_it() {
    let stage = Stage::set(app()).await;
    let request = client().get(stage.url("/api/events"));
    let (answer, mut call) = tokio::join!(within(request.send()), async {
        let mut call = stage.call().await;
        call.head("200 OK", &["Content-Type: text/event-stream", "Transfer-Encoding: chunked"]).await;
        call.send("5\r\nfirst\r\n").await;
        call
    });
    let mut answer = answer.expect("an answer");
    assert_eq!(within(answer.chunk()).await.expect("a chunk").as_deref(), Some(&b"first"[..]));
    call.send("6\r\nsecond\r\n").await;
    assert_eq!(within(answer.chunk()).await.expect("a chunk").as_deref(), Some(&b"second"[..]));
    call.send("0\r\n\r\n").await;
    assert_eq!(within(answer.chunk()).await.expect("the end"), None);
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_request_with_it() {
    let stage = Stage::set(app()).await;
    let request = client().get(stage.url("/api/events"));
    let (answer, call) = tokio::join!(within(request.send()), async {
        let mut call = stage.call().await;
        call.head("200 OK", &["Transfer-Encoding: chunked"]).await;
        call.send("5\r\nfirst\r\n").await;
        call
    });
    drop(answer.expect("an answer"));
    call.send_until_abandoned("4\r\nmore\r\n").await;
}

#[tokio::test]
async fn requests_find_their_function_by_route_and_method() {
    let app = App::new(json!({}))
        .with_http("Query", anonymous(json!({"methods": ["post"]})))
        .with_http("Restores", anonymous(json!({"route": "restores/{id}/{action?}"})))
        .with_http("Console", anonymous(json!({"route": "console/{*rest}", "methods": ["GET"]})));
    let stage = Stage::set(app).await;
    for (method, path) in [
        ("POST", "/api/Query"),
        ("POST", "/API/query/"),
        ("DELETE", "/api/restores/1"),
        ("PUT", "/api/restores/1/undo?x=y"),
        ("GET", "/api/console"),
        ("GET", "/api/console/a/b.js"),
    ] {
        let request = client().request(method.parse().expect("a method"), stage.url(path));
        let (answer, ()) = tokio::join!(within(request.send()), async {
            let call = stage.call().await;
            assert_eq!((call.method.as_str(), call.path.as_str()), (method, path));
            call.succeed().await;
        });
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK, "{method} {path}");
    }
    for (method, path) in [
        ("GET", "/api/Query"),
        ("POST", "/Query"),
        ("GET", "/api/restores"),
        ("GET", "/api"),
        ("POST", "/api/console/a"),
    ] {
        let request = client().request(method.parse().expect("a method"), stage.url(path));
        let answer = within(request.send()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(answer.text().await.expect("no body"), "");
    }
    let home = within(client().get(stage.url("/")).send()).await.expect("an answer");
    assert_eq!(home.status(), StatusCode::OK);
    assert!(!home.text().await.expect("a body").is_empty());
    assert_eq!(stage.host.api_url(), stage.url("/api"));
}

#[tokio::test]
async fn the_route_prefix_can_be_another_or_none() {
    for (prefix, path) in [("", "/Query"), ("v1/app", "/v1/app/Query")] {
        let app = App::new(json!({"extensions": {"http": {"routePrefix": prefix}}}));
        let stage = Stage::set(app.with_http("Query", anonymous(json!({})))).await;
        assert_eq!(format!("{}/Query", stage.host.api_url()), stage.url(path));
        let (answer, ()) = tokio::join!(within(client().get(stage.url(path)).send()), async {
            stage.call().await.succeed().await;
        });
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        let elsewhere = within(client().get(stage.url("/api/Query")).send()).await.expect("an answer");
        assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_key_is_asked_for_when_the_host_requires_keys() {
    let app = App::new(json!({}))
        .with_http("Open", anonymous(json!({})))
        .with_http("Closed", json!({}))
        .with_http("Admin", json!({"authLevel": "admin"}));
    let stage = Stage::set_with(app, &[], |options| options.require_keys = true).await;
    let key = stage.host.function_key().expect("a key").to_owned();
    let get = |path: &str| client().get(stage.url(path));
    for refused in [
        get("/api/Closed"),
        get("/api/Admin"),
        get("/api/Closed?code=wrong"),
        get("/api/Closed?x=1&code="),
        get("/api/Closed").header("x-functions-key", "wrong"),
        get(&format!("/api/Closed?code={key}")).header("x-functions-key", "wrong"),
    ] {
        let answer = within(refused.send()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.text().await.expect("no body"), "");
    }
    for admitted in [
        get("/api/Open"),
        get(&format!("/api/Closed?x=1&code={key}")),
        get("/api/Admin").header("x-functions-key", &key),
    ] {
        let (answer, ()) = tokio::join!(within(admitted.send()), async { stage.call().await.succeed().await });
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn without_required_keys_every_function_is_open() {
    let stage = Stage::set(App::new(json!({})).with_http("Closed", json!({}))).await;
    assert_eq!(stage.host.function_key(), None);
    let request = client().get(stage.url("/api/Closed"));
    let (answer, ()) = tokio::join!(within(request.send()), async { stage.call().await.succeed().await });
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_breaks_is_sent_again_unless_its_body_is_gone() {
    let stage = Stage::set(app()).await;
    let (answer, ()) = tokio::join!(within(client().get(stage.url("/api/x")).send()), async {
        drop(stage.call().await);
        drop(stage.call().await);
        stage.call().await.succeed().await;
    });
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    let (answer, ()) = tokio::join!(within(client().post(stage.url("/api/x")).body("gone").send()), async {
        let mut call = stage.call().await;
        call.body().await;
        drop(call);
    });
    assert_eq!(answer.expect("an answer").status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_handler_that_is_gone_for_good_is_tried_ten_times() {
    let stage = Stage::set(app()).await;
    let mut process = stage.process().await;
    within(stage.host.wait_until_handler_ready()).await.expect("a handler");
    process.command("exit 0").await;
    process.gone().await;
    let started = std::time::Instant::now();
    let answer = within(client().post(stage.url("/api/x")).body("kept").send()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(started.elapsed() >= Duration::from_millis(50 + 100 + 200 + 6 * 250));
}

#[tokio::test]
async fn a_request_waits_for_a_handler_that_is_being_started_again() {
    let stage = Stage::set_with(app(), &["listen", ""], |_| ()).await;
    stage.process().await.command("exit 200").await;
    let mut process = stage.process().await;
    let request = client().post(stage.url("/api/x")).body("kept");
    let (answer, ()) = tokio::join!(within(request.send()), async {
        process.command("listen").await;
        let mut call = stage.call().await;
        assert_eq!(call.body().await, b"kept");
        call.succeed().await;
    });
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_ended_with_the_handler() {
    let set = |options: &mut local_host::HostOptions| options.function_timeout = Some(Duration::from_millis(200));
    let stage = Stage::set_with(app(), &[], set).await;
    let process = stage.process().await;
    let (answer, call) = tokio::join!(within(client().get(stage.url("/api/x")).send()), stage.call());
    assert_eq!(answer.expect("an answer").status(), StatusCode::INTERNAL_SERVER_ERROR);
    process.gone().await;
    call.abandoned().await;
    stage.process().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let limit = ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT".to_owned(), "10".to_owned());
    let stage = Stage::set_with(app(), &[], |options| options.settings.extend([limit])).await;
    let answer = within(client().post(stage.url("/api/x")).body("x".repeat(11)).send()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let chunks = ["12345", "67890", "1"].map(Ok::<_, std::io::Error>);
    let chunked = client().post(stage.url("/api/x")).body(Body::wrap_stream(futures::stream::iter(chunks)));
    let (answer, call) = tokio::join!(within(chunked.send()), stage.call());
    assert_eq!(answer.expect("an answer").status(), StatusCode::PAYLOAD_TOO_LARGE);
    call.abandoned().await;
}
