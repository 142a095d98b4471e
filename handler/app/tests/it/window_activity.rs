//! The activity of a window: versions by time and operation, and the busiest documents, fields and actors.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::backups::delete_event;
use crate::support::jobs::capture;
use crate::support::{CommandLine, Handler, World};

/// A second since 1970 at which a bucket of ten minutes begins.
const B: i64 = 1_700_000_400;

fn write(id: &str, ts: i64, lsn: i64, body: Value) -> Value {
    let mut document = json!({"id": id, "pk": "a", "_ts": ts, "_lsn": lsn, "_etag": format!("\"{id}-{lsn}\"")});
    document.as_object_mut().expect("object").extend(body.as_object().expect("object").clone());
    document
}

async fn get(handler: &Handler, path: &str) -> Value {
    let (status, answer) = handler.get(path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    answer
}

/// Twenty documents, which a release changes at 1200 seconds, and some other changes.
async fn incident(handler: &Handler) {
    let id = |n: i64| format!("d{n:02}");
    let mut documents: Vec<Value> =
        (0..20).map(|n| write(&id(n), B - 100, n, json!({"city": "x", "by": "Ada"}))).collect();
    documents.push(write("d00", B + 30, 100, json!({"city": "y", "by": "Ada"})));
    documents.extend((0..20).map(|n| write(&id(n), B + 1200 + n, 200 + n, json!({"city": "X", "by": "release"}))));
    documents.push(write("d03", B + 1300, 300, json!({"city": "X", "by": "Ada", "zip": 1})));
    let mut delete = delete_event("a", "d04", 400);
    delete["metadata"]["crts"] = json!((B + 1800) as f64);
    documents.push(delete);
    documents.push(write("d05", B + 1801, 500, json!({"city": "after", "by": "Ada"})));
    let (status, answer) = handler.invoke(&Value::Array(documents).to_string(), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn an_incident_shows_as_a_spike_with_its_documents_fields_and_actor() {
    let world = World::new().await;
    let handler =
        Handler::start(&[("CosmosDB", &world.endpoint.connection_string()), ("CHANGEFEED_ACTOR_FIELDS", "by")]);
    incident(&handler).await;
    let window = format!("from={B}&to={}", B + 1800);
    let answer = get(&handler, &format!("/api/history/activity?{window}&bucket=10m")).await;
    let bucket = |minute: &str, counts: Value| json!({"from": format!("2023-11-14T22:{minute}:00Z"), "counts": counts, "byRestore": 0});
    assert_eq!(
        answer["items"],
        json!([
            bucket("20", json!({"write": 1})),
            bucket("30", json!({})),
            bucket("40", json!({"write": 21})),
            bucket("50", json!({"delete": 1}))
        ])
    );
    assert_eq!(
        answer["fields"],
        json!([{"path": "/by", "versions": 21}, {"path": "/city", "versions": 21}, {"path": "/zip", "versions": 1}])
    );
    assert_eq!(
        (&answer["fieldsSampled"], &answer["versions"], &answer["bucket"]),
        (&json!(22), &json!(23), &json!("10m"))
    );
    assert_eq!(answer["actors"], json!([{"actor": "release", "versions": 20}, {"actor": "Ada", "versions": 2}]));
    let documents = answer["documents"].as_array().expect("documents");
    assert_eq!(documents.len(), 10);
    assert_eq!(documents[0], json!({"id": "d00", "partitionKey": ["a"], "versions": 2}));
    let busiest: Vec<&str> = documents.iter().map(|document| document["id"].as_str().expect("id")).collect();
    assert_eq!(busiest, ["d00", "d03", "d04", "d01", "d02", "d05", "d06", "d07", "d08", "d09"]);
    assert!(answer["requestCharge"].as_f64().is_some_and(|charge| charge > 0.0), "{answer}");
    for (condition, expected) in [
        ("actor=release", 20),
        ("filter=zip%3D1", 1),
        ("filter=id%3Dd04", 2),
        ("filter=city%3DX%20and%20by!%3Drelease", 1),
    ] {
        let answer = get(&handler, &format!("/api/history/activity?{window}&{condition}")).await;
        assert_eq!(answer["versions"], expected, "{condition}: {answer}");
    }
    // Without a start, the window begins with its first version.
    let all = get(&handler, &format!("/api/history/activity?to={}&bucket=10m", B + 1801)).await;
    assert_eq!((all["versions"].clone(), &all["items"][0]["from"]), (json!(44), &json!("2023-11-14T22:10:00Z")));
    let command = CommandLine::new(&world);
    let (since, until) = (B.to_string(), (B + 1800).to_string());
    let arguments = ["history", "activity", "--since", &since, "--until", &until, "--bucket", "10m"];
    let (code, text) = command.text(&arguments).await;
    assert_eq!(code, 0, "{text}");
    let bars: Vec<usize> = text.lines().map(|line| line.matches('#').count()).filter(|length| *length > 0).collect();
    assert!(bars.len() == 3 && bars[1] > 10 * bars[0] && bars[0] == bars[2], "{text}");
    for part in ["23 versions in buckets of 10m", "write 21", "delete 1", "d00", "release", "Versions, of 22 read"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (code, json) = command.json(&arguments).await;
    assert_eq!((code, &json["items"]), (0, &answer["items"]));
}

#[tokio::test]
async fn the_activity_counts_the_versions_that_the_list_of_changes_has() {
    let world = World::new().await;
    let changefeed = world.changefeed(|_| ());
    let bodies = [
        json!({"n": 1, "tags": ["a", "b"], "name": "x"}),
        json!({"n": 2, "tags": [], "name": null}),
        json!({"n": 9_007_199_254_740_993_i64, "tags": [["a"]], "a": {"0": "p"}}),
        json!({"n": 9_007_199_254_740_992_i64, "a": ["p", "q"]}),
        json!({"name": "y", "a": {"n": 1}}),
    ];
    let mut documents: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| write(&format!("d{n}"), B + n as i64, n as i64, body.clone()))
        .collect();
    let mut delete = delete_event("a", "d1", 50);
    delete["metadata"]["crts"] = json!((B + 10) as f64);
    documents.push(delete);
    // Nested too deeply for an item: the body is compressed.
    let mut deep = json!(1);
    for _ in 0..125 {
        deep = json!([deep]);
    }
    documents.push(write("deep", B + 11, 60, json!({"n": 1, "deep": deep})));
    capture(&changefeed, &documents).await;
    assert!(world.query("changes", "SELECT * FROM c WHERE IS_DEFINED(c.documentZstd)").await.len() == 1);
    let handler = world.handler();
    for (filter, expected) in [
        ("n=1", 2),
        ("n!=1", 3),
        ("n=9007199254740993", 2),
        ("n>1 or name exists", 5),
        ("n exists", 5),
        ("name=null", 1),
        ("group !exists", 6),
        ("id=d1", 2),
        ("id=d1 and n=2", 1),
    ] {
        let filter = filter.replace('=', "%3D").replace('>', "%3E").replace(' ', "%20");
        let window = format!("from={B}&to={}&filter={filter}", B + 20);
        let activity = get(&handler, &format!("/api/history/activity?{window}")).await;
        let changes = get(&handler, &format!("/api/history/changes?{window}")).await;
        let listed = changes["items"].as_array().expect("items").len();
        assert_eq!(
            (activity["versions"].clone(), listed),
            (json!(expected), expected),
            "{filter}: {activity} {changes}"
        );
    }
}

#[tokio::test]
async fn a_wrong_bucket_is_refused_with_one_that_fits() {
    let world = World::new().await;
    let handler = world.handler();
    for (query, expected) in [
        ("bucket=5".to_owned(), "bucket: invalid bucket \"5\"; use a whole number and a unit: 30s, 5m, 1h or 1d"),
        (format!("from={B}&to={}&bucket=1s", B + 3600), "at most 1500 are allowed, so use 5m"),
        (format!("from={}&to={B}", B + 1), "exchange them"),
        (format!("from={B}&operation=delete"), "unknown parameter"),
    ] {
        let (status, answer) = handler.get(&format!("/api/history/activity?{query}")).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == StatusCode::BAD_REQUEST && message.contains(expected), "{query}: {status} {answer}");
    }
    let empty = get(&handler, "/api/history/activity").await;
    assert_eq!((&empty["versions"], empty["items"].as_array().map(Vec::len)), (&json!(0), Some(1)), "{empty}");
}
