//! What the SDK needs of query plans and of the rows that it combines.

use serde_json::{Value, json};

use super::{DOCS, RANGE, Scene};

/// `Avg` and `ASC` cannot be read by the SDK, nor can a kind of DISTINCT that is null.
#[tokio::test]
async fn a_plan_names_aggregates_orders_and_distinct_as_the_sdk_does() {
    let scene = Scene::start().await;
    for (function, name) in [("COUNT", "Count"), ("SUM", "Sum"), ("AVG", "Average"), ("MIN", "Min"), ("MAX", "Max")] {
        let info = scene.plan(&format!("SELECT VALUE {function}(c.n) FROM c")).await;
        assert_eq!(info["aggregates"], json!([name]), "{info}");
        assert_eq!(info["hasSelectValue"], json!(true), "{info}");
        assert!(info["groupByAliasToAggregateType"].is_object(), "{info}");
    }
    let info = scene.plan("SELECT * FROM c ORDER BY c.cat, c.n DESC").await;
    assert_eq!(info["orderBy"], json!(["Ascending", "Descending"]), "{info}");
    assert_eq!(info["orderByExpressions"].as_array().map(Vec::len), Some(2), "{info}");
    for (query, kind) in [
        ("SELECT * FROM c WHERE c.n = 1", "None"),
        ("SELECT DISTINCT VALUE c.cat FROM c", "Unordered"),
        ("SELECT DISTINCT VALUE c.cat FROM c ORDER BY c.cat", "Ordered"),
    ] {
        let info = scene.plan(query).await;
        let found = info.get("distinctType").cloned().unwrap_or(json!("None"));
        assert_eq!(found, json!(kind), "{query}: {info}");
    }
}

/// "RewrittenAggregateProjections was not an array", "does not have an 'payload' field", "... 'groupByItems' field".
#[tokio::test]
async fn the_text_that_is_sent_to_ranges_gives_rows_that_the_sdk_can_combine() {
    let scene = Scene::with_items().await;
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));

    let (rows, _) = scene.rewritten_rows("SELECT VALUE COUNT(1) FROM c").await;
    assert_eq!(rows.iter().map(|row| number(&row[0]["item"])).sum::<f64>(), 24.0, "{rows:?}");

    let (rows, _) = scene.rewritten_rows("SELECT VALUE SUM(c.n) FROM c").await;
    assert_eq!(rows.iter().map(|row| number(&row[0]["item"])).sum::<f64>(), 276.0, "{rows:?}");

    let (rows, _) = scene.rewritten_rows("SELECT VALUE AVG(c.n) FROM c").await;
    let total = |name: &str| rows.iter().map(|row| number(&row[0]["item"][name])).sum::<f64>();
    assert_eq!((total("sum"), total("count")), (276.0, 24.0), "{rows:?}");

    for (query, name) in [("SELECT VALUE MIN(c.n) FROM c", "min"), ("SELECT VALUE MAX(c.n) FROM c", "max")] {
        let (rows, _) = scene.rewritten_rows(query).await;
        for row in &rows {
            assert!(row[0].get("item").is_some(), "{query}: {row}");
            if let Some(second) = row[0].get("item2") {
                assert_eq!(second[name], row[0]["item"], "{query}: {row}");
                assert!(second["count"].is_u64(), "{query}: {row}");
            }
        }
    }

    let (rows, info) = scene.rewritten_rows("SELECT COUNT(1) AS many, AVG(c.n) AS a FROM c").await;
    assert_eq!(info["groupByAliasToAggregateType"], json!({"many": "Count", "a": "Average"}), "{info}");
    let count = rows.iter().map(|row| number(&row["payload"]["many"]["item"])).sum::<f64>();
    let sum = rows.iter().map(|row| number(&row["payload"]["a"]["item"]["sum"])).sum::<f64>();
    assert_eq!((count, sum), (24.0, 276.0), "{rows:?}");

    let (rows, info) = scene.rewritten_rows("SELECT COUNT(1) FROM c").await;
    assert_eq!(info["groupByAliasToAggregateType"], json!({"$1": "Count"}), "{info}");
    assert_eq!(rows.iter().map(|row| number(&row["payload"]["$1"]["item"])).sum::<f64>(), 24.0, "{rows:?}");
}

