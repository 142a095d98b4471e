//! Requests of clients, replayed: the handler receives what it received from the real host, and the client gets what it got.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use local_host::Framing;
use serde_json::{Value, json};

use crate::raw_client;
use crate::recording;
use crate::test_host::{App, Call, TestHost};

/// The host that clients of the recordings call.
const RECORDED_HOST: &str = "api.example.com";
/// A page that the stand-in host would refuse, because it is of another website.
const RECORDED_ORIGIN: &str = "https://example.com";
/// Its unknown headers were in the order of the client.
const IN_ORDER_OF_CLIENT: &str = "forwarded headers from the client";

async fn start(recording: &Value, function: &str, proxies: bool) -> TestHost {
    let app = App::new(json!({"customHandler": {"enableProxyingHttpRequest": proxies}}));
    let app = app.with_function(function, recording["functionJson"].clone());
    TestHost::start_with(app, &[], |options| options.framing = Framing::Chunked).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A recorded text for the address of the stand-in host.
fn addressed(text: &str, address: SocketAddr) -> String {
    text.replace(RECORDED_ORIGIN, &format!("http://{address}")).replace(RECORDED_HOST, &address.to_string())
}

/// What the client sent, one byte a character.
fn sent(row: &Value, host: &TestHost) -> Vec<u8> {
    let text = addressed(text(&row["clientSent"]), host.running.address());
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("a byte")).collect()
}

async fn answer(mut call: Call, answer: &Value, is_head: bool) {
    if answer["close"] == true {
        return drop(call);
    }
    call.body_unless_read().await;
    let line = |name: &str, value: &Value| format!("{name}: {}", text(value));
    let mut headers: Vec<String> = match &answer["headers"] {
        Value::Array(pairs) => pairs.iter().map(|pair| line(text(&pair[0]), &pair[1])).collect(),
        Value::Object(pairs) => pairs.iter().map(|(name, value)| line(name, value)).collect(),
        other => panic!("{other}"),
    };
    let body = text(&answer["body"]);
    let (status, is_chunked) = (text(&answer["status"]), headers.iter().any(|line| line.contains("chunked")));
    if !is_chunked && !status.starts_with("204") && !status.starts_with("304") {
        headers.push(format!("Content-Length: {}", body.len()));
    }
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    call.head(status, &headers).await;
    call.send(if is_head { "" } else { body }).await;
    call.done();
}

fn expected_body(request: &Value) -> Vec<u8> {
    match request["bodyBase64"].as_str() {
        Some(encoded) => BASE64_STANDARD.decode(encoded).expect("base64"),
        None => text(&request["body"]).as_bytes().to_vec(),
    }
}

fn assert_client_got(got: &raw_client::Answer, row: &Value) {
    let (case, expected) = (text(&row["case"]), &row["clientGot"]);
    let mut lines = expected["head"].as_array().expect("lines").iter().map(text);
    assert_eq!(Some(got.status_line.as_str()), lines.next(), "{case}");
    let mut headers: Vec<String> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
        .collect();
    headers.sort();
    assert_eq!(got.headers, headers, "{case}");
    assert_eq!(String::from_utf8_lossy(&got.body), text(&expected["body"]), "{case}");
}

/// The names in lower case, because the HTTP server does not keep the spelling of the client.
fn in_lower_case(head: &[String]) -> Vec<String> {
    let lower = |line: &String| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.clone(),
    };
    head.iter().map(lower).collect()
}

fn comparable_head(head: &[String]) -> Vec<String> {
    let head = in_lower_case(&recording::comparable_head(head));
    let guid = |line: String| match line.split_once(": ") {
        Some((name @ "x-ms-invocation-id", value)) if value.len() == 36 => format!("{name}: (GUID)"),
        _ => line,
    };
    head.into_iter().map(guid).collect()
}

#[tokio::test]
async fn a_proxied_request_and_its_response_are_those_of_the_real_host() {
    let recording = recording::read("http-proxy.json");
    let host = start(&recording, "Things", true).await;
    let address = host.running.address();
    for row in recording["clients"].as_array().expect("clients") {
        let case = text(&row["case"]);
        let is_head = case == "HEAD";
        let request = sent(row, &host);
        let (got, ()) = tokio::join!(raw_client::send(address, &request), async {
            for _ in 0..row["handlerSaw"].as_u64().expect("a number") {
                let mut call = host.call().await;
                let recorded = &row["request"];
                let head: Vec<String> = serde_json::from_value(recorded["head"].clone()).expect("lines");
                let head: Vec<String> = head.iter().map(|line| addressed(line, address)).collect();
                let (mut found, mut expected) = (comparable_head(&call.head), comparable_head(&head));
                if case == IN_ORDER_OF_CLIENT {
                    found.sort();
                    expected.sort();
                }
                assert_eq!(found, expected, "{case}");
                assert_eq!(call.body().await, expected_body(recorded), "{case}");
                answer(call, &row["answer"], is_head).await;
            }
        });
        assert_client_got(&got, row);
    }
}

