//! Which requests are answered: by their host, their origin and their signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use local_cosmos::{EMULATOR_KEY, Endpoint, Options};
use sha2::Sha256;

use crate::rest::send;
use crate::scene::{Scene, connect};

const DATE: &str = "thu, 27 apr 2017 00:51:12 gmt";

fn port(url: &str) -> &str {
    url.trim_end_matches('/').rsplit(':').next().expect("a port")
}

#[tokio::test]
async fn a_request_for_another_host_and_a_write_from_a_page_of_another_website_are_refused() {
    let endpoint = Endpoint::start(Options { control_port: Some(0), ..Options::default() }).await.expect("endpoint");
    for url in [endpoint.url(), endpoint.control_url().expect("control")] {
        let port = port(url);
        for host in ["evil.example", &format!("evil.example:{port}"), "localhost:1"] {
            let answer = send(url, "GET", "/", &[("host", host)], "").await;
            assert_eq!(answer.status, 403, "{host}: {}", answer.text);
            assert!(answer.text.contains(host) && answer.text.contains(port), "{}", answer.text);
        }
        for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            assert_eq!(send(url, "GET", "/", &[("host", &host)], "").await.status, 200, "{host}");
        }
    }
    for (origin, expected) in [
        ("https://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
        (format!("http://localhost:{}", port(endpoint.url())), 201),
    ] {
        let answer = send(endpoint.url(), "POST", "/dbs", &[("origin", &origin)], r#"{"id":"planted"}"#).await;
        assert_eq!(answer.status, expected, "{origin}: {}", answer.text);
    }
    let control = endpoint.control_url().expect("control");
    let answer = send(control, "POST", "/unindexed-queries", &[("origin", "null")], r#"{"refused":true}"#).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}

/// The header of a request that is signed over this type and this link.
fn signature(verb: &str, resource_type: &str, link: &str) -> String {
    let key = STANDARD.decode(EMULATOR_KEY).expect("key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("key");
    mac.update(format!("{verb}\n{resource_type}\n{link}\n{DATE}\n\n").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes()).replace('+', "%2B").replace('=', "%3D");
    format!("type%3Dmaster%26ver%3D1.0%26sig%3D{signature}")
}

#[tokio::test]
async fn an_identity_cannot_read_or_set_the_throughput() {
    let scene = Scene::start().await;
    let url = scene.endpoint.url();
    let token = [("authorization", "type%3Daad%26ver%3D1.0%26sig%3Dtoken")];
    for (verb, path) in [("GET", "/offers"), ("POST", "/offers"), ("GET", "/offers/none"), ("PUT", "/offers/none")] {
        let answer = send(url, verb, path, &token, "{}").await;
        assert_eq!(answer.status, 403, "{verb} {path}: {}", answer.text);
    }
    assert_eq!(send(url, "GET", "/offers", &[], "").await.status, 200);
    assert_eq!(send(url, "GET", "/dbs/db", &token, "").await.status, 200);
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_none_is_needed_unless_it_is_required() {
    let scene = Scene::start().await;
    let url = scene.endpoint.url();
    let status = async |path: &str, authorization: Option<String>| {
        let authorization = authorization.unwrap_or_default();
        let mut headers = vec![("x-ms-date", DATE)];
        if !authorization.is_empty() {
            headers.push(("authorization", &authorization));
        }
        send(url, "GET", path, &headers, "").await.status
    };
    assert_eq!(status("/dbs/db", None).await, 200);
    assert_eq!(status("/dbs/db", Some(signature("get", "dbs", "dbs/db"))).await, 200);
    for wrong in [
        signature("get", "dbs", "dbs/other"),
        signature("post", "dbs", "dbs/db"),
        signature("get", "colls", "dbs/db"),
        "type%3Dmaster%26ver%3D1.0%26sig%3Dd3Jvbmc%3D".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert_eq!(status("/dbs/db", Some(wrong.clone())).await, 401, "{wrong}");
    }
    let error = connect(&scene.endpoint, "d3Jvbmcga2V5").await.expect_err("a wrong key");
    assert_eq!(u16::from(error.status().status_code()), 401, "{error}");

    let endpoint = Endpoint::start(Options { require_key: true, ..Options::default() }).await.expect("endpoint");
    assert_eq!(send(endpoint.url(), "GET", "/dbs", &[], "").await.status, 401);
    let signed = signature("get", "dbs", "");
    let headers = [("x-ms-date", DATE), ("authorization", signed.as_str())];
    assert_eq!(send(endpoint.url(), "GET", "/dbs", &headers, "").await.status, 200);
}

#[tokio::test]
async fn a_request_by_resource_id_is_signed_over_the_id_in_lower_case() {
    let scene = Scene::start().await;
    let url = scene.endpoint.url();
    let rid = async |path: &str| send(url, "GET", path, &[], "").await.json()["_rid"].as_str().expect("rid").to_owned();
    let (database, container) = (rid("/dbs/db").await, rid("/dbs/db/colls/c").await);
    for (path, resource_type, id) in [
        (format!("/dbs/{database}"), "dbs", &database),
        (format!("/dbs/{database}/colls"), "colls", &database),
        (format!("/dbs/{database}/colls/{container}"), "colls", &container),
        (format!("/dbs/{database}/colls/{container}/docs"), "docs", &container),
        (format!("/dbs/{database}/colls/{container}/pkranges"), "pkranges", &container),
    ] {
        let status = async |link: &str| {
            let authorization = signature("get", resource_type, link);
            send(url, "GET", &path, &[("x-ms-date", DATE), ("authorization", &authorization)], "").await.status
        };
        assert_eq!(status(&id.to_lowercase()).await, 200, "{path}");
        assert_eq!(status("another").await, 401, "{path}");
    }
}
