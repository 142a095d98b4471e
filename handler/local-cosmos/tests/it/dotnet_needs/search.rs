//! What clients need for full-text search, vector search and both together.

use serde_json::{Value, json};

use super::{DOCS, Scene};

/// Texts and vectors of two ranges, compared by their distance.
async fn library() -> Scene {
    let vector = json!({"path": "/v", "dataType": "float32", "distanceFunction": "euclidean", "dimensions": 2});
    let scene = Scene::with(json!({
        "id": "c",
        "partitionKey": {"paths": ["/pk"], "kind": "Hash"},
        "vectorEmbeddingPolicy": {"vectorEmbeddings": [vector]},
        "fullTextPolicy": {"defaultLanguage": "en-US", "fullTextPaths": [{"path": "/text", "language": "en-US"}]},
        "indexingPolicy": {"includedPaths": [{"path": "/*"}], "vectorIndexes": [{"path": "/v", "type": "flat"}],
            "fullTextIndexes": [{"path": "/text"}]},
    }))
    .await;
    for (number, text) in
        ["swimming", "a long text about swimming in lakes", "running", "swim, swim"].iter().enumerate()
    {
        // The nearest vector to the origin is the last.
        let item = json!({"id": text, "pk": format!("p{number}"), "text": text, "v": [9 - number, 0]});
        scene.upsert(&item).await;
    }
    scene
}

/// The plan, with the placeholders of its texts replaced by the sums of the statistics of all ranges.
async fn filled_plan(scene: &Scene, query: &str) -> Value {
    let pairs = [("x-ms-cosmos-is-query-plan-request", "True"), ("content-type", "application/query+json")];
    let plan = scene.succeed("POST", DOCS, &pairs, &json!({"query": query})).await.json();
    assert_eq!(plan["queryInfo"], Value::Null, "both kinds of plans are refused by the SDK: {plan}");
    assert!(plan["queryRanges"][0]["min"].is_string(), "{plan}");
    let mut plan = plan["hybridSearchQueryInfo"].clone();
    if plan["requiresGlobalStatistics"] == json!(true) {
        let statistics = all_rows(scene, plan["globalStatisticsQuery"].as_str().expect("a text")).await;
        let sum = |pointer: &str| -> u64 {
            statistics.iter().map(|row| row.pointer(pointer).and_then(Value::as_u64).expect("a number")).sum()
        };
        let placeholder = |name: &str| format!("{{documentdb-formattablehybridsearchquery-{name}}}");
        let hits = format!("[{}]", sum("/fullTextStatistics/0/hitCounts/0"));
        let text = plan.to_string();
        let text = text.replace(&placeholder("totaldocumentcount"), &sum("/documentCount").to_string());
        let words = sum("/fullTextStatistics/0/totalWordCount").to_string();
        let text = text.replace(&placeholder("totalwordcount-0"), &words);
        plan = serde_json::from_str(&text.replace(&placeholder("hitcountsarray-0"), &hits)).expect("JSON");
    }
    plan
}

async fn all_rows(scene: &Scene, text: &str) -> Vec<Value> {
    let text = text.replace("{documentdb-formattableorderbyquery-filter}", "true");
    let mut rows = Vec::new();
    for range in scene.ranges().await {
        let answer = scene.query_range(&text, &range, &[]).await;
        assert_eq!(answer.status, 200, "{text}: {}", answer.summary());
        rows.extend(answer.json()["Documents"].as_array().expect("Documents").clone());
    }
    rows
}

#[tokio::test]
async fn each_component_of_a_hybrid_search_ranks_the_documents_of_every_range() {
    let scene = library().await;
    let query =
        "SELECT TOP 3 c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'swim'), VectorDistance(c.v, [0, 0]))";
    let plan = filled_plan(&scene, query).await;
    assert_eq!((&plan["take"], &plan["skip"]), (&json!(3), &Value::Null));
    let components = plan["componentQueryInfos"].as_array().expect("components");
    assert_eq!(components.len(), 2, "{plan}");
    for (index, (direction, first)) in
        [("Descending", "swim, swim"), ("Ascending", "swim, swim")].into_iter().enumerate()
    {
        let component = &components[index];
        assert_eq!(component["orderBy"], json!([direction]));
        assert_eq!(component["hasNonStreamingOrderBy"], json!(true));
        let rows = all_rows(&scene, component["rewrittenQuery"].as_str().expect("a text")).await;
        assert_eq!(rows.len(), 4, "{rows:?}");
        let score = |row: &Value| row["payload"]["componentScores"][index].as_f64().expect("a number");
        let best = rows.iter().max_by(|a, b| {
            let order = score(a).total_cmp(&score(b));
            if direction == "Descending" { order } else { order.reverse() }
        });
        assert_eq!(best.expect("a row")["payload"]["payload"]["id"], json!(first), "{rows:?}");
        assert!(rows.iter().all(|row| row["_rid"].is_string() && score(row).to_string() == number(row)), "{rows:?}");
    }
}

/// The value that a row is sorted by.
fn number(row: &Value) -> String {
    row["orderByItems"][0]["item"].as_f64().expect("a number").to_string()
}

