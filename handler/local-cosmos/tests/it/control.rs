//! The control interface.

use std::time::{Duration, Instant};

use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::PartitionKeyDefinition;
use local_cosmos::Options;
use serde_json::{Value, json};

use crate::rest::{self, Answer};
use crate::scene::{Reader, Scene};

async fn start() -> Scene {
    let options = Options { control_port: Some(0), ..Options::default() };
    Scene::with(options, PartitionKeyDefinition::from("/pk")).await
}

async fn send(scene: &Scene, method: &str, path: &str, body: &str) -> Answer {
    rest::send(scene.endpoint.control_url().expect("control"), method, path, &[], body).await
}

/// Sends a request that succeeds.
async fn command(scene: &Scene, method: &str, path: &str, body: Value) -> Value {
    let answer = send(scene, method, path, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Sends a request that fails; returns its status, code and message.
async fn refused(scene: &Scene, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let answer = send(scene, method, path, body).await;
    let error = answer.json()["error"].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    (answer.status, text("code"), text("message"))
}

fn ids(answer: &Value) -> Vec<String> {
    let partitions = answer["partitions"].as_array().expect("partitions");
    partitions.iter().map(|partition| partition["id"].as_str().expect("id").to_owned()).collect()
}

#[tokio::test]
async fn the_control_interface_is_off_by_default() {
    assert_eq!(Scene::start().await.endpoint.control_url(), None);
}

#[tokio::test]
async fn the_root_path_lists_the_requests() {
    let scene = start().await;
    let description = command(&scene, "GET", "/", json!({})).await;
    assert_eq!(description["cosmos"], json!(scene.endpoint.url()));
    for request in description["requests"].as_array().expect("requests") {
        let (method, path) = request["request"].as_str().and_then(|request| request.split_once(' ')).expect("request");
        assert!(![404, 405].contains(&send(&scene, method, path, "").await.status), "{method} {path}");
    }
}

#[tokio::test]
async fn partitions_are_listed_split_and_merged() {
    let scene = start().await;
    let list = || async { send(&scene, "GET", "/partitions?database=db&container=c", "").await.json() };
    let before = ids(&list().await);
    assert_eq!(before.len(), 4);
    let container = json!({"database": "db", "container": "c"});
    let body = json!({"database": "db", "container": "c", "partition": before[0], "durationMilliseconds": 10});
    let children = ids(&command(&scene, "POST", "/split", body).await);
    assert_eq!(ids(&list().await)[..2], children);
    let body = json!({"database": "db", "container": "c", "partitions": children});
    assert_eq!(command(&scene, "POST", "/merge", body).await["partitions"][0]["min"], json!(""));
    command(&scene, "POST", "/split", container).await;
    assert_eq!(ids(&list().await).len(), 5);
}

#[tokio::test]
async fn a_throttled_container_answers_429_to_every_kind_of_request_until_the_limit_is_lifted() {
    let scene = start().await;
    scene.upsert("p", "a", 1).await;
    let limit = |limit: Value| json!({"database": "db", "container": "c", "requestUnitsPerSecond": limit});
    command(&scene, "POST", "/throttle", limit(json!(0.5))).await;
    let query = r#"{"query":"SELECT * FROM c"}"#;
    let query_headers = [
        ("x-ms-documentdb-isquery", "true"),
        ("x-ms-documentdb-query-enablecrosspartition", "true"),
        ("content-type", "application/query+json"),
    ];
    let key = [("x-ms-documentdb-partitionkey", r#"["p"]"#)];
    let feed = [("a-im", "Incremental Feed")];
    let full = [("a-im", "Full-Fidelity Feed"), ("if-none-match", "*")];
    let item = r#"{"id":"b","pk":"p"}"#;
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let kinds: [(&str, Headers<'_>, &str); 4] =
        [("POST", &query_headers, query), ("POST", &key, item), ("GET", &feed, ""), ("GET", &full, "")];
    for (method, headers, body) in kinds {
        let deadline = Instant::now() + Duration::from_secs(10);
        let answer = loop {
            let answer = scene.docs(method, headers, body).await;
            if answer.status == 429 {
                break answer;
            }
            assert!(Instant::now() < deadline, "{method} {headers:?} is never throttled");
        };
        assert_eq!(answer.header("x-ms-substatus"), Some("3200"));
        let wait: u64 = answer.header("x-ms-retry-after-ms").expect("wait").parse().expect("number");
        assert!((1..=1000).contains(&wait), "{wait}");
    }
    // The SDK waits for the time in the reply.
    scene.upsert("p", "a", 2).await;
    for lifted in [json!(0), json!(null)] {
        command(&scene, "POST", "/throttle", limit(json!(0.5))).await;
        command(&scene, "POST", "/throttle", limit(lifted)).await;
        for _ in 0..20 {
            assert_eq!(scene.docs("GET", &feed, "").await.status, 200);
        }
    }
}

#[tokio::test]
async fn faults_are_added_listed_and_removed() {
    let scene = start().await;
    let fault = json!({"container": "c", "kind": "changeFeed", "times": 2, "status": 503, "substatus": 1234});
    let added = command(&scene, "POST", "/faults", fault.clone()).await;
    assert_eq!(added, json!({"faults": [fault]}));
    let answer = scene.docs("GET", &[("a-im", "Incremental Feed")], "").await;
    assert_eq!((answer.status, answer.header("x-ms-substatus")), (503, Some("1234")));
    for effect in [json!({"kind": "any", "delayMilliseconds": 20}), json!({"kind": "write", "loseReply": true})] {
        command(&scene, "POST", "/faults", effect).await;
    }
    let expected = json!({"faults": [
        {"container": "c", "kind": "changeFeed", "times": 1, "status": 503, "substatus": 1234},
        {"kind": "any", "times": 1, "delayMilliseconds": 20},
        {"kind": "write", "times": 1, "loseReply": true},
    ]});
    assert_eq!(command(&scene, "GET", "/faults", json!({})).await, expected);
    assert_eq!(command(&scene, "DELETE", "/faults", json!({})).await, json!({"faults": []}));
    assert_eq!(
        (scene.docs("GET", &[("a-im", "Incremental Feed")], "").await.status, scene.endpoint.pending_faults()),
        (304, 0)
    );
}

#[tokio::test]
async fn items_with_a_time_to_live_expire_on_demand_one_or_all() {
    let scene = start().await;
    let mut reader = Reader::of_all_versions(&scene.container, FeedScope::full_container()).await;
    for (pk, id, ttl) in [("p", "a", 1000), ("p", "b", 1000), ("q", "a", 1000), ("q", "stays", -1)] {
        let item = json!({"id": id, "pk": pk, "ttl": ttl});
        scene.container.create_item(pk, id, item, None).await.expect("create");
    }
    let expire = |more: Value| {
        let mut body = json!({"database": "db", "container": "c"});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        body
    };
    let one = command(&scene, "POST", "/expire", expire(json!({"id": "a", "partitionKey": ["p"]}))).await;
    assert_eq!(one, json!({"expired": 1}));
    assert!(scene.container.read_item("p", "a", None).await.is_err());
    assert_eq!(command(&scene, "POST", "/expire", expire(json!({}))).await, json!({"expired": 2}));
    assert_eq!(command(&scene, "POST", "/expire", expire(json!({"partitionKey": "q"}))).await, json!({"expired": 0}));
    let (status, _, message) =
        refused(&scene, "POST", "/expire", &expire(json!({"id": "stays", "partitionKey": ["q"]})).to_string()).await;
    assert!(status == 404 && message.contains("stays"), "{message}");
    let expired = reader
        .read()
        .await
        .iter()
        .filter(|change| change.metadata().and_then(|metadata| metadata.time_to_live_expired()) == Some(true))
        .count();
    assert_eq!(expired, 3);
}

#[tokio::test]
async fn previous_images_are_switched_on_and_off() {
    let scene = start().await;
    let mut reader = Reader::of_all_versions(&scene.container, FeedScope::full_container()).await;
    scene.upsert("p", "a", 1).await;
    for (enabled, n) in [(true, 2), (false, 3)] {
        let body = json!({"database": "db", "container": "c", "enabled": enabled});
        assert_eq!(command(&scene, "POST", "/previous-images", body).await, json!({"enabled": enabled}));
        scene.upsert("p", "a", n).await;
    }
    let read = reader.read().await;
    let previous: Vec<_> = read.iter().map(|change| change.previous().map(|item| item["n"].clone())).collect();
    assert_eq!(previous, [None, Some(json!(1)), None]);
}

#[tokio::test]
async fn an_error_names_the_value_and_the_allowed_values() {
    let scene = start().await;
    let of = |more: &str| format!(r#"{{"database":"db","container":"c"{more}}}"#);
    let bad = [
        ("GET", "/partitions?database=db", String::new(), 400, "missing field `container`"),
        (
            "GET",
            "/partitions?database=db&container=x",
            String::new(),
            404,
            "container db/x does not exist; existing containers: db/c",
        ),
        (
            "GET",
            "/partitions?database=db&container=c&x=1",
            String::new(),
            400,
            "unknown field `x`, expected `database` or",
        ),
        ("POST", "/split", "not JSON".into(), 400, "invalid body"),
        ("POST", "/split", of(r#","part":"0""#), 400, "unknown field `part`, expected one of `database`"),
        (
            "POST",
            "/split",
            of(r#","partition":"77""#),
            404,
            "partition 77 does not exist; the container's partitions: 0, 1, 2, 3",
        ),
        ("POST", "/split", of(r#","durationMilliseconds":-1"#), 400, "invalid value: integer `-1`"),
        (
            "POST",
            "/split",
            of(r#","durationMilliseconds":99999999"#),
            400,
            "durationMilliseconds is 99999999; it must be at most 600000",
        ),
        ("POST", "/merge", of(r#","partitions":["0"]"#), 400, "expected an array of length 2"),
        ("POST", "/merge", of(r#","partitions":["0","3"]"#), 400, "partitions 0 and 3 are not adjacent"),
        ("POST", "/throttle", of(""), 400, "missing field `requestUnitsPerSecond`"),
        ("POST", "/throttle", of(r#","requestUnitsPerSecond":-3"#), 400, "requestUnitsPerSecond is -3; it must be"),
        ("POST", "/previous-images", of(r#","enabled":"yes""#), 400, "expected a boolean"),
        ("POST", "/expire", of(r#","partitionKey":["a","b"]"#), 400, "has 2 values; it must have 1 values or fewer"),
        ("POST", "/expire", of(r#","id":"missing""#), 404, "missing"),
        (
            "POST",
            "/faults",
            r#"{"kind":"reads","status":500}"#.into(),
            400,
            "unknown variant `reads`, expected one of `any`",
        ),
        ("POST", "/faults", r#"{"kind":"read"}"#.into(), 400, "give exactly one of status"),
        (
            "POST",
            "/faults",
            r#"{"kind":"read","status":500,"loseReply":true}"#.into(),
            400,
            "give exactly one of status",
        ),
        (
            "POST",
            "/faults",
            r#"{"kind":"read","loseReply":true,"substatus":1}"#.into(),
            400,
            "substatus requires status",
        ),
        ("POST", "/faults", r#"{"kind":"read","status":200}"#.into(), 400, "it must be 400 to 599"),
        ("POST", "/faults", r#"{"kind":"read","status":500,"times":0}"#.into(), 400, "times is 0; it must be 1 to"),
        ("POST", "/faults", r#"{"kind":"read","delayMilliseconds":99999999}"#.into(), 400, "at most 600000"),
        (
            "POST",
            "/faults",
            r#"{"container":"x","kind":"read","status":500}"#.into(),
            404,
            "container x does not exist",
        ),
        ("GET", "/nothing", String::new(), 404, "unknown path /nothing; GET / lists the requests"),
        ("PUT", "/faults", String::new(), 405, "/faults does not support PUT; it supports POST, GET, DELETE"),
    ];
    for (method, path, body, status, words) in bad {
        let (found, code, message) = refused(&scene, method, path, &body).await;
        assert!(found == status && message.contains(words), "{method} {path} {body}: {found} {code}: {message}");
    }
    assert_eq!(scene.endpoint.pending_faults(), 0);
}
