//! Items whose ids cannot be in a path: created by POST, and read and written by batches, bulk requests and queries.

use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::options::{BatchDeleteOptions, BatchReplaceOptions, Precondition};
use local_cosmos::ItemScope;
use serde_json::{Value, json};

use crate::scene::{Reader, Scene};

/// Each beside `precious`, which two of them are the path of.
const IDS: [&str; 10] = [".", "..", "a/b", "a\\b", "pre\tcious", "q?x", "h#x", "%2e%2e", "x ", "../../docs/precious"];
const BULK: [(&str, &str); 2] = [("x-ms-cosmos-is-batch-request", "true"), ("x-ms-cosmos-batch-atomic", "false")];

async fn batch(scene: &Scene, batch: TransactionalBatch) -> (u16, Option<Value>, Option<String>) {
    let response = scene.container.execute_transactional_batch(batch, None).await.expect("batch");
    assert!(response.headers().request_charge().is_some_and(|charge| charge.value() > 0.0));
    let model = response.into_model().expect("results");
    let [result] = model.results() else { panic!("one result") };
    (result.status_code(), result.into_model().expect("body"), result.etag().map(str::to_owned))
}

#[tokio::test]
async fn a_batch_reads_replaces_and_deletes_an_item_under_its_etag() {
    let scene = Scene::start().await;
    scene.upsert("p", "precious", 0).await;
    let mut reader = Reader::of_all_versions(&scene.container, FeedScope::partition("p")).await;
    for id in IDS {
        scene.upsert("p", id, 1).await;
        let read = || batch(&scene, TransactionalBatch::new("p").read_item(id, None));
        let (status, body, etag) = read().await;
        let body = body.expect("body");
        assert_eq!(
            (status, &body["id"], &body["n"], etag.as_deref()),
            (200, &json!(id), &json!(1), body["_etag"].as_str())
        );

        let replace = |etag: &str| {
            let options =
                BatchReplaceOptions::default().with_precondition(Precondition::IfMatch(etag.to_owned().into()));
            TransactionalBatch::new("p")
                .replace_item(id, json!({"id": id, "pk": "p", "n": 2}), Some(options))
                .expect("batch")
        };
        assert_eq!(batch(&scene, replace("\"other\"")).await.0, 412);
        let (status, _, replaced) = batch(&scene, replace(&etag.expect("etag"))).await;
        let (_, body, read_etag) = read().await;
        assert_eq!((status, &body.expect("body")["n"], &replaced), (200, &json!(2), &read_etag));

        let delete = |etag: &str| {
            let options =
                BatchDeleteOptions::default().with_precondition(Precondition::IfMatch(etag.to_owned().into()));
            TransactionalBatch::new("p").delete_item(id, Some(options))
        };
        assert_eq!(batch(&scene, delete("\"other\"")).await.0, 412);
        assert_eq!(batch(&scene, delete(&read_etag.expect("etag"))).await.0, 204);
        assert_eq!(read().await.0, 404);
        assert_eq!(batch(&scene, delete("\"other\"")).await.0, 404);

        let changes = reader.read().await;
        let ids: Vec<&str> = changes.iter().filter_map(|change| change.current()?["id"].as_str()).collect();
        assert_eq!((ids, changes.len()), (vec![id, id], 3), "a create, a replace and a delete");
    }
    scene.container.read_item("p", "precious", None).await.expect("it was never addressed");
}

#[tokio::test]
async fn a_bulk_request_and_the_time_to_live_address_the_item_and_not_its_path() {
    let scene = Scene::start().await;
    scene.upsert("p", "precious", 0).await;
    for id in IDS {
        let item = json!({"id": id, "pk": "p", "ttl": 1000});
        scene.container.upsert_item("p", id, &item, None).await.expect("upsert");
        assert_eq!(scene.endpoint.expire_now("db", "c", ItemScope::default()).await.expect("expired"), 1, "{id}");

        scene.upsert("p", id, 1).await;
        let operation = |kind: &str| json!({"operationType": kind, "id": id, "partitionKey": "[\"p\"]"});
        let mut replace = operation("Replace");
        replace["resourceBody"] = json!({"id": id, "pk": "p", "n": 2});
        let body = json!([operation("Read"), replace, operation("Read"), operation("Delete"), operation("Read")]);
        let answer = scene.docs("POST", &BULK, &body.to_string()).await.json();
        let statuses: Vec<_> = (0..5).map(|index| answer[index]["statusCode"].as_u64().unwrap_or_default()).collect();
        assert_eq!(statuses, [200, 200, 200, 204, 404], "{id}");
        assert_eq!((&answer[2]["resourceBody"]["id"], &answer[2]["resourceBody"]["n"]), (&json!(id), &json!(2)));
    }
    scene.container.read_item("p", "precious", None).await.expect("it was never addressed");
}
