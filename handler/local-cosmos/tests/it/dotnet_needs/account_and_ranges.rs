//! What the SDK needs of the account, containers, ranges and offers.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CONTAINER, DOCS, LATEST, P1, Scene, UPSERT};
use crate::dotnet_replay::{covers_everything, ranges_of};

/// Without it the first query throws, and the process dies at the next garbage collection.
#[tokio::test]
async fn an_account_has_a_configuration_of_the_query_engine_as_text_of_an_object() {
    let account = Scene::start().await.get("/", &[]).await.json();
    let text = account["queryEngineConfiguration"].as_str().expect("text");
    let configuration: Value = serde_json::from_str(text).expect("JSON");
    assert!(configuration.as_object().is_some_and(|members| !members.is_empty()), "{text}");
}

/// Without it the client throws a NullReferenceException.
#[tokio::test]
async fn an_account_has_a_consistency_policy() {
    let account = Scene::start().await.get("/", &[]).await.json();
    assert!(account["userConsistencyPolicy"].is_object(), "{account}");
}

/// The client retries an address that does not answer for over a minute.
#[tokio::test]
async fn an_account_names_no_address_that_does_not_answer() {
    let scene = Scene::start().await;
    let account = scene.get("/", &[]).await.json();
    for list in ["readableLocations", "writableLocations"] {
        for location in account[list].as_array().into_iter().flatten() {
            let address = location["databaseAccountEndpoint"].as_str().expect("an address");
            let address = address.trim_start_matches("http://").trim_end_matches('/');
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
    }
}

/// Without `_rid` reads, queries and feeds throw; without the paths, a write whose key is not given, and the creation of leases.
#[tokio::test]
async fn a_container_has_a_resource_id_and_the_paths_of_its_key() {
    let container = Scene::start().await.get(CONTAINER, &[]).await.json();
    assert!(container["_rid"].as_str().is_some_and(|rid| !rid.is_empty()), "{container}");
    assert_eq!(container["partitionKey"]["paths"], json!(["/pk"]));
}

/// Queries fail with 404 otherwise, and feeds with "Stale cache for rid".
#[tokio::test]
async fn ranges_are_addressed_by_resource_ids_and_names_in_any_mixture() {
    let scene = Scene::start().await;
    let (database, container) = (scene.rid("/dbs/db").await, scene.rid(CONTAINER).await);
    for path in [
        format!("/dbs/{database}/colls/{container}/pkranges"),
        format!("/dbs/{database}/colls/{container}/pkranges/"),
        format!("/dbs/db/colls/{container}/pkranges"),
        format!("/dbs/{database}/colls/c/pkranges"),
        "/dbs/db/colls/c/pkranges".to_owned(),
    ] {
        let answer = scene.get(&path, &[("x-ms-max-item-count", "-1"), LATEST]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.summary());
        covers_everything(&answer.json()).unwrap_or_else(|wanted| panic!("{path}: {wanted}"));
    }
}

/// The client asks again without pause if the list has no etag, or if its etag is not answered with 304.
#[tokio::test]
async fn a_list_of_ranges_has_an_etag_that_is_answered_with_304_until_a_split() {
    let scene = Scene::start().await;
    let path = scene.ranges_path().await;
    let first = scene.get(&path, &[LATEST]).await;
    let etag = first.header("etag").expect("an etag").to_owned();
    let again = scene.get(&path, &[LATEST, ("if-none-match", &etag)]).await;
    assert_eq!(again.status, 304, "{}", again.summary());
    assert!(again.body.is_empty(), "{}", again.summary());
    scene.endpoint.split("db", "c", None, Duration::ZERO).await.expect("a split");
    let after = scene.get(&path, &[LATEST, ("if-none-match", &etag)]).await;
    assert_eq!(after.status, 200, "{}", after.summary());
    covers_everything(&after.json()).expect("all keys");
    let newer = after.header("etag").expect("an etag");
    assert_ne!(newer, etag);
    assert_eq!(scene.get(&path, &[LATEST, ("if-none-match", newer)]).await.status, 304);
}

/// A gap is answered with 404 by the SDK, an overlap with "Ranges overlap".
#[tokio::test]
async fn ranges_cover_all_keys_once_after_splits_and_merges() {
    let scene = Scene::start().await;
    let path = scene.ranges_path().await;
    for count in [1, 3, 5, 2] {
        scene.endpoint.set_partition_count("db", "c", count).await.expect("partitions");
        let list = scene.get(&path, &[LATEST]).await.json();
        covers_everything(&list).expect("all keys");
        assert_eq!(ranges_of(&list).len(), count, "{list}");
        for range in list["PartitionKeyRanges"].as_array().expect("ranges") {
            assert!(range["id"].is_string() && range["minInclusive"].is_string() && range["maxExclusive"].is_string());
        }
    }
}

/// The SDK reads the address in `_self` next: ArgumentNullException without it.
#[tokio::test]
async fn an_offer_has_its_own_address() {
    let scene = Scene::start().await;
    let definition = json!({"id": "with", "partitionKey": {"paths": ["/pk"], "kind": "Hash"}});
    scene.succeed("POST", "/dbs/db/colls", &[("x-ms-offer-throughput", "1000")], &definition).await;
    let rid = scene.rid("/dbs/db/colls/with").await;
    let query = json!({
        "query": "select * from root r where r.offerResourceId= @targetRID",
        "parameters": [{"name": "@targetRID", "value": rid}],
    });
    let pairs = [("x-ms-documentdb-isquery", "True"), ("content-type", "application/query+json")];
    let found = scene.succeed("POST", "/offers", &pairs, &query).await.json();
    assert_eq!(found["Offers"].as_array().map(Vec::len), Some(1), "{found}");
    let address = found["Offers"][0]["_self"].as_str().expect("_self").trim_matches('/').to_owned();
    let offer = scene.get(&format!("/{address}"), &[]).await;
    assert_eq!(offer.json()["content"]["offerThroughput"], json!(1000), "{}", offer.summary());
}

/// The SDK reads an item by its `_self`, and a container by the ids that it has in its caches.
#[tokio::test]
async fn resource_ids_are_valid_wherever_names_are() {
    let scene = Scene::start().await;
    let item = json!({"id": "a", "pk": "p1", "n": 1});
    let own = scene.upsert(&item).await.json()["_self"].as_str().expect("_self").trim_matches('/').to_owned();
    let (database, container) = (scene.rid("/dbs/db").await, scene.rid(CONTAINER).await);
    let document = own.rsplit('/').next().expect("an id");
    assert_eq!(own, format!("dbs/{database}/colls/{container}/docs/{document}"));
    for path in [format!("/{own}"), format!("/{own}/"), format!("/dbs/{database}/colls/{container}/docs/{document}")] {
        let read = scene.get(&path, &[P1]).await;
        assert_eq!((read.status, read.json()["n"].clone()), (200, json!(1)), "{path}: {}", read.summary());
    }
    let by_ids = format!("/dbs/{database}/colls/{container}");
    for path in [&by_ids, &format!("/dbs/db/colls/{container}"), &format!("/dbs/{database}/colls/c")] {
        let read = scene.get(path, &[]).await;
        assert_eq!(read.json()["id"], json!("c"), "{path}: {}", read.summary());
        let docs = format!("{path}/docs");
        scene.succeed("POST", &docs, &[P1, UPSERT], &json!({"id": "b", "pk": "p1"})).await;
        let query = [P1, ("x-ms-documentdb-isquery", "True"), ("content-type", "application/query+json")];
        let found = scene.succeed("POST", &docs, &query, &json!({"query": "SELECT VALUE c.id FROM c"})).await.json();
        assert_eq!(found["Documents"].as_array().map(Vec::len), Some(2), "{path}: {found}");
    }
    let changed = json!({"id": "a", "pk": "p1", "n": 2});
    scene.succeed("PUT", &format!("/{own}"), &[P1], &changed).await;
    assert_eq!(scene.get(&format!("{DOCS}/a"), &[P1]).await.json()["n"], json!(2));
    scene.succeed("DELETE", &format!("/{own}"), &[P1], &Value::Null).await;
    assert_eq!(scene.get(&format!("{DOCS}/a"), &[P1]).await.status, 404);
}