/// KeyNotFoundException without an alias; with `{}`, inner rows reach the caller.
#[tokio::test]
async fn a_plan_of_group_by_has_every_alias_and_its_rows_have_the_keys() {
    let scene = Scene::with_items().await;
    let (rows, info) = scene.rewritten_rows("SELECT c.cat, COUNT(1) AS many FROM c GROUP BY c.cat").await;
    assert_eq!(info["groupByAliases"], json!(["cat", "many"]), "{info}");
    assert_eq!(info["groupByAliasToAggregateType"], json!({"cat": null, "many": "Count"}), "{info}");
    assert_eq!(info["groupByExpressions"].as_array().map(Vec::len), Some(1), "{info}");
    let mut total = 0.0;
    for row in &rows {
        assert_eq!(row["groupByItems"], json!([{"item": row["payload"]["cat"]}]), "{row}");
        total += row["payload"]["many"]["item"].as_f64().expect("a number");
    }
    assert_eq!(total, 24.0, "{rows:?}");

    let (rows, info) = scene.rewritten_rows("SELECT VALUE COUNT(1) FROM c GROUP BY c.cat").await;
    assert_eq!(info["groupByAliases"], json!([]), "{info}");
    let total: f64 = rows.iter().map(|row| row["payload"][0]["item"].as_f64().expect("a number")).sum();
    assert_eq!(total, 24.0, "{rows:?}");
    assert!(rows.iter().all(|row| row["groupByItems"][0]["item"].is_string()), "{rows:?}");
}

/// ArgumentException and InvalidOperationException; rows without payload vanish.
#[tokio::test]
async fn rows_of_order_by_have_a_resource_id_the_sorted_values_and_the_payload() {
    let scene = Scene::with_items().await;
    for query in [
        "SELECT c.id FROM c ORDER BY c.n",
        "SELECT VALUE c.id FROM c ORDER BY c.n",
        "SELECT * FROM c ORDER BY c[\"n\"] DESC",
        "SELECT TOP 30 c.id FROM c ORDER BY c.n",
        "SELECT c.id FROM c ORDER BY c.n OFFSET 0 LIMIT 30",
    ] {
        let (rows, info) = scene.rewritten_rows(query).await;
        assert_eq!(info["orderByExpressions"].as_array().map(Vec::len), Some(1), "{info}");
        assert_eq!(rows.len(), 24, "{query}");
        for row in &rows {
            assert!(row["_rid"].is_string() && row["orderByItems"][0]["item"].is_u64(), "{query}: {row}");
            let payload = &row["payload"];
            assert!(payload.is_string() || payload["id"].is_string(), "{query}: {row}");
        }
    }
}

/// Without an array the SDK throws "Response Body Contract was violated"; an empty continuation is taken for one.
#[tokio::test]
async fn a_page_has_a_list_of_documents_and_the_last_one_has_no_continuation() {
    let scene = Scene::with_items().await;
    let mut rows = 0;
    for range in scene.ranges().await {
        let mut continuation: Option<String> = None;
        for page in 0.. {
            assert!(page < 50, "no last page");
            let mut more = vec![("x-ms-max-item-count", "5")];
            more.extend(continuation.as_deref().map(|continuation| ("x-ms-continuation", continuation)));
            let answer = scene.query_range("SELECT * FROM c", &range, &more).await;
            rows += answer.json()["Documents"].as_array().expect("Documents").len();
            continuation = answer.header("x-ms-continuation").map(str::to_owned);
            match continuation.as_deref() {
                None => break,
                Some(continuation) => assert!(!continuation.is_empty()),
            }
        }
    }
    assert_eq!(rows, 24);
    let nothing = scene.query_range("SELECT * FROM c WHERE c.n = -1", &scene.ranges().await[0], &[]).await;
    assert_eq!((nothing.status, nothing.json()["Documents"].clone()), (200, json!([])));
    assert_eq!(nothing.header("x-ms-continuation"), None);
    let feed = scene.get(DOCS, &[(RANGE, &scene.ranges().await[0])]).await;
    assert!(feed.json()["Documents"].is_array(), "{}", feed.summary());
}

/// `ReadManyItemsAsync` sends this. Where text in double quotes was no literal, it gave no items and no error.
#[tokio::test]
async fn a_query_for_1_000_ids_and_keys_finds_every_item() {
    let scene = Scene::with_items().await;
    let terms = |literal: &dyn Fn(String) -> String| {
        let term = |n: usize| {
            let (id, key) = (literal(format!("i{n:02}")), literal(format!("p{}", n % 12)));
            format!("( c.id = {id} AND c[\"pk\"] = {key} )")
        };
        (0..1_000).map(term).collect::<Vec<_>>().join(" OR ")
    };
    for terms in [terms(&|text| format!("\"{text}\"")), terms(&|text| format!("'{text}'"))] {
        let query = format!("SELECT * FROM c WHERE ( {terms} )");
        scene.plan(&query).await;
        let mut found = 0;
        for range in scene.ranges().await {
            let answer = scene.query_range(&query, &range, &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.summary());
            found += answer.json()["Documents"].as_array().expect("Documents").len();
        }
        assert_eq!(found, 24);
    }
}
