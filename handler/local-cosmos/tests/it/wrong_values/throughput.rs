//! Throughput: defaults, limits, offers, and the partitions that it needs.

use serde_json::{Value, json};

use super::{QUOTAS, Row, Scene, row};

const THROUGHPUT: &str = "REST: Create a collection, x-ms-offer-throughput";
const OFFERS: &str = "REST: Replace an Offer";
const AUTOSCALE: &str = "Create Azure Cosmos DB containers and databases with autoscale throughput";
const SHARED: &str = "Introduction to provisioned throughput in Azure Cosmos DB";

fn definition(id: &str) -> Value {
    json!({"id": id, "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}})
}

fn container(source: &'static str, id: &str) -> Row {
    row("POST", "/dbs/db/colls", source).body(&definition(id))
}

/// The offers of a resource, by its path.
async fn offers(scene: &Scene, path: &str) -> Vec<Value> {
    let rid = scene.succeed(row("GET", path, "")).await.json()["_rid"].as_str().expect("a resource id").to_owned();
    let query = format!("SELECT * FROM root r WHERE r.offerResourceId = '{rid}'");
    let found = scene.succeed(row("POST", "/offers", "").query(&query)).await.json();
    found["Offers"].as_array().unwrap_or_else(|| panic!("{path}: {found}")).clone()
}

async fn content(scene: &Scene, path: &str) -> Value {
    let offers = offers(scene, path).await;
    assert_eq!(offers.len(), 1, "{path} has these offers: {offers:?}");
    offers[0]["content"].clone()
}

#[tokio::test]
async fn throughput_is_400_and_more_in_hundreds() {
    let scene = Scene::start().await;
    let with = |id: &str, throughput: &str| container(THROUGHPUT, id).header("x-ms-offer-throughput", throughput);
    let autoscale = |id: &str, maximum: u64| {
        let settings = json!({"maxThroughput": maximum}).to_string();
        container(AUTOSCALE, id).header("x-ms-cosmos-offer-autopilot-settings", &settings)
    };
    scene
        .check(vec![
            with("t400", "400").is(201),
            with("t1100", "1100").is(201),
            with("t300", "300").is(400),
            with("t450", "450").is(400),
            with("tx", "many").is(400),
            autoscale("a1000", 1_000).is(201),
            autoscale("a4000", 4_000).is(201),
            autoscale("a500", 500).is(400),
            autoscale("a1500", 1_500).is(400),
        ])
        .await;
    assert_eq!(content(&scene, "/dbs/db/colls/c").await["offerThroughput"], json!(400), "without a header");
    assert_eq!(content(&scene, "/dbs/db/colls/t1100").await["offerThroughput"], json!(1_100));
    let autoscaled = content(&scene, "/dbs/db/colls/a4000").await;
    assert_eq!(autoscaled["offerAutopilotSettings"]["maxThroughput"], json!(4_000), "{autoscaled}");
}

#[tokio::test]
async fn the_throughput_of_a_database_is_shared_by_its_containers() {
    let scene = Scene::start().await;
    let shared = row("POST", "/dbs", SHARED).header("x-ms-offer-throughput", "500").body(&json!({"id": "shared"}));
    scene.succeed(shared).await;
    scene.succeed(row("POST", "/dbs/shared/colls", SHARED).body(&definition("in"))).await;
    let dedicated = row("POST", "/dbs/shared/colls", SHARED).header("x-ms-offer-throughput", "600");
    scene.succeed(dedicated.body(&definition("own"))).await;
    assert_eq!(content(&scene, "/dbs/shared").await["offerThroughput"], json!(500));
    assert_eq!(offers(&scene, "/dbs/shared/colls/in").await, Vec::<Value>::new());
    assert_eq!(content(&scene, "/dbs/shared/colls/own").await["offerThroughput"], json!(600));
    assert_eq!(offers(&scene, "/dbs/db").await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_offer_is_replaced_within_its_limits() {
    let scene = Scene::start().await;
    let offer = offers(&scene, "/dbs/db/colls/c").await[0].clone();
    let rid = offer["_rid"].as_str().expect("a resource id").to_owned();
    let replace = |throughput: u64| {
        let mut offer = offer.clone();
        offer["content"]["offerThroughput"] = json!(throughput);
        row("PUT", &format!("/offers/{rid}"), OFFERS).body(&offer)
    };
    scene
        .check(vec![
            replace(1_200).has(json!({"content": {"offerThroughput": 1_200}})),
            row("GET", &format!("/offers/{rid}"), OFFERS).has(json!({"content": {"offerThroughput": 1_200}})),
            replace(300).is(400),
            replace(1_250).is(400),
            row("GET", "/offers/none", OFFERS).is(404),
        ])
        .await;
}

#[tokio::test]
async fn a_higher_throughput_splits_physical_partitions() {
    let scene = Scene::start().await;
    for n in 0..40 {
        let item = json!({"id": format!("i{n}"), "pk": format!("p{n}")});
        let create = row("POST", "/dbs/db/colls/c/docs", "")
            .header("x-ms-documentdb-partitionkey", &json!([item["pk"]]).to_string());
        scene.succeed(create.body(&item)).await;
    }
    let offer = offers(&scene, "/dbs/db/colls/c").await[0].clone();
    let path = format!("/offers/{}", offer["_rid"].as_str().expect("a resource id"));
    // A lower throughput merges none.
    for (throughput, expected) in [(10_000, 1), (10_100, 2), (45_000, 5), (20_000, 5), (50_100, 6)] {
        let mut offer = offer.clone();
        offer["content"]["offerThroughput"] = json!(throughput);
        scene.succeed(row("PUT", &path, QUOTAS).body(&offer)).await;
        let found = scene.endpoint.partitions("db", "c").await.expect("partitions");
        assert_eq!(found.len(), expected, "{throughput} request units a second ({QUOTAS})");
        assert_eq!(scene.succeed(row("GET", "docs", QUOTAS)).await.json()["_count"], json!(40), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0].max == pair[1].min), "{found:?}");
    }
}

#[tokio::test]
async fn a_physical_partition_has_at_most_10_000_request_units() {
    let scene = Scene::start().await;
    for (id, throughput, partitions) in [("small", "400", 1), ("ten", "10000", 1), ("large", "25000", 3)] {
        scene.succeed(container(QUOTAS, id).header("x-ms-offer-throughput", throughput)).await;
        let found = scene.endpoint.partitions("db", id).await.expect("partitions");
        assert_eq!(found.len(), partitions, "{throughput} request units a second ({QUOTAS})");
    }
    let without = scene.endpoint.partitions("db", "c").await.expect("partitions");
    assert_eq!(without.len(), 1, "{QUOTAS}");
}
