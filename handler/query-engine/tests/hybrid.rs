//! ORDER BY RANK: the plans by which clients compute it, what they compute, and what is refused.

mod common;

use std::collections::BTreeMap;

use common::{documents, page};
use query_engine::{DistanceFunction, Document, ErrorKind, HybridPlan, PageRequest, Query, VectorProperty};
use serde_json::{Value, json};

fn plan(text: &str) -> HybridPlan {
    let query = Query::parse(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert!(query.is_ranked(), "{text}");
    query.hybrid_plan().unwrap_or_else(|error| panic!("{text}: {error}")).expect("a hybrid plan")
}

/// The score of `c.text` with the placeholders of a component.
fn text_score(terms: &str, number: usize) -> String {
    format!(
        "_FullTextScore(c.text, [{terms}], {{documentdb-formattablehybridsearchquery-totaldocumentcount}}, \
         {{documentdb-formattablehybridsearchquery-totalwordcount-{number}}}, \
         {{documentdb-formattablehybridsearchquery-hitcountsarray-{number}}})"
    )
}

const FILTER: &str = "({documentdb-formattableorderbyquery-filter})";

#[test]
fn rewritten_texts_are_those_of_the_service() {
    let one = plan("SELECT TOP 10 * FROM c ORDER BY RANK FullTextScore(c.text, \"swim\", \"run\")");
    let score = text_score("\"swim\", \"run\"", 0);
    assert_eq!(
        one.global_statistics_query,
        "SELECT COUNT(1) AS documentCount, [{\"totalWordCount\": SUM(_FullTextWordCount(c.text)), \"hitCounts\": \
         [COUNTIF(FullTextContains(c.text, \"swim\")), COUNTIF(FullTextContains(c.text, \"run\"))]}] AS fullTextStatistics\nFROM c"
    );
    assert_eq!(
        one.component_query_infos[0].rewritten_query,
        format!(
            "SELECT TOP 120 c._rid, [{{\"item\": {score}}}] AS orderByItems, {{\"payload\": c, \"componentScores\": [({score} ?? \
             -1)]}} AS payload\nFROM c\nWHERE {FILTER}\nORDER BY {score} DESC"
        )
    );
    assert_eq!((one.skip, one.take, one.requires_global_statistics), (None, Some(10), true));
    assert_eq!(one.features(), ["HybridSearch"]);

    let both = plan(
        "SELECT TOP 10 * FROM c ORDER BY RANK RRF(FullTextScore(c.text, [\"swim\", \"run\"]), VectorDistance(c.image, [1, 2, 3]))",
    );
    let vector = "_VectorScore(c.image, [1, 2, 3])";
    assert_eq!(both.component_query_infos[0].order_by, ["Descending"]);
    assert_eq!(both.component_query_infos[1].order_by_expressions, [vector]);
    assert_eq!(
        both.component_query_infos[1].rewritten_query,
        format!(
            "SELECT TOP 120 c._rid, [{{\"item\": {vector}}}] AS orderByItems, {{\"payload\": c, \"componentScores\": [({score} ?? \
             -1), ({vector} ?? -1.79769e+308)]}} AS payload\nFROM c\nWHERE {FILTER}\nORDER BY {vector}"
        )
    );

    let weighted = plan(
        "SELECT TOP 10 * FROM c ORDER BY RANK RRF(VectorDistance(c.backup_image, [0.5, 0.2, 0.33]), VectorDistance(c.image, [1, 2, 3]), [1, -0.3])",
    );
    assert_eq!(weighted.global_statistics_query, "SELECT COUNT(1) AS documentCount, [] AS fullTextStatistics\nFROM c");
    assert_eq!(weighted.component_weights, [1.0, 0.3]);
    assert!(!weighted.requires_global_statistics);
    assert_eq!(weighted.component_query_infos[1].order_by, ["Ascending"]);
    assert_eq!(
        weighted.component_query_infos[1].rewritten_query,
        format!(
            "SELECT TOP 120 c._rid, [{{\"item\": {vector}}}] AS orderByItems, {{\"payload\": c, \"componentScores\": \
             [(_VectorScore(c.backup_image, [0.5, 0.2, 0.33]) ?? -1.79769e+308), ({vector} ?? 1.79769e+308)]}} AS payload\nFROM \
             c\nWHERE {FILTER}\nORDER BY {vector} ASC"
        )
    );
    assert_eq!(weighted.features(), ["HybridSearch", "WeightedRankFusion"]);

    let named =
        plan("SELECT c.name FROM c WHERE c.a = 1 ORDER BY RANK FullTextScore(c.text, 'swim') OFFSET 5 LIMIT 10");
    let score = text_score("\"swim\"", 0);
    assert_eq!((named.skip, named.take), (Some(5), Some(10)));
    assert_eq!((named.component_query_infos[0].offset, named.component_query_infos[0].limit), (Some(0), Some(120)));
    assert_eq!(
        named.component_query_infos[0].rewritten_query,
        format!(
            "SELECT c._rid, [{{\"item\": {score}}}] AS orderByItems, {{\"payload\": {{\"name\": c.name}}, \"componentScores\": \
             [({score} ?? -1)]}} AS payload\nFROM c\nWHERE ((c.a = 1) AND {FILTER})\nORDER BY {score} DESC\nOFFSET 0 LIMIT 120"
        )
    );
}

#[test]
fn each_range_gives_more_rows_than_the_result_has() {
    for (rows, expected) in [
        ("TOP 0", Some(120)),
        ("TOP 60", Some(120)),
        ("TOP 61", Some(122)),
        ("TOP 2147483647", Some(4_294_967_294)),
        ("TOP 4294967295", Some(4_294_967_295)),
        ("", None),
    ] {
        let plan = plan(&format!("SELECT {rows} c.name FROM c ORDER BY RANK FullTextScore(c.text, 'swim')"));
        assert_eq!(plan.component_query_infos[0].top, expected, "{rows}");
        assert_eq!(plan.component_query_infos[0].rewritten_query.contains(" TOP "), expected.is_some(), "{rows}");
    }
}

#[test]
fn parameters_stay_in_the_texts() {
    let parameters = [
        ("@term".to_owned(), json!("swim")),
        ("@terms".to_owned(), json!(["run", "fly"])),
        ("@vector".to_owned(), json!([1, 0])),
        ("@weights".to_owned(), json!([2, 1])),
    ];
    let text = "SELECT TOP 1 * FROM c ORDER BY RANK RRF(FullTextScore(c.text, @term, @terms), VectorDistance(c.v, @vector), @weights)";
    let plan = Query::parse(text, &parameters).expect(text).hybrid_plan().expect("a plan").expect("a hybrid plan");
    assert_eq!(plan.component_weights, [2.0, 1.0]);
    assert_eq!(plan.component_query_infos[0].order_by_expressions, [text_score("@term, \"run\", \"fly\"", 0)]);
    assert_eq!(plan.component_query_infos[1].order_by_expressions, ["_VectorScore(c.v, @vector)"]);
}

/// What clients do: the statistics of all ranges, the rows of each component, the ranks, and the sums of their reciprocals.
fn ranked(plan: &HybridPlan, ranges: &[&[Document]]) -> Vec<Value> {
    let rows = |text: &str, documents: &[Document]| -> Vec<Value> {
        let page =
            page(text, &[], documents, &PageRequest::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
        page.rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
    };
    let statistics: Vec<Value> =
        ranges.iter().flat_map(|documents| rows(&plan.global_statistics_query, documents)).collect();
    let sum = |pointer: &str| -> u64 {
        statistics.iter().map(|row| row.pointer(pointer).and_then(Value::as_u64).expect("a number")).sum()
    };
    let texts = statistics[0]["fullTextStatistics"].as_array().expect("an array");
    let filled = |text: &str| {
        let mut text = text.replace("{documentdb-formattableorderbyquery-filter}", "true").replace(
            "{documentdb-formattablehybridsearchquery-totaldocumentcount}",
            &sum("/documentCount").to_string(),
        );
        for (number, of_first) in texts.iter().enumerate() {
            let pointer = format!("/fullTextStatistics/{number}");
            let hits = 0..of_first["hitCounts"].as_array().expect("an array").len();
            let hits: Vec<u64> = hits.map(|term| sum(&format!("{pointer}/hitCounts/{term}"))).collect();
            let words = format!("{{documentdb-formattablehybridsearchquery-totalwordcount-{number}}}");
            text = text.replace(&words, &sum(&format!("{pointer}/totalWordCount")).to_string());
            let array = format!("{{documentdb-formattablehybridsearchquery-hitcountsarray-{number}}}");
            text = text.replace(&array, &format!("{hits:?}"));
        }
        text
    };
    let mut found = BTreeMap::new();
    for component in &plan.component_query_infos {
        for documents in ranges {
            for row in rows(&filled(&component.rewritten_query), documents) {
                found.insert(row["_rid"].as_str().expect("a rid").to_owned(), row["payload"].clone());
            }
        }
    }
    let mut fused: BTreeMap<&String, f64> = BTreeMap::new();
    for (index, component) in plan.component_query_infos.iter().enumerate() {
        let score = |rid: &String| found[rid]["componentScores"][index].as_f64().expect("a score");
        let mut order: Vec<&String> = found.keys().collect();
        order.sort_by(|a, b| score(a).total_cmp(&score(b)));
        if component.order_by == ["Descending"] {
            order.reverse();
        }
        let mut rank = 0.0;
        let mut last = None;
        for rid in order {
            if last != Some(score(rid)) {
                rank += 1.0;
                last = Some(score(rid));
            }
            *fused.entry(rid).or_default() += plan.component_weights.get(index).unwrap_or(&1.0) / (60.0 + rank);
        }
    }
    let mut order: Vec<(&String, f64)> = fused.into_iter().collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let size = |size: Option<u64>| usize::try_from(size.unwrap_or(u64::from(u32::MAX))).expect("small");
    let rows = order.into_iter().map(|(rid, _)| found[rid]["payload"].clone());
    rows.skip(plan.skip.map_or(0, |skip| size(Some(skip)))).take(size(plan.take)).collect()
}

#[test]
fn documents_are_ranked_by_their_texts_and_vectors() {
    let documents = documents(&[
        json!({"id": "long", "text": "a guide to swimming in cold lakes, wide rivers and warm seas", "v": [0, 1]}),
        json!({"id": "twice", "text": "swim, swim in cold lakes", "v": [-1, 0]}),
        json!({"id": "short", "text": "swimming", "v": [3, 4]}),
        json!({"id": "other", "text": "running", "v": [1, 0]}),
        json!({"id": "none", "v": "no vector"}),
        json!({"id": "number", "text": 5, "v": [1, 1, 1]}),
    ]);
    let check = |text: &str, expected: &[&str]| {
        // Wherever the documents are split, the result is the same.
        for middle in 0..=documents.len() {
            let (first, second) = documents.split_at(middle);
            let rows = ranked(&plan(text), &[first, second]);
            assert_eq!(rows, expected.iter().map(|id| json!(id)).collect::<Vec<_>>(), "{text}, {middle}");
        }
    };
    check(
        "SELECT TOP 4 VALUE c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim')",
        &["short", "twice", "long", "other"],
    );
    check("SELECT VALUE c.id FROM c ORDER BY RANK FullTextScore(c.text, 'swim') OFFSET 1 LIMIT 1", &["twice"]);
    check(
        "SELECT TOP 4 VALUE c.id FROM c WHERE FullTextContains(c.text, 'cold lake') ORDER BY RANK FullTextScore(c.text, 'swim')",
        &["twice", "long"],
    );
    check("SELECT TOP 3 VALUE c.id FROM c ORDER BY RANK VectorDistance(c.v, [1, 0])", &["other", "short", "long"]);
    check(
        "SELECT TOP 2 VALUE c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'swim'), VectorDistance(c.v, [1, 0]))",
        &["short", "other"],
    );
    check(
        "SELECT TOP 1 VALUE c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'swim'), VectorDistance(c.v, [1, 0]), [1, 10])",
        &["other"],
    );
    // Only the order of the vectors is turned around; documents without a vector still come last.
    check(
        "SELECT TOP 1 VALUE c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'swim'), VectorDistance(c.v, [1, 0]), [1, -10])",
        &["twice"],
    );
    // The nearest has the smallest distance.
    check(
        "SELECT TOP 4 VALUE c.id FROM c ORDER BY RANK VectorDistance(c.v, [1, 0], true, {distanceFunction: 'euclidean'})",
        &["other", "long", "twice", "short"],
    );
}

#[test]
fn the_policy_of_a_container_decides_about_its_vectors() {
    let documents = documents(&[json!({"id": "near", "v": [2, 1]}), json!({"id": "far", "v": [30, 0]})]);
    let policy = |distance| [VectorProperty { path: vec!["v".to_owned()], distance }];
    for (distance, order, value, ids) in [
        (DistanceFunction::Cosine, "Descending", json!([1]), json!(["far", "near"])),
        (DistanceFunction::DotProduct, "Descending", json!([30]), json!(["far", "near"])),
        (DistanceFunction::Euclidean, "Ascending", json!([29]), json!(["near", "far"])),
    ] {
        let query = |text: &str| Query::parse(text, &[]).expect(text).with_vectors(&policy(distance));
        let rows = |text: &str| {
            let page = query(text).run(&mut documents.iter().cloned(), &PageRequest::default()).expect(text);
            page.rows.iter().map(|row| serde_json::from_str::<Value>(row).expect("JSON")).collect::<Value>()
        };
        assert_eq!(rows("SELECT VALUE VectorDistance(c.v, [1, 0]) FROM c WHERE c.id = 'far'"), value, "{distance:?}");
        assert_eq!(rows("SELECT VALUE c.id FROM c ORDER BY VectorDistance([1, 0], c.v, true)"), ids, "{distance:?}");
        let plan = query("SELECT c.id FROM c ORDER BY VectorDistance(c.v, [1, 0])").plan().expect("a plan");
        assert_eq!((plan.order_by.as_slice(), plan.has_non_streaming_order_by), ([order].as_slice(), true));
        let plan = query("SELECT TOP 1 * FROM c ORDER BY RANK VectorDistance(c.v, [1, 0])").hybrid_plan();
        assert_eq!(plan.expect("a plan").expect("a hybrid plan").component_query_infos[0].order_by, [order]);
        // The query's own function counts more, and a property that the policy does not name is compared by the cosine.
        let own = "VectorDistance(c.v, [1, 0], true, {distanceFunction: 'DotProduct'})";
        assert_eq!(rows(&format!("SELECT VALUE {own} FROM c WHERE c.id = 'far'")), json!([30]));
        assert_eq!(rows("SELECT VALUE VectorDistance([30, 0], [1, 0])"), json!([1]));
        assert_eq!(
            rows(
                "SELECT VALUE (SELECT VALUE VectorDistance(x.v, [1, 0]) FROM x IN (SELECT VALUE [c])) FROM c WHERE c.id = 'far'"
            ),
            json!([1])
        );
    }
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    for (query, message) in [
        (
            "SELECT FullTextScore(c.text, 'a') FROM c",
            "The FullTextScore function is only allowed in the ORDER BY RANK clause.",
        ),
        ("SELECT * FROM c WHERE RRF(1, 2) > 0", "The RRF function is only allowed in the ORDER BY RANK clause."),
        (
            "SELECT * FROM c ORDER BY RANK FullTextScore(c.text, ['a']) DESC",
            "Specifying a sort order (ASC or DESC) in the ORDER BY RANK clause is not allowed.",
        ),
        ("SELECT * FROM c ORDER BY RANK c.text", "ORDER BY RANK needs FullTextScore"),
        ("SELECT * FROM c ORDER BY RANK LENGTH(c.text)", "ORDER BY RANK needs FullTextScore"),
        ("SELECT * FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'a'))", "The RRF function requires at least 2"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore(c.text)", "The FULLTEXTSCORE function requires at least 2"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore('a', 'a')", "must be a property path"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore(c.text, 1)", "must be strings"),
        ("SELECT * FROM c ORDER BY RANK FullTextScore(d.text, 'a')", "Identifier 'd' could not be resolved."),
        (
            "SELECT * FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'a'), FullTextScore(c.text, 'b'), [1])",
            "must be an array of 2 numbers",
        ),
        (
            "SELECT ARRAY(SELECT VALUE t FROM t IN c.list ORDER BY RANK FullTextScore(t, 'a')) FROM c",
            "not allowed in a subquery",
        ),
    ] {
        let error = Query::parse(query, &[]).expect_err(query);
        assert_eq!(error.kind, ErrorKind::Invalid, "{query}");
        assert!(error.message.contains(message), "{query}: {error}");
    }
    let fuzzy = "SELECT * FROM c ORDER BY RANK FullTextScore(c.text, {term: 'a', distance: 1})";
    assert_eq!(Query::parse(fuzzy, &[]).expect_err(fuzzy).kind, ErrorKind::NotSupported);
    for query in [
        "SELECT DISTINCT c.a FROM c ORDER BY RANK FullTextScore(c.text, 'a')",
        "SELECT COUNT(1) FROM c ORDER BY RANK FullTextScore(c.text, 'a')",
        "SELECT c.id FROM c JOIN t IN c.list ORDER BY RANK FullTextScore(t, 'a')",
        "SELECT VALUE t FROM t IN c.list ORDER BY RANK FullTextScore(t, 'a')",
    ] {
        let error = Query::parse(query, &[]).expect(query).hybrid_plan().expect_err(query);
        assert_eq!(error.kind, ErrorKind::NotSupported, "{query}");
    }
    let ranked = Query::parse("SELECT * FROM c ORDER BY RANK FullTextScore(c.text, 'a')", &[]).expect("a query");
    ranked.plan().expect_err("another kind of plan");
    ranked.run(&mut std::iter::empty(), &PageRequest::default()).expect_err("only a client can rank");
}

#[test]
fn a_property_can_be_named_rank() {
    for query in ["SELECT * FROM rank ORDER BY rank.a", "SELECT * FROM rank ORDER BY rank[\"a\"] DESC"] {
        assert!(!Query::parse(query, &[]).expect(query).is_ranked(), "{query}");
    }
}

/// `QueryPlanBaselineTests.Negative` of the .NET SDK.
#[test]
fn an_order_by_an_expression_is_refused() {
    for query in [
        "SELECT * FROM root WHERE root.key = \"key\" ORDER BY LOWER(root.field) ASC",
        "SELECT * FROM c ORDER BY c.a + 1",
        "SELECT * FROM c ORDER BY c[c.name]",
        "SELECT * FROM c ORDER BY c.a, FullTextContains(c.b, 'x')",
    ] {
        let error = Query::parse(query, &[]).expect_err(query);
        assert_eq!(
            error.to_json(),
            json!({"errors": [{"severity": "Error", "code": 2206, "message": "Unsupported ORDER BY clause. ORDER BY item \
                   expression could not be mapped to a document path."}]})
            .to_string(),
            "{query}"
        );
    }
    for query in [
        "SELECT * FROM c ORDER BY c[\"a\"].b[0]",
        "SELECT VALUE t FROM t IN c.tags ORDER BY t",
        "SELECT * FROM c ORDER BY VectorDistance(c.v, [1])",
        "SELECT VALUE ARRAY(SELECT VALUE t FROM t IN c.tags ORDER BY t.a + 1) FROM c",
    ] {
        Query::parse(query, &[]).expect(query);
    }
}
