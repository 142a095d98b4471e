//! Replays the recorded batches and bulk requests, whose bodies are in the tests of the crate that encodes them.
//!
//! Each is sent to a container of its own. The recorded answers were made up; the wanted statuses here follow from the operations
//! and from the items that the container has before.

use std::fs;
use std::path::Path;

use hybrid_row::{Operation, OperationKind, OperationResult, decode_operations, decode_results, encode_operations};
use local_cosmos::{Endpoint, Options};
use serde_json::{Value, json};

use super::client_state::ranges_of;
use super::recording::{Line, lines};
use super::request::{KEY, RANGE};
use crate::wire::{Answer, Headers, Wire, headers};

/// A body, what the container is like before, and the statuses of the results.
struct Case {
    body: &'static str,
    key_paths: &'static [&'static str],
    /// Partition keys as in the header, and items.
    items: &'static [(&'static str, &'static str)],
    /// The statuses of the results. One stands for all of them.
    statuses: &'static [i32],
}

const PK: &[&str] = &["/pk"];
const HIERARCHICAL: &[&str] = &["/t", "/u", "/s"];

const CASES: &[Case] = &[
    Case { body: "batch-1mb", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "batch-create-1", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "batch-create-100", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "batch-hierarchical-key", key_paths: HIERARCHICAL, items: &[], statuses: &[201, 200] },
    Case { body: "batch-key-none", key_paths: PK, items: &[], statuses: &[201] },
    // The item has no partition key, and the header has one.
    Case { body: "batch-key-null", key_paths: PK, items: &[], statuses: &[400] },
    Case { body: "batch-key-number", key_paths: PK, items: &[], statuses: &[400] },
    // The etag of the replace is not that of the item, so no operation takes effect.
    Case { body: "batch-mixed", key_paths: PK, items: &[], statuses: &[424, 424, 424, 412, 424, 424] },
    Case { body: "batch-no-content-response", key_paths: PK, items: &[], statuses: &[201, 201, 200, 200, 200, 204] },
    Case {
        body: "batch-request-options",
        key_paths: PK,
        items: &[("[\"p1\"]", r#"{"id":"a","pk":"p1"}"#)],
        statuses: &[200],
    },
    Case {
        body: "batch-unicode",
        key_paths: PK,
        items: &[(r#"["\u043a\u043b\u044e\u0447-\u9375-\ud83d\udd11"]"#, r#"{"id":"名前","pk":"ключ-鍵-🔑"}"#)],
        statuses: &[201, 200, 201, 204],
    },
    Case { body: "bulk-create-10-one-range", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "bulk-create-10.2", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "bulk-create-10", key_paths: PK, items: &[], statuses: &[201] },
    Case { body: "bulk-hierarchical-key", key_paths: HIERARCHICAL, items: &[], statuses: &[201] },
    Case {
        body: "bulk-mixed",
        key_paths: PK,
        items: &[
            ("[true]", r#"{"id":"c","pk":true}"#),
            ("[null]", r#"{"id":"d","pk":null}"#),
            ("[{}]", r#"{"id":"e"}"#),
            ("[\"s\"]", r#"{"id":"f","pk":"s","n":1}"#),
            ("[\"s\"]", r#"{"id":"g","pk":"s"}"#),
        ],
        statuses: &[201, 201, 412, 200, 200, 200, 204, 201],
    },
    Case { body: "bulk-no-content-response", key_paths: PK, items: &[], statuses: &[201] },
];

/// Has an effective partition key that belongs to no key. It may be refused.
const MADE_UP_EFFECTIVE_KEY: &str = "batch-effective-partition-key";

fn recorded_body(name: &str) -> Vec<u8> {
    if name == "batch-1mb" {
        let item = format!(r#"{{"id":"big","pk":"p1","pad":"{}"}}"#, "x".repeat(1_048_576));
        let create = Operation { body: Some(item.into_bytes()), ..Operation::new(OperationKind::Create) };
        return encode_operations(&[create]).expect("a body");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hybrid-row/tests/recordings");
    fs::read(folder.join(format!("{name}.request.bin"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// An endpoint with the container `coll` in the database `db`, of one range.
struct Scene {
    _endpoint: Endpoint,
    wire: Wire,
    range: String,
    session: String,
}

impl Scene {
    async fn start(key_paths: &[&str], items: &[(&str, &str)]) -> Self {
        let endpoint = Endpoint::start(Options::default()).await.expect("an endpoint");
        let wire = Wire::new(endpoint.url());
        let mut partition_key = json!({"paths": key_paths, "kind": "Hash"});
        if key_paths.len() > 1 {
            partition_key = json!({"paths": key_paths, "kind": "MultiHash", "version": 2});
        }
        let create = async |path: &str, pairs: &[(&str, &str)], body: String| {
            let answer = wire.send("POST", path, &headers(pairs), body.as_bytes()).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.summary());
            answer
        };
        create("/dbs", &[], json!({"id": "db"}).to_string()).await;
        create("/dbs/db/colls", &[], json!({"id": "coll", "partitionKey": partition_key}).to_string()).await;
        endpoint.set_partition_count("db", "coll", 1).await.expect("a partition");
        let ranges = wire.send("GET", "/dbs/db/colls/coll/pkranges", &Vec::new(), b"").await.json();
        let range = ranges_of(&ranges).first().expect("a range").id.clone();
        let mut session = String::new();
        for (key, item) in items {
            let answer = create("/dbs/db/colls/coll/docs", &[(KEY, key)], (*item).to_owned()).await;
            session = answer.header("x-ms-session-token").unwrap_or_default().to_owned();
        }
        Self { _endpoint: endpoint, wire, range, session }
    }

    async fn send(&self, line: &Line, body: &[u8]) -> Answer {
        let mut sent = Headers::new();
        for (name, value) in &line.headers {
            match name.as_str() {
                RANGE => sent.push((name.clone(), self.range.clone())),
                "x-ms-session-token" => sent.push((name.clone(), self.session.clone())),
                _ => sent.push((name.clone(), value.replace("{guid}", "5f1f2f4e-5d0c-4b8e-9a53-0c6f2f0a7b11"))),
            }
        }
        self.wire.send(&line.method, &line.path, &sent, body).await
    }

    async fn item_count(&self) -> usize {
        let feed = headers(&[("a-im", "Incremental Feed"), (RANGE, &self.range), ("x-ms-max-item-count", "1000")]);
        let answer = self.wire.send("GET", "/dbs/db/colls/coll/docs", &feed, b"").await;
        answer.json()["Documents"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test]
async fn batches_and_bulk_operations() {
    let lines = lines("batch.jsonl");
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let name = line.body_file.as_deref().and_then(|file| file.strip_suffix(".request.bin")).expect("a body");
        let found = if name == MADE_UP_EFFECTIVE_KEY {
            made_up_effective_key(line).await
        } else {
            let case = CASES.iter().find(|case| case.body == name).unwrap_or_else(|| panic!("no case for {name}"));
            replay(line, case).await
        };
        wrong.extend(found.into_iter().map(|found| format!("batch.jsonl:{} {name} | {found}", index + 1)));
    }
    assert!(wrong.is_empty(), "{} wrong answers to {} requests:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

async fn made_up_effective_key(line: &Line) -> Vec<String> {
    let scene = Scene::start(PK, &[]).await;
    let answer = scene.send(line, &recorded_body(MADE_UP_EFFECTIVE_KEY)).await;
    let is_refused = answer.status == 400 && answer.json()["message"].is_string();
    let is_answered = [200, 207].contains(&answer.status) && decode_results(&answer.body).is_ok();
    if is_refused || is_answered {
        return Vec::new();
    }
    vec![format!("wanted: results, or 400 with a message | came: {}", answer.summary())]
}

async fn replay(line: &Line, case: &Case) -> Vec<String> {
    let scene = Scene::start(case.key_paths, case.items).await;
    let body = recorded_body(case.body);
    let operations = decode_operations(&body).expect("operations");
    let wanted: Vec<i32> = match case.statuses {
        [one] => vec![*one; operations.len()],
        statuses => statuses.to_vec(),
    };
    assert_eq!(wanted.len(), operations.len(), "{}", case.body);
    let answer = scene.send(line, &body).await;
    let results = match decode_results(&answer.body) {
        Ok(results) => results,
        Err(error) => {
            return vec![format!("wanted: statuses {wanted:?} | came: {} ({error})", answer.summary())];
        }
    };
    let came: Vec<i32> = results.iter().map(|result| result.status).collect();
    if came != wanted {
        return vec![format!("wanted: statuses {wanted:?} | came: {came:?}")];
    }
    let mut wrong = Vec::new();
    let status = if wanted.iter().all(|status| *status < 400) { 200 } else { 207 };
    if answer.status != status {
        wrong.push(format!("wanted: HTTP status {status} | came: {}", answer.status));
    }
    for (index, (operation, result)) in operations.iter().zip(&results).enumerate() {
        if let Err(missing) = check_result(operation, result) {
            wrong.push(format!("wanted: {missing} in result {index} | came: {result:?}"));
        }
    }
    let is_atomic = line.header("x-ms-cosmos-batch-atomic") == Some("True");
    let written = operations.iter().zip(&wanted).filter(|(_, status)| **status == 201).count();
    let deleted = wanted.iter().filter(|status| **status == 204).count();
    let count = if is_atomic && status != 200 { case.items.len() } else { case.items.len() + written - deleted };
    let found = scene.item_count().await;
    if found != count {
        wrong.push(format!("wanted: {count} items afterwards | came: {found}"));
    }
    wrong
}

/// What a result has besides its status.
fn check_result(operation: &Operation, result: &OperationResult) -> Result<(), &'static str> {
    let succeeded = result.status < 400;
    let has_item = succeeded && operation.kind != OperationKind::Delete && !operation.minimal_return;
    let item: Value = result.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    if has_item && !item["_etag"].is_string() {
        return Err("the item");
    }
    if !has_item && succeeded && result.body.as_ref().is_some_and(|body| !body.is_empty()) {
        return Err("no body");
    }
    if succeeded && operation.kind != OperationKind::Delete && result.etag.is_none() {
        return Err("an etag");
    }
    if result.request_charge.is_none() {
        return Err("a charge");
    }
    Ok(())
}
