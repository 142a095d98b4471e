//! Queries that filter or sort by a path without an index.

use std::pin::pin;
use std::time::Duration;

use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition};
use futures::TryStreamExt;
use local_cosmos::Options;
use serde_json::{Value, json};

use crate::rest;
use crate::scene::{Scene, client};

/// Indexes the partition key and `/a`, and `/a` with `/b` for sorting.
fn policy() -> Value {
    json!({
        "indexingMode": "consistent",
        "includedPaths": [{"path": "/pk/?"}, {"path": "/a/?"}],
        "excludedPaths": [{"path": "/*"}],
        "compositeIndexes": [[{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "descending"}]],
    })
}

async fn scene(options: Options) -> Scene {
    let mut scene = Scene::with(options, PartitionKeyDefinition::from("/pk")).await;
    let database = client(&scene.endpoint).await.database_client("db");
    let properties = ContainerProperties::new("few", PartitionKeyDefinition::from("/pk"));
    let properties = properties.with_indexing_policy(serde_json::from_value(policy()).expect("policy"));
    database.create_container(properties, None).await.expect("container");
    scene.container = database.container_client("few", None).await.expect("client");
    for n in 0..4 {
        let item = json!({"id": format!("{n}"), "pk": format!("p{n}"), "a": n % 2, "b": n, "c": n});
        scene.container.upsert_item(format!("p{n}"), &format!("{n}"), item, None).await.expect("upsert");
    }
    scene
}

async fn count(scene: &Scene, query: &'static str) -> azure_data_cosmos::Result<usize> {
    let found = scene.container.query_items::<Value>(query, FeedScope::full_container(), None).await?;
    Ok(found.try_collect::<Vec<_>>().await?.len())
}

const INDEXED: [(&str, usize); 6] = [
    ("SELECT * FROM c", 4),
    ("SELECT * FROM c WHERE c.a = 1 AND c.id != '1'", 1),
    ("SELECT * FROM c WHERE c.pk IN ('p1', 'p2') AND c._ts > 0", 2),
    ("SELECT VALUE x.c FROM x WHERE x['a'] = 0", 2),
    ("SELECT * FROM c ORDER BY c.a DESC", 4),
    ("SELECT * FROM c ORDER BY c.a, c.b DESC", 4),
];

const UNINDEXED: [(&str, &str); 5] = [
    ("SELECT * FROM c WHERE c.a = 1 AND c.c = 1", "/c"),
    ("SELECT * FROM c WHERE NOT IS_DEFINED(c.x['y'])", "/x/y"),
    ("SELECT * FROM c WHERE c._etag != ''", "/_etag"),
    ("SELECT * FROM c ORDER BY c.b", "/b"),
    ("SELECT * FROM c ORDER BY c.a, c.b", "(/a ASC, /b ASC)"),
];

#[tokio::test]
async fn a_query_without_an_index_is_rejected_with_its_path_and_container() {
    let scene = scene(Options { refuse_unindexed_queries: true, ..Options::default() }).await;
    for (query, expected) in INDEXED {
        assert_eq!(count(&scene, query).await.expect(query), expected, "{query}");
    }
    for (query, path) in UNINDEXED {
        let error = count(&scene, query).await.expect_err(query);
        assert_eq!(u16::from(error.status().status_code()), 400, "{query}");
        let message = error.to_string();
        assert!(message.contains(path) && message.contains("container few"), "{query}: {message}");
    }
}

