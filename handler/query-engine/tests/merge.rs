//! What clients do with a plan: they send its text to each range and merge the rows. The result is that of the query over all documents.

mod common;

use std::cmp::Ordering;

use common::{documents, page};
use proptest::prelude::*;
use query_engine::{Document, PageRequest, Plan, Query, sort_order};
use serde_json::{Map, Value, json};

const QUERIES: &[&str] = &[
    "SELECT * FROM c",
    "SELECT VALUE c.n FROM c WHERE c.n > 0",
    "SELECT TOP 3 c.id FROM c",
    "SELECT c.id FROM c OFFSET 2 LIMIT 3",
    "SELECT DISTINCT VALUE c.n FROM c",
    "SELECT DISTINCT TOP 2 c.n FROM c",
    "SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags OFFSET 1 LIMIT 1",
    "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.n FROM c)",
    "SELECT COUNT(1) AS k FROM (SELECT DISTINCT c.n FROM c) AS d",
    "SELECT c.id, c.n FROM c ORDER BY c.id",
    "SELECT VALUE c.n FROM c ORDER BY c.n, c.id",
    "SELECT VALUE [c.n, c.id] FROM c WHERE c.id != 'd03' ORDER BY c.n DESC, c.id ASC OFFSET 1 LIMIT 4",
    "SELECT TOP 2 * FROM c ORDER BY c.n, c.id",
    "SELECT DISTINCT VALUE c.n FROM c ORDER BY c.n",
    "SELECT DISTINCT TOP 2 VALUE c.k FROM c ORDER BY c.k DESC",
    "SELECT DISTINCT c.n FROM c ORDER BY c.n, c.id",
    "SELECT VALUE t FROM t IN c.tags ORDER BY t",
    "SELECT VALUE COUNT(1) FROM c",
    "SELECT VALUE COUNT(c.n) FROM c WHERE c.k = 'a'",
    "SELECT VALUE COUNTIF(c.k = 'a') FROM c",
    "SELECT VALUE SUM(c.n) FROM c",
    "SELECT VALUE AVG(c.n) FROM c WHERE IS_NUMBER(c.n)",
    "SELECT VALUE MIN(c.n) FROM c",
    "SELECT VALUE MAX(c.n) FROM c WHERE false",
    "SELECT COUNT(1) AS k, AVG(c.n), MAX(c.id) AS m, 'x' AS x FROM c",
    "SELECT c.k, COUNT(1) AS k2, SUM(c.n) AS s, MIN(c.n) AS m FROM c GROUP BY c.k",
    "SELECT VALUE c.k FROM c GROUP BY c.k",
    "SELECT VALUE AVG(c.n) FROM c GROUP BY c.k",
    "SELECT TOP 9 c.k || '!' AS e FROM c GROUP BY c.k",
    "SELECT VALUE {k: c.k} FROM c GROUP BY c.k OFFSET 0 LIMIT 9",
    "SELECT f.n FROM (SELECT c.n FROM c) AS f WHERE f.n > 1",
];

