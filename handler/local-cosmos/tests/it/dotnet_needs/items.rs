//! What the SDK needs of writes, sessions and batches.

use hybrid_row::{Operation, OperationKind, decode_results, encode_operations};
use local_cosmos::{Effect, Fault, RequestKind};
use serde_json::{Value, json};

use super::{CONTAINER, DOCS, P1, RANGE, Scene, UPSERT};
use crate::wire::headers;

/// Without it the session token of the write is lost, and later reads send none or an older one, without any error.
#[tokio::test]
async fn every_write_names_its_container_by_resource_id() {
    let scene = Scene::start().await;
    let container = scene.rid(CONTAINER).await;
    let item = json!({"id": "a", "pk": "p1", "n": 1});
    let path = format!("{DOCS}/a");
    let minimal = ("prefer", "return=minimal");
    let patch = json!({"operations": [{"op": "set", "path": "/n", "value": 2}]});
    let create = Operation { body: Some(br#"{"id":"b","pk":"p1"}"#.to_vec()), ..Operation::new(OperationKind::Create) };
    let batch = encode_operations(&[create]).expect("a body");
    let batch_headers = [
        P1,
        ("x-ms-cosmos-is-batch-request", "True"),
        ("x-ms-cosmos-batch-atomic", "True"),
        ("x-ms-cosmos-batch-ordered", "True"),
    ];
    let answers = [
        ("create", scene.succeed("POST", DOCS, &[P1], &item).await),
        ("upsert", scene.succeed("POST", DOCS, &[P1, UPSERT], &item).await),
        ("upsert without content", scene.succeed("POST", DOCS, &[P1, UPSERT, minimal], &item).await),
        ("replace", scene.succeed("PUT", &path, &[P1], &item).await),
        ("patch", scene.succeed("PATCH", &path, &[P1, ("content-type", "application/json-patch+json")], &patch).await),
        ("delete", scene.succeed("DELETE", &path, &[P1], &Value::Null).await),
        ("batch", scene.wire.send("POST", DOCS, &headers(&batch_headers), &batch).await),
    ];
    for (name, answer) in answers {
        assert_eq!(answer.header("x-ms-content-path"), Some(container.as_str()), "{name}: {}", answer.summary());
        if let Some(path) = answer.header("x-ms-alt-content-path") {
            assert!(path == "dbs/db/colls/c" || path.starts_with("dbs/db/colls/c/"), "{name}: {path}");
        }
        assert!(answer.header("x-ms-session-token").is_some_and(|token| token.contains(':')), "{name}");
    }
}

/// Without the sub-status the definition of the container is not read again.
#[tokio::test]
async fn a_key_that_the_item_does_not_have_is_refused_with_its_sub_status() {
    let scene = Scene::start().await;
    let item = json!({"id": "a", "pk": "other"});
    for pairs in [vec![P1], vec![P1, UPSERT]] {
        let answer = scene.send("POST", DOCS, &pairs, &item).await;
        assert_eq!((answer.status, answer.substatus()), (400, 1001), "{}", answer.summary());
    }
    scene.succeed("POST", DOCS, &[P1], &json!({"id": "a", "pk": "p1"})).await;
    let answer = scene.send("PUT", &format!("{DOCS}/a"), &[P1], &item).await;
    assert_eq!((answer.status, answer.substatus()), (400, 1001), "{}", answer.summary());
}

/// Without the sub-status the read is not retried.
#[tokio::test]
async fn a_session_that_was_not_reached_is_reported_with_its_sub_status() {
    let scene = Scene::start().await;
    let written = scene.upsert(&json!({"id": "a", "pk": "p1"})).await;
    let token = written.header("x-ms-session-token").expect("a session token");
    let (range, numbers) = token.split_once(':').expect("range:token");
    let mut fields: Vec<String> = numbers.split('#').map(str::to_owned).collect();
    fields[1] = (fields[1].parse::<u64>().expect("a number") + 1_000).to_string();
    let future = format!("{range}:{}", fields.join("#"));
    let read = scene.get(&format!("{DOCS}/a"), &[P1, ("x-ms-session-token", &future)]).await;
    assert_eq!((read.status, read.substatus()), (404, 1002), "{}", read.summary());
    let read = scene.get(&format!("{DOCS}/a"), &[P1, ("x-ms-session-token", token)]).await;
    assert_eq!(read.status, 200, "{}", read.summary());
}

/// With 409 a lease conflict is an error that is not tried again.
#[tokio::test]
async fn a_stale_etag_is_refused_with_412() {
    let scene = Scene::start().await;
    let item = json!({"id": "a", "pk": "p1"});
    let stale = scene.upsert(&item).await.header("etag").expect("an etag").to_owned();
    scene.upsert(&item).await;
    let path = format!("{DOCS}/a");
    let stale = [P1, ("if-match", stale.as_str())];
    for (method, body) in [("PUT", item.clone()), ("DELETE", Value::Null)] {
        let answer = scene.send(method, &path, &stale, &body).await;
        assert_eq!(answer.status, 412, "{method}: {}", answer.summary());
    }
}

/// Other forms are 500 for all operations; under 200, failures count as success.
#[tokio::test]
async fn a_batch_in_hybrid_row_has_a_result_for_each_operation_and_207_if_one_failed() {
    let scene = Scene::start().await;
    let create = |id: &str| Operation {
        body: Some(json!({"id": id, "pk": "p1"}).to_string().into_bytes()),
        ..Operation::new(OperationKind::Create)
    };
    let pairs = headers(&[
        P1,
        ("x-ms-cosmos-is-batch-request", "True"),
        ("x-ms-cosmos-batch-atomic", "True"),
        ("x-ms-cosmos-batch-ordered", "True"),
    ]);
    for (ids, status, statuses) in [
        (["a", "b"], 200, [201, 201]),
        (["c", "a"], 207, [424, 409]),
        (["a", "c"], 207, [409, 424]),
        (["c", "d"], 200, [201, 201]),
    ] {
        let body = encode_operations(&ids.map(create)).expect("a body");
        let answer = scene.wire.send("POST", DOCS, &pairs, &body).await;
        assert_eq!(answer.status, status, "{ids:?}: {}", answer.summary());
        let results = decode_results(&answer.body).unwrap_or_else(|error| panic!("{ids:?}: {error}"));
        assert_eq!(results.iter().map(|result| result.status).collect::<Vec<_>>(), statuses, "{ids:?}");
    }
}

/// The SDK waits for as long as the header says; without it, for no time at all.
#[tokio::test]
async fn a_request_that_is_throttled_says_when_to_send_it_again() {
    let scene = Scene::start().await;
    scene.upsert(&json!({"id": "a", "pk": "p1"})).await;
    let effect = Effect::Status { status: 429, substatus: 3200 };
    scene.endpoint.inject(Fault { container: None, kind: RequestKind::Read, times: 1, effect });
    let answer = scene.get(&format!("{DOCS}/a"), &[P1]).await;
    assert_eq!((answer.status, answer.substatus()), (429, 3200), "{}", answer.summary());
    let wait = answer.header("x-ms-retry-after-ms").and_then(|text| text.parse::<u64>().ok());
    assert!(wait.is_some(), "{:?}", answer.headers);
}

/// The SDK sends a throttled operation of a bulk request again after the time in its result; without it, at once.
#[tokio::test]
async fn a_throttled_operation_of_a_bulk_request_says_when_to_send_it_again() {
    let scene = Scene::start().await;
    scene.endpoint.set_partition_count("db", "c", 1).await.expect("partitions");
    let range = scene.ranges().await.remove(0);
    let pairs = headers(&[
        (RANGE, &range),
        ("x-ms-cosmos-is-batch-request", "True"),
        ("x-ms-cosmos-batch-atomic", "False"),
        ("x-ms-cosmos-batch-continue-on-error", "True"),
    ]);
    let inject = |status, substatus| {
        let effect = Effect::Status { status, substatus };
        let fault = Fault { container: Some("c".into()), kind: RequestKind::Write, times: 1, effect };
        scene.endpoint.inject(fault.on_item("b"));
    };
    let item = |id: &str| json!({"id": id, "pk": "p1"});

    let operation = |id: &str| Operation {
        body: Some(item(id).to_string().into_bytes()),
        partition_key: Some("[\"p1\"]".to_owned()),
        ..Operation::new(OperationKind::Upsert)
    };
    let rows = encode_operations(&["a", "b"].map(operation)).expect("a body");
    inject(429, 3200);
    let answer = scene.wire.send("POST", DOCS, &pairs, &rows).await;
    assert_eq!(answer.status, 207, "{}", answer.summary());
    let results = decode_results(&answer.body).expect("results");
    let results: Vec<_> =
        results.iter().map(|result| (result.status, result.substatus, result.retry_after_milliseconds)).collect();
    assert_eq!(results, [(201, None, None), (429, Some(3200), Some(10))]);

    let operation = |id| json!({"operationType": "Upsert", "partitionKey": "[\"p1\"]", "resourceBody": item(id)});
    let operations = json!([operation("a"), operation("b")]).to_string();
    inject(429, 3200);
    let results = scene.wire.send("POST", DOCS, &pairs, operations.as_bytes()).await.json();
    assert_eq!((&results[0]["statusCode"], results[0].get("retryAfterMilliseconds")), (&json!(200), None), "{results}");
    let throttled = [&results[1]["statusCode"], &results[1]["subStatusCode"], &results[1]["retryAfterMilliseconds"]];
    assert_eq!(throttled, [&json!(429), &json!(3200), &json!(10)], "{results}");

    inject(400, 0);
    let results = scene.wire.send("POST", DOCS, &pairs, operations.as_bytes()).await.json();
    let refused = &results[1];
    assert_eq!(refused["statusCode"], json!(400), "{results}");
    assert_eq!((refused.get("subStatusCode"), refused.get("retryAfterMilliseconds")), (None, None), "{results}");
}

/// A sub-status of 0 is none.
#[tokio::test]
async fn an_answer_without_a_sub_status_has_no_header_for_it() {
    let scene = Scene::start().await;
    scene.upsert(&json!({"id": "a", "pk": "p1"})).await;
    for (substatus, header) in [(0, None), (1, Some("1"))] {
        let effect = Effect::Status { status: 503, substatus };
        scene.endpoint.inject(Fault { container: None, kind: RequestKind::Read, times: 1, effect });
        let answer = scene.get(&format!("{DOCS}/a"), &[P1]).await;
        assert_eq!((answer.status, answer.header("x-ms-substatus")), (503, header), "{:?}", answer.headers);
    }
}

/// The SDK takes the names of database and container from it for its caches.
#[tokio::test]
async fn the_content_path_has_names_however_the_request_is_addressed() {
    let scene = Scene::start().await;
    let (database, container) = (scene.rid("/dbs/db").await, scene.rid(CONTAINER).await);
    for path in [
        CONTAINER.to_owned(),
        format!("/dbs/{database}/colls/{container}"),
        format!("/dbs/{database}/colls/c"),
        format!("/dbs/db/colls/{container}"),
    ] {
        let written =
            scene.succeed("POST", &format!("{path}/docs"), &[P1, UPSERT], &json!({"id": "a", "pk": "p1"})).await;
        let read = scene.get(&format!("{path}/docs/a"), &[P1]).await;
        for answer in [written, read] {
            assert_eq!(answer.header("x-ms-alt-content-path"), Some("dbs/db/colls/c"), "{path}: {}", answer.summary());
            assert_eq!(answer.header("x-ms-content-path"), Some(container.as_str()), "{path}");
        }
    }
}
