//! Literals, undefined values and comparisons in queries.

use serde_json::{Value, json};

use super::{Row, Scene, row};

const CONSTANTS: &str = "Constants in Azure Cosmos DB for NoSQL";
const COMPARISONS: &str = "Equality and comparison operators in Azure Cosmos DB for NoSQL";
const EVALUATOR: &str = "ScalarExpressionEvaluator in the tests of the .NET SDK, and the engine cosmosdb-query";
const SELECT: &str = "SELECT clause in Azure Cosmos DB for NoSQL";
const ARRAY_CONTAINS: &str = "ARRAY_CONTAINS in Azure Cosmos DB for NoSQL";
const HIERARCHICAL: &str = "Hierarchical partition keys in Azure Cosmos DB";

/// The query and the values that it gives, over the items below.
const QUERIES: &[(&str, &str, &str)] = &[
    ("SELECT VALUE c.id FROM c WHERE c.s = \"double\"", r#"["a"]"#, CONSTANTS),
    ("SELECT VALUE c.id FROM c WHERE c.s = 'double'", r#"["a"]"#, CONSTANTS),
    ("SELECT VALUE c[\"id\"] FROM c WHERE c[\"n\"] = 1", r#"["a"]"#, CONSTANTS),
    ("SELECT VALUE c.id FROM c WHERE c[\"id\"] IN (\"a\", \"c\")", r#"["a","c"]"#, CONSTANTS),
    ("SELECT VALUE 'it\\'s'", r#"["it's"]"#, CONSTANTS),
    ("SELECT VALUE \"say \\\"it\\\"\\u0041\\n\"", r#"["say \"it\"A\n"]"#, CONSTANTS),
    ("SELECT VALUE 0x10", "[16]", CONSTANTS),
    ("SELECT VALUE 1e3", "[1000]", CONSTANTS),
    ("SELECT VALUE {\"a\": [1, 'x', null, true]}", r#"[{"a":[1,"x",null,true]}]"#, CONSTANTS),
    ("SELECT VALUE undefined", "[]", CONSTANTS),
    ("SELECT VALUE c.nope FROM c", "[]", SELECT),
    ("SELECT c.nope FROM c WHERE c.id = 'a'", "[{}]", SELECT),
    ("SELECT VALUE {\"x\": c.nope} FROM c WHERE c.id = 'a'", "[{}]", SELECT),
    ("SELECT VALUE c.nul FROM c", "[null]", SELECT),
    ("SELECT VALUE c.id FROM c WHERE c.nope = null", "[]", COMPARISONS),
    ("SELECT VALUE c.id FROM c WHERE c.nul = null", r#"["a"]"#, COMPARISONS),
    ("SELECT VALUE c.id FROM c WHERE c.nope != 1", "[]", COMPARISONS),
    // The page about comparisons says undefined for different types. The service answers as the evaluator does.
    ("SELECT VALUE c.id FROM c WHERE c.n != 1", r#"["b","c"]"#, EVALUATOR),
    ("SELECT VALUE c.id FROM c WHERE NOT (c.n = 1)", r#"["b","c"]"#, EVALUATOR),
    ("SELECT VALUE [1 = \"1\", 1 != \"1\", null = false]", "[[false,true,false]]", EVALUATOR),
    ("SELECT VALUE [1 < \"1\", null >= 0, 1 < 2]", "[[true]]", EVALUATOR),
    ("SELECT VALUE c.id FROM c WHERE 0 = \"true\"", "[]", COMPARISONS),
    ("SELECT VALUE c.id FROM c WHERE c.n > \"0\"", r#"["c"]"#, COMPARISONS),
    ("SELECT VALUE c.id FROM c WHERE c.o = {\"y\": 2, \"x\": 1}", r#"["a"]"#, COMPARISONS),
    ("SELECT VALUE ARRAY_CONTAINS(c.l, {\"a\": 1}, true) FROM c WHERE c.id = 'a'", "[true]", ARRAY_CONTAINS),
    ("SELECT VALUE ARRAY_CONTAINS(c.l, {\"a\": 1}) FROM c WHERE c.id = 'a'", "[false]", ARRAY_CONTAINS),
    ("SELECT VALUE ARRAY_CONTAINS(c.l, {\"a\": 1, \"b\": 2}, false) FROM c WHERE c.id = 'a'", "[true]", ARRAY_CONTAINS),
];

#[tokio::test]
async fn queries_over_one_partition_key() {
    let scene = Scene::start().await;
    for item in [
        json!({"id": "a", "pk": "p", "n": 1, "s": "double", "nul": null, "l": [{"a": 1, "b": 2}], "o": {"x": 1, "y": 2}}),
        json!({"id": "b", "pk": "p", "n": 2}),
        json!({"id": "c", "pk": "p", "n": "1"}),
    ] {
        scene.upsert(item).await;
    }
    let rows = QUERIES.iter().map(|(query, right, source)| {
        let right: Value = serde_json::from_str(right).expect("JSON");
        row("POST", "docs", source).key(&json!(["p"])).query(query).has(json!({"Documents": right}))
    });
    scene.check(rows.collect()).await;
}

#[tokio::test]
async fn a_query_with_the_first_values_of_a_hierarchical_key_reads_their_items_only() {
    let scene = Scene::with(json!({
        "id": "c",
        "partitionKey": {"paths": ["/t", "/u", "/s"], "kind": "MultiHash", "version": 2},
    }))
    .await;
    for (id, key) in [("a", ["1", "1", "1"]), ("b", ["1", "1", "2"]), ("c", ["1", "2", "1"]), ("d", ["2", "1", "1"])] {
        let item = json!({"id": id, "t": key[0], "u": key[1], "s": key[2]});
        scene.succeed(row("POST", "docs", "").key(&json!(key)).body(&item)).await;
    }
    let query = |key: Value, ids: Value| -> Row {
        row("POST", "docs", HIERARCHICAL)
            .key(&key)
            .query("SELECT VALUE c.id FROM c ORDER BY c.id")
            .has(json!({"Documents": ids}))
    };
    scene
        .check(vec![
            query(json!(["1"]), json!(["a", "b", "c"])),
            query(json!(["1", "1"]), json!(["a", "b"])),
            query(json!(["1", "1", "2"]), json!(["b"])),
            query(json!(["2"]), json!(["d"])),
            query(json!(["3"]), json!([])),
        ])
        .await;
}

#[tokio::test]
async fn a_sort_that_has_no_index_is_refused() {
    const POLICIES: &str = "Indexing policies in Azure Cosmos DB";
    let scene = Scene::with(json!({
        "id": "c",
        "partitionKey": {"paths": ["/pk"], "kind": "Hash"},
        "indexingPolicy": {
            "indexingMode": "consistent",
            "includedPaths": [{"path": "/*"}],
            "excludedPaths": [{"path": "/hidden/*"}, {"path": "/\"_etag\"/?"}],
            "compositeIndexes": [[{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "descending"}]],
        },
    }))
    .await;
    scene.upsert(json!({"id": "a", "pk": "p", "a": 1, "b": 1, "hidden": 1})).await;
    let sorted = |order: &str| {
        row("POST", "docs", POLICIES).key(&json!(["p"])).query(&format!("SELECT * FROM c ORDER BY {order}"))
    };
    scene
        .check(vec![
            sorted("c.a"),
            sorted("c.a ASC, c.b DESC"),
            sorted("c.a DESC, c.b ASC"),
            sorted("c.a ASC, c.b ASC").is(400),
            sorted("c.b DESC, c.a ASC").is(400),
            sorted("c.a, c.n").is(400),
            sorted("c.hidden").is(400),
        ])
        .await;
}