#[tokio::test]
async fn text_literals_are_read_as_the_service_reads_them() {
    let scene = scene(Options::default()).await;
    for (query, expected) in [
        (r#"SELECT * FROM c WHERE c["a"] = 1 AND c.pk != "p1""#, 1),
        (r"SELECT * FROM c WHERE c.pk IN ('p\u0031', 'it\'s') AND c['a'] = 1", 1),
        (r#"SELECT c.a AS x, {"y": c.b} AS z FROM c WHERE c["pk"] = "p\u0032""#, 1),
    ] {
        assert_eq!(count(&scene, query).await.expect(query), expected, "{query}");
    }
}

#[tokio::test]
async fn by_default_every_query_is_executed_and_the_control_interface_changes_that() {
    let scene = scene(Options { control_port: Some(0), ..Options::default() }).await;
    let control = scene.endpoint.control_url().expect("control").to_owned();
    let (query, _) = UNINDEXED[0];
    count(&scene, query).await.expect("executed");
    for (refused, is_ok) in [(true, false), (false, true)] {
        let body = json!({"refused": refused});
        let answer = rest::send(&control, "POST", "/unindexed-queries", &[], &body.to_string()).await;
        assert_eq!(answer.json(), body);
        assert_eq!(count(&scene, query).await.is_ok(), is_ok);
    }
    scene.endpoint.refuse_unindexed_queries(true);
    count(&scene, query).await.expect_err("refused");
}

#[tokio::test]
async fn a_replaced_indexing_policy_takes_effect_immediately() {
    let scene = scene(Options { refuse_unindexed_queries: true, ..Options::default() }).await;
    let (query, _) = UNINDEXED[0];
    count(&scene, query).await.expect_err("refused");
    let properties = ContainerProperties::new("few", PartitionKeyDefinition::from("/pk"));
    scene.container.replace(properties, None).await.expect("replace");
    count(&scene, query).await.expect("indexed by default");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_query_holds_up_no_other_request() {
    const QUERIES: usize = 3;
    let scene = Scene::start().await;
    let text = "x".repeat(1000);
    for n in 0..2000 {
        let (id, pk) = (n.to_string(), "p".to_owned());
        scene.container.upsert_item(pk, &id, json!({"id": id, "pk": "p", "text": text}), None).await.expect("upsert");
    }
    let query = r#"{"query":"SELECT * FROM c WHERE CONTAINS(c.text, 'y')"}"#;
    let headers = [
        ("x-ms-documentdb-isquery", "true"),
        ("content-type", "application/query+json"),
        ("x-ms-documentdb-partitionkey", r#"["p"]"#),
    ];
    // The endpoint has two threads for its connections. Queries may end before all of them are seen, so they are sent again.
    let all_at_once = async {
        loop {
            let mut queries =
                pin!(futures::future::join_all((0..QUERIES).map(|_| scene.docs("POST", &headers, query))));
            loop {
                tokio::select! {
                    _ = &mut queries => break,
                    () = tokio::time::sleep(Duration::from_millis(1)) => {
                        if scene.endpoint.requests_under_way() >= QUERIES as u64 {
                            return;
                        }
                    }
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_at_once).await.expect("three queries at once");
}

#[tokio::test]
async fn a_sort_by_a_computed_property_has_every_item_of_a_large_container() {
    let scene = Scene::start().await;
    let property = json!({"name": "lower", "query": "SELECT VALUE LOWER(c.name) FROM c"});
    let key = json!({"paths": ["/pk"], "kind": "Hash", "version": 2});
    let definition = json!({"id": "computed", "partitionKey": &key, "computedProperties": [property]}).to_string();
    let url = scene.endpoint.url();
    assert_eq!(rest::send(url, "POST", "/dbs/db/colls", &[], &definition).await.status, 201);
    let of_key = json!({"name": "pk", "query": "SELECT VALUE LOWER(c.name) FROM c"});
    let refused = json!({"id": "refused", "partitionKey": key, "computedProperties": [of_key]}).to_string();
    let answer = rest::send(url, "POST", "/dbs/db/colls", &[], &refused).await;
    assert!(answer.status == 400 && answer.text.contains("the partition key is in"), "{}", answer.text);
    let docs = "/dbs/db/colls/computed/docs";
    let key = ("x-ms-documentdb-partitionkey", r#"["p"]"#);
    for n in 0..250 {
        let name = if n % 2 == 0 { format!("A{n:03}") } else { format!("a{n:03}") };
        let item = json!({"id": n.to_string(), "pk": "p", "name": name}).to_string();
        assert_eq!(rest::send(url, "POST", docs, &[key], &item).await.status, 201);
    }
    let query = ("x-ms-documentdb-isquery", "true");
    for (order, first) in [("ASC", "A000"), ("DESC", "a249")] {
        let body = json!({"query": format!("SELECT VALUE c.name FROM c ORDER BY c.lower {order}")}).to_string();
        let answer = rest::send(url, "POST", docs, &[key, query], &body).await.json();
        assert_eq!((&answer["_count"], &answer["Documents"][0]), (&json!(250), &json!(first)), "{order}");
    }
}