fn rows(text: &str, documents: &[Document]) -> Vec<Value> {
    let page = page(text, &[], documents, &PageRequest::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    page.rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

/// The result of a query over ranges, as a client merges it.
fn merged(text: &str, ranges: &[&[Document]]) -> Vec<Value> {
    let plan = Query::parse(text, &[]).expect("valid").plan().expect("a plan");
    let sent = if plan.rewritten_query.is_empty() { text } else { &plan.rewritten_query };
    let sent = sent.replace("{documentdb-formattableorderbyquery-filter}", "true");
    let mut all: Vec<Value> = ranges.iter().flat_map(|documents| rows(&sent, documents)).collect();
    if !plan.order_by.is_empty() {
        all.sort_by(|a, b| compare(&plan, a, b));
        all = all.into_iter().map(|row| row["payload"].clone()).collect();
    }
    if !plan.group_by_expressions.is_empty() || !plan.aggregates.is_empty() || !plan.group_by_aliases.is_empty() {
        all = grouped(&plan, &all);
    }
    if plan.distinct_type != "None" {
        let mut distinct: Vec<Value> = Vec::new();
        for row in all {
            let is_known =
                if plan.distinct_type == "Ordered" { distinct.last() == Some(&row) } else { distinct.contains(&row) };
            if !is_known {
                distinct.push(row);
            }
        }
        all = distinct;
    }
    if let Some(count) = &plan.d_count_info {
        let number = json!(all.len());
        all = vec![if count.d_count_alias.is_empty() { number } else { json!({ &count.d_count_alias: number }) }];
    }
    let size = |size: Option<u64>| usize::try_from(size.unwrap_or(u64::from(u32::MAX))).expect("small");
    let skip = plan.offset.map_or(0, |offset| size(Some(offset)));
    all.into_iter().skip(skip).take(size(plan.limit)).take(size(plan.top)).collect()
}

fn compare(plan: &Plan, a: &Value, b: &Value) -> Ordering {
    for (index, direction) in plan.order_by.iter().enumerate() {
        let item = |row: &Value| row["orderByItems"][index].get("item").cloned();
        let order = sort_order(item(a).as_ref(), item(b).as_ref());
        if order != Ordering::Equal {
            return if *direction == "Descending" { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

fn grouped(plan: &Plan, rows: &[Value]) -> Vec<Value> {
    let is_value = plan.has_select_value && plan.group_by_expressions.is_empty();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for row in rows {
        let key = row.get("groupByItems").cloned().unwrap_or(Value::Null);
        // Without a payload, the group is one of undefined.
        let payload = if is_value { row.clone() } else { row.get("payload").cloned().unwrap_or(json!("undefined")) };
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, payloads)) => payloads.push(payload),
            None => groups.push((key, vec![payload])),
        }
    }
    groups.into_iter().filter_map(|(_, payloads)| result(plan, &payloads)).collect()
}

fn result(plan: &Plan, payloads: &[Value]) -> Option<Value> {
    if let Some(aggregate) = plan.aggregates.first() {
        let parts: Vec<&Value> = payloads.iter().map(|payload| &payload[0]).collect();
        return aggregated(aggregate, &parts);
    }
    if plan.group_by_aliases.is_empty() {
        return Some(payloads[0].clone()).filter(|payload| *payload != json!("undefined"));
    }
    let mut object = Map::new();
    for alias in &plan.group_by_aliases {
        let parts: Vec<&Value> = payloads.iter().filter_map(|payload| payload.get(alias)).collect();
        let value = match plan.group_by_alias_to_aggregate_type[alias].as_str() {
            Some(aggregate) => aggregated(aggregate, &parts),
            None => parts.first().map(|value| (*value).clone()),
        };
        object.extend(value.map(|value| (alias.clone(), value)));
    }
    Some(Value::Object(object))
}

fn aggregated(aggregate: &str, parts: &[&Value]) -> Option<Value> {
    let number = |value: f64| if value.fract() == 0.0 { json!(value as i64) } else { json!(value) };
    match aggregate {
        "Count" | "CountIf" | "Sum" => {
            let items: Option<Vec<f64>> = parts.iter().map(|part| part.get("item")?.as_f64()).collect();
            Some(number(items?.iter().sum()))
        }
        "Average" => {
            let field = |name: &str| -> Option<f64> {
                parts.iter().map(|part| part["item"].get(name)?.as_f64()).sum::<Option<f64>>()
            };
            let (sum, count) = (field("sum")?, field("count")?);
            (count > 0.0).then(|| number(sum / count))
        }
        _ => {
            let parts = parts.iter().filter(|part| part["item2"]["count"] != json!(0));
            let items: Option<Vec<&Value>> = parts.map(|part| part.get("item")).collect();
            let order = |a: &&Value, b: &&Value| sort_order(Some(a), Some(b));
            let items = items?.into_iter();
            if aggregate == "Min" { items.min_by(order) } else { items.max_by(order) }.cloned()
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![(0..3).prop_map(|value| json!(value)), Just(json!("t")), Just(Value::Null), Just(json!("missing"))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_merged_rows_of_ranges_are_the_result(values in prop::collection::vec((value(), "[ab]", prop::collection::vec("[xy]", 0..3)), 0..10), split in 0_usize..10) {
        let values: Vec<Value> = values.into_iter().enumerate().map(|(index, (n, k, tags))| {
            let mut document = json!({"id": format!("d{index:02}"), "k": k, "tags": tags});
            if n != "missing" {
                document["n"] = n;
            }
            document
        }).collect();
        let documents = documents(&values);
        let (first, second) = documents.split_at(split.min(documents.len()));
        for query in QUERIES {
            let (mut merged, mut expected) = (merged(query, &[first, second]), rows(query, &documents));
            // The order of groups is not part of the result.
            if query.contains("GROUP BY") {
                merged.sort_by(|a, b| sort_order(Some(a), Some(b)));
                expected.sort_by(|a, b| sort_order(Some(a), Some(b)));
            }
            prop_assert_eq!(merged, expected, "{}", query);
        }
    }
}

#[test]
fn a_plan_names_what_a_client_must_merge() {
    for (query, expected) in [
        ("SELECT * FROM c WHERE c.a = 1", vec![]),
        ("SELECT TOP 1 * FROM c ORDER BY c.a", vec!["OrderBy", "Top"]),
        ("SELECT * FROM c ORDER BY c.a, c.b OFFSET 1 LIMIT 2", vec!["MultipleOrderBy", "OffsetAndLimit", "OrderBy"]),
        ("SELECT VALUE COUNT(1) FROM c", vec!["Aggregate"]),
        (
            "SELECT COUNTIF(c.a), SUM(c.b) FROM c",
            vec!["Aggregate", "CountIf", "MultipleAggregates", "NonValueAggregate"],
        ),
        ("SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a", vec!["Aggregate", "GroupBy"]),
        ("SELECT DISTINCT c.a FROM c", vec!["Distinct"]),
        ("SELECT COUNT(1) AS n FROM (SELECT DISTINCT c.a FROM c)", vec!["DCount", "Distinct"]),
        ("SELECT VALUE MAKESET(c.a) FROM c", vec!["Aggregate", "ListAndSetAggregate"]),
    ] {
        assert_eq!(Query::parse(query, &[]).expect(query).plan().expect("a plan").features(), expected, "{query}");
    }
}

#[test]
fn what_ranges_cannot_compute_has_no_plan() {
    for query in [
        "SELECT c.name, ABS(AVG(c.age)) AS a FROM c GROUP BY c.name",
        "SELECT MIN(c.n) / 2 FROM c",
        "SELECT MIN(c.n), MAX(c.n) / 2 FROM c",
        "SELECT VALUE {'sum': SUM(c.n)} FROM c",
        "SELECT VALUE [SUM(c.n)] FROM c",
    ] {
        let error = Query::parse(query, &[]).expect(query).plan().expect_err(query);
        assert_eq!(error.message, "Compositions of aggregates and other expressions are not allowed.", "{query}");
    }
    for query in [
        "SELECT VALUE AVG(t.n) FROM (SELECT COUNT(1) AS n FROM c GROUP BY c.k) AS t",
        "SELECT * FROM (SELECT TOP 5 * FROM c) AS t",
        "SELECT t.n FROM (SELECT c.n FROM c) AS t ORDER BY t.n",
    ] {
        Query::parse(query, &[]).expect(query).plan().expect_err(query);
    }
}

#[test]
fn rewritten_texts_are_those_of_the_service() {
    const FILTER: &str = "({documentdb-formattableorderbyquery-filter})";
    for (query, expected) in [
        ("SELECT * FROM Root r WHERE r.key IN (1, 'a') ORDER BY r.b ASC",
         format!("SELECT r._rid, [{{\"item\": r.b}}] AS orderByItems, r AS payload\nFROM Root AS r\nWHERE ((r.key IN (1, \"a\")) AND {FILTER})\nORDER BY r.b ASC")),
        ("SELECT VALUE r.a FROM r WHERE r.d = true ORDER BY r.b",
         format!("SELECT r._rid, [{{\"item\": r.b}}] AS orderByItems, r.a AS payload\nFROM r\nWHERE (((r.d = true) AND {FILTER}) AND IS_DEFINED(r.a))\nORDER BY r.b")),
        ("SELECT TOP 70 r[\"a\"], r[0] FROM r ORDER BY r.key DESC",
         format!("SELECT TOP 70 r._rid, [{{\"item\": r.key}}] AS orderByItems, {{\"a\": r[\"a\"], \"$1\": r[0]}} AS payload\nFROM r\nWHERE {FILTER}\nORDER BY r.key DESC")),
        ("SELECT * FROM c WHERE c.a = 5 AND c.b > -1 AND NOT IS_DEFINED(c.x) OFFSET 1 LIMIT 2",
         "SELECT *\nFROM c\nWHERE (((c.a = 5) AND (c.b > -1)) AND (NOT IS_DEFINED(c.x)))\nOFFSET 0 LIMIT 3".to_owned()),
        ("SELECT DISTINCT TOP 5 VALUE c.name FROM c", "SELECT DISTINCT VALUE c.name\nFROM c".to_owned()),
        ("SELECT s.x, Count(1) AS n FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t.a LIKE 'x!%' ESCAPE '!') s GROUP BY s.x",
         "SELECT [{\"item\": s.x}] AS groupByItems, {\"x\": s.x, \"n\": {\"item\": Count(1)}} AS payload\nFROM c\nJOIN (\n    SELECT VALUE t\n    FROM t IN c.tags\n    WHERE (t.a LIKE \"x!%\" ESCAPE \"!\")\n) AS s\nGROUP BY s.x".to_owned()),
    ] {
        let plan = Query::parse(query, &[]).expect(query).plan().expect("a plan");
        assert_eq!(plan.rewritten_query, expected, "{query}");
        Query::parse(&expected.replace(FILTER, "(true)"), &[]).expect("what is sent is valid");
    }
}