#[tokio::test]
async fn a_request_without_an_answer_is_repeated_as_often_as_by_the_real_host() {
    let recording = recording::read("http-proxy.json");
    let host = start(&recording, "Things", true).await;
    let address = host.running.address();
    for row in recording["noAnswer"].as_array().expect("cases") {
        let case = text(&row["case"]);
        let rest = match case.rsplit_once(": ").expect("a kind").1 {
            "GET" => "GET /api/things/a HTTP/1.1\r\nHost: HOST\r\n\r\n",
            "POST without body" => "POST /api/things/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
            "POST with body" => "POST /api/things/a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello",
            "POST chunked" => {
                "POST /api/things/a HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            }
            other => panic!("{other}"),
        };
        let request = rest.replace("HOST", &address.to_string());
        let mut ids = Vec::new();
        let mut answer = std::pin::pin!(raw_client::send(address, request.as_bytes()));
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                mut call = host.call() => {
                    assert_eq!(String::from_utf8_lossy(&call.body().await), text(&row["bodies"][0]), "{case}");
                    ids.push(call.header("x-azure-functions-invocationid").expect("an id").to_owned());
                }
            }
        };
        assert_eq!(answer.status_line, text(&row["clientGot"]), "{case}");
        assert_eq!(ids.len() as u64, row["requestsSeenByTheHandler"].as_u64().expect("a number"), "{case}");
        ids.dedup();
        assert_eq!(ids.len(), 1, "{case}");
    }
}

#[tokio::test]
async fn paths_and_headers_over_the_limits_of_the_real_host_are_refused() {
    let recording = recording::read("http-proxy.json");
    let host = start(&recording, "Things", true).await;
    let address = host.running.address();
    for (path, header, status) in
        [(10_000, 1, "HTTP/1.1 414 URI Too Long"), (1, 40_000, "HTTP/1.1 431 Request Header Fields Too Large")]
    {
        let (path, header) = ("p".repeat(path), "x".repeat(header));
        let request = format!("GET /api/things/{path} HTTP/1.1\r\nHost: {address}\r\nX-Long: {header}\r\n\r\n");
        let answer = raw_client::send(address, request.as_bytes()).await;
        assert_eq!(answer.status_line, status);
        assert_eq!(answer.headers, ["connection: close", "content-length: 0", "server: Kestrel"]);
    }
}

async fn replay_envelopes(name: &str, function: &str) {
    let recording = recording::read(&format!("http-envelope-{name}.json"));
    let host = start(&recording, function, false).await;
    let address = host.running.address();
    for row in recording["clients"].as_array().expect("clients") {
        let case = format!("{name}: {}", text(&row["case"]));
        let request = sent(row, &host);
        let (got, ()) = tokio::join!(raw_client::send(address, &request), async {
            if row["handlerSaw"] == 0 {
                return;
            }
            let mut call = host.call().await;
            let recorded = &row["request"];
            let head: Vec<String> = serde_json::from_value(recorded["head"].clone()).expect("lines");
            assert_eq!(recording::comparable_head(&call.head), recording::comparable_head(&head), "{case}");
            let body = String::from_utf8(call.body().await).expect("UTF-8");
            let expected = addressed(text(&recorded["body"]), address);
            // The spelling of a header that ASP.NET does not know is that of the client, which the HTTP server does not keep.
            let expected = expected.replace("\"X-Twice\"", "\"x-twice\"");
            assert_eq!(recording::comparable_body(&body), recording::comparable_body(&expected), "{case}");
            answer(call, &row["answer"], false).await;
        });
        assert_client_got(&got, row);
    }
}

#[tokio::test]
async fn a_request_as_json_and_the_answer_to_the_client_are_those_of_the_real_host() {
    for name in ["json", "text", "binary", "query-and-params", "no-output"] {
        replay_envelopes(name, "Things").await;
    }
    replay_envelopes("return-value", "Returned").await;
}