/// The Python SDK sends a query first, and asks for its plan after this refusal.
#[tokio::test]
async fn a_ranked_query_is_refused_with_its_plan() {
    let scene = library().await;
    let query = "SELECT TOP 3 c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim')";
    let key = (super::KEY, "[\"p1\"]");
    let whole = ("x-ms-documentdb-query-enablecrosspartition", "True");
    for scope in [key, whole] {
        let pairs = [("x-ms-documentdb-isquery", "True"), ("content-type", "application/query+json"), scope];
        let answer = scene.send("POST", DOCS, &pairs, &json!({"query": query})).await;
        assert_eq!((answer.status, answer.header("x-ms-substatus")), (400, Some("1004")), "{}", answer.summary());
        let plan = answer.json()["additionalErrorInfo"].as_str().expect("a text").to_owned();
        let plan: Value = serde_json::from_str(&plan).expect("JSON");
        assert_eq!(plan["hybridSearchQueryInfo"]["take"], json!(3), "{plan}");
    }
}

/// A client that does not know what a plan needs merges wrongly, or fails without a reason.
#[tokio::test]
async fn a_client_gets_no_plan_that_it_cannot_execute() {
    let scene = library().await;
    let weighted =
        "SELECT TOP 3 c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'a'), FullTextScore(c.text, 'b'), [1, 2])";
    const ALL: &str = "Aggregate, CountIf, DCount, Distinct, GroupBy, HybridSearch, MultipleAggregates, MultipleOrderBy, \
        NonStreamingOrderBy, NonValueAggregate, OffsetAndLimit, OrderBy, Top, WeightedRankFusion";
    for (query, needed) in [
        (weighted, vec!["HybridSearch", "WeightedRankFusion"]),
        ("SELECT VALUE COUNT(1) FROM c", vec!["Aggregate"]),
        ("SELECT c.text, COUNT(1) AS n FROM c GROUP BY c.text", vec!["GroupBy", "Aggregate"]),
        ("SELECT VALUE COUNTIF(c.n > 1) FROM c", vec!["CountIf"]),
        ("SELECT COUNT(1) AS n FROM (SELECT DISTINCT c.text FROM c)", vec!["DCount", "Distinct"]),
        ("SELECT COUNT(1) AS n FROM c", vec!["NonValueAggregate"]),
        ("SELECT MIN(c.n) AS low, MAX(c.n) AS high FROM c", vec!["MultipleAggregates", "NonValueAggregate"]),
        ("SELECT * FROM c ORDER BY c.text", vec!["OrderBy"]),
        ("SELECT * FROM c ORDER BY VectorDistance(c.v, [0, 0])", vec!["NonStreamingOrderBy"]),
        ("SELECT TOP 3 * FROM c", vec!["Top"]),
        ("SELECT * FROM c OFFSET 1 LIMIT 2", vec!["OffsetAndLimit"]),
    ] {
        let plan = async |features: &str| {
            let pairs = [
                ("x-ms-cosmos-is-query-plan-request", "True"),
                ("x-ms-cosmos-supported-query-features", features),
                ("content-type", "application/query+json"),
            ];
            scene.send("POST", DOCS, &pairs, &json!({"query": query})).await
        };
        assert_eq!(plan(ALL).await.status, 200, "{query}");
        for missing in needed {
            let features = ALL.split(", ").filter(|feature| *feature != missing).collect::<Vec<_>>().join(",");
            let answer = plan(&features).await;
            assert_eq!(answer.status, 400, "{query} without {missing}: {}", answer.summary());
            let message = answer.json()["message"].as_str().expect("a message").to_owned();
            assert!(message.contains(&format!("Query contained {missing}, which")), "{message}");
        }
    }
    let filter = [
        ("x-ms-cosmos-is-query-plan-request", "True"),
        ("x-ms-cosmos-supported-query-features", ""),
        ("content-type", "application/query+json"),
    ];
    let answer = scene.send("POST", DOCS, &filter, &json!({"query": "SELECT * FROM c WHERE c.text = 'a'"})).await;
    assert_eq!(answer.status, 200, "nothing to merge: {}", answer.summary());
}

#[tokio::test]
async fn the_vector_policy_decides_about_the_distance_and_the_order() {
    let scene = library().await;
    let info = scene.plan("SELECT VALUE c.id FROM c ORDER BY VectorDistance(c.v, [0, 0])").await;
    assert_eq!((&info["orderBy"], &info["hasNonStreamingOrderBy"]), (&json!(["Ascending"]), &json!(true)));
    let mut rows = all_rows(&scene, "SELECT VALUE VectorDistance(c.v, [0, 0]) FROM c").await;
    rows.sort_by_key(|row| row.as_u64());
    assert_eq!(rows, [json!(6), json!(7), json!(8), json!(9)]);
    let found = all_rows(&scene, "SELECT VALUE c.id FROM c WHERE FullTextContains(c.text, 'run')").await;
    assert_eq!(found, [json!("running")]);

    let definition = scene.get(super::CONTAINER, &[]).await.json();
    assert_eq!(definition["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["distanceFunction"], "euclidean");
    assert_eq!(definition["indexingPolicy"]["vectorIndexes"], json!([{"path": "/v", "type": "flat"}]));
    assert_eq!(definition["fullTextPolicy"]["defaultLanguage"], "en-US");
}

/// As `QueryPlanBaselineTests.Negative` of the SDK has it.
#[tokio::test]
async fn an_order_by_an_expression_is_refused() {
    let scene = Scene::with_items().await;
    let answer = scene.query_range("SELECT * FROM c ORDER BY LOWER(c.cat)", &scene.ranges().await[0], &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.summary());
    let message = answer.json()["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("\"code\":2206,\"message\":\"Unsupported ORDER BY clause."), "{message}");
}
