//! Bulk requests beside other requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azure_data_cosmos::models::PartitionKeyDefinition;
use local_cosmos::Options;
use serde_json::{Value, json};

use crate::scene::Scene;

const OPERATIONS: u64 = 100;

async fn bulk(scene: &Scene, number: u64) {
    let operation = |n: u64| json!({"operationType": "Upsert", "partitionKey": "[\"p\"]", "resourceBody": {"id": format!("{n}"), "pk": "p", "bulk": number}});
    let body: Vec<Value> = (0..OPERATIONS).map(operation).collect();
    let headers = [
        ("x-ms-documentdb-partitionkeyrangeid", "0"),
        ("x-ms-cosmos-is-batch-request", "true"),
        ("x-ms-cosmos-batch-atomic", "false"),
    ];
    let answer = scene.docs("POST", &headers, &json!(body).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The log sequence numbers of the newest versions, with the numbers of the bulk requests that wrote them.
async fn written(scene: &Scene) -> Vec<(u64, Option<u64>)> {
    let headers = [("a-im", "Incremental Feed"), ("x-ms-max-item-count", "1000")];
    let page = scene.docs("GET", &headers, "").await.json();
    let item = |item: &Value| (item["_lsn"].as_u64().expect("a number"), item["bulk"].as_u64());
    page["Documents"].as_array().expect("documents").iter().map(item).collect()
}

/// The operations of a bulk request are independent, so that no other request has to wait for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn other_writes_come_between_the_operations_of_a_bulk_request() {
    let options = Options { partitions: Some(1), ..Options::default() };
    let scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let is_done = AtomicBool::new(false);
    let others = async {
        let mut n = 0;
        while !is_done.load(Ordering::SeqCst) {
            scene.upsert("p", &format!("other-{}", n % 400), n).await;
            n += 1;
        }
    };
    let bulks = async {
        let deadline = Instant::now() + Duration::from_secs(60);
        for number in 0.. {
            bulk(&scene, number).await;
            let written = written(&scene).await;
            let of_bulk: Vec<u64> =
                written.iter().filter(|(_, bulk)| *bulk == Some(number)).map(|(lsn, _)| *lsn).collect();
            assert_eq!(of_bulk.len() as u64, OPERATIONS);
            let (first, last) = (of_bulk[0], of_bulk[of_bulk.len() - 1]);
            if written.iter().any(|(lsn, bulk)| bulk.is_none() && (first..last).contains(lsn)) {
                break;
            }
            assert!(Instant::now() < deadline, "every bulk request was executed as a whole");
        }
        is_done.store(true, Ordering::SeqCst);
    };
    tokio::join!(others, bulks);
}
