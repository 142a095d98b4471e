//! The rows of queries over documents.

mod common;

use common::{documents, page, rows};
use query_engine::{ComputedProperty, Document, ErrorKind, PageRequest, Query};
use serde_json::{Value, json};

fn products() -> Vec<Document> {
    documents(&[
        json!({"id": "1", "cat": "a", "n": 3, "tags": ["x", "y"], "sizes": [{"s": 1, "q": 5}, {"s": 2, "q": 0}]}),
        json!({"id": "2", "cat": "b", "n": 1, "tags": [], "flag": true}),
        json!({"id": "3", "cat": "a", "n": 2, "tags": ["y"], "flag": false}),
        json!({"id": "4", "cat": null, "n": "text", "inner": {"y": {"z": 1}}}),
        json!({"id": "5"}),
    ])
}

/// Each query has the rows.
#[track_caller]
fn check(table: &[(&str, Value)]) {
    let products = products();
    for (query, expected) in table {
        assert_eq!(Value::Array(rows(query, &products)), *expected, "{query}");
    }
}

#[test]
fn undefined_is_not_null() {
    check(&[
        ("SELECT VALUE c.cat FROM c", json!(["a", "b", "a", null])),
        ("SELECT c.nope FROM c WHERE c.id = '1'", json!([{}])),
        ("SELECT VALUE c.nope FROM c", json!([])),
        ("SELECT VALUE {x: c.nope} FROM c WHERE c.id = '1'", json!([{}])),
        ("SELECT VALUE c.id FROM c WHERE c.cat = null", json!(["4"])),
        ("SELECT VALUE c.id FROM c WHERE c.cat != null", json!(["1", "2", "3"])),
        ("SELECT VALUE c.id FROM c WHERE c.cat != 'a'", json!(["2", "4"])),
        ("SELECT VALUE c.id FROM c WHERE NOT (c.cat = 'a')", json!(["2", "4"])),
        ("SELECT VALUE c.id FROM c WHERE NOT c.flag", json!(["3"])),
        ("SELECT VALUE c.id FROM c WHERE c.flag", json!(["2"])),
        ("SELECT VALUE c.id FROM c WHERE c.n", json!([])),
        ("SELECT VALUE c.id FROM c WHERE c.n > 1", json!(["1", "3"])),
        ("SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.n) AND NOT IS_DEFINED(c.flag)", json!(["1", "4"])),
    ]);
}

#[test]
fn the_select_list_names_its_properties() {
    check(&[
        (
            "SELECT c.id, c[\"n\"], c['cat'] AS k, c.tags[0], 1, c.n + 1 AS m FROM c WHERE c.id = '1'",
            json!([{"id": "1", "n": 3, "k": "a", "$1": "x", "$2": 1, "m": 4}]),
        ),
        ("SELECT p.id key, p.n + 1 m FROM c p WHERE p.id = '1'", json!([{"key": "1", "m": 4}])),
        ("SELECT VALUE c.id AS name FROM c WHERE c.id = '1'", json!(["1"])),
        ("SELECT \"Cosmic\", \"Works\"", json!([{"$1": "Cosmic", "$2": "Works"}])),
        ("SELECT {identifier: c.id} FROM c WHERE c.id = '1'", json!([{"$1": {"identifier": "1"}}])),
        ("SELECT c FROM c WHERE c.id = '5'", json!([{"c": {"id": "5", "_rid": common::rid(5)}}])),
        ("SELECT * FROM c WHERE c.id = '5'", json!([{"id": "5", "_rid": common::rid(5)}])),
        ("SELECT VALUE c FROM root c WHERE c.id = '5'", json!([{"id": "5", "_rid": common::rid(5)}])),
        ("SELECT c.inner.y.z FROM c WHERE c.id = '4'", json!([{"z": 1}])),
        ("SELECT 1 AS one, 'a'", json!([{"one": 1, "$1": "a"}])),
        ("SELECT VALUE 5", json!([5])),
    ]);
}

#[test]
fn sources_are_the_container_parts_of_it_elements_and_subqueries() {
    check(&[
        ("SELECT VALUE t FROM t IN c.tags", json!(["x", "y", "y"])),
        ("SELECT * FROM s IN c.sizes", json!([{"s": 1, "q": 5}, {"s": 2, "q": 0}])),
        ("SELECT * FROM c.inner", json!([{"y": {"z": 1}}])),
        ("SELECT VALUE y.z FROM c.inner.y", json!([1])),
        ("SELECT VALUE y.z FROM c['inner'][\"y\"] AS y", json!([1])),
        ("SELECT VALUE s.q FROM c.sizes[1] AS s", json!([0])),
        ("SELECT c.id, t FROM c JOIN t IN c.tags", json!([{"id": "1", "t": "x"}, {"id": "1", "t": "y"}, {"id": "3", "t": "y"}])),
        ("SELECT VALUE [t, s.s] FROM c JOIN t IN c.tags JOIN s IN c.sizes WHERE s.q > 0", json!([["x", 1], ["y", 1]])),
        ("SELECT VALUE t FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t != 'x') AS t", json!(["y", "y"])),
        ("SELECT VALUE z FROM c JOIN y IN c.inner.y", json!(null)),
        ("SELECT VALUE i.y.z FROM c JOIN i = c.inner", json!(null)),
        ("SELECT VALUE f.n FROM (SELECT c.n FROM c WHERE c.cat = 'a') AS f", json!([3, 2])),
        ("SELECT VALUE n FROM c JOIN (SELECT VALUE c.n) AS n WHERE n > 1", json!([3, 2])),
        ("SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.cat FROM c)", json!([3])),
        ("SELECT VALUE c.id FROM c JOIN (SELECT VALUE EXISTS(SELECT VALUE i FROM c JOIN i IN c.sizes WHERE i.s = 2)) AS v WHERE v", json!(["1"])),
    ].into_iter().filter(|(_, expected)| !expected.is_null()).collect::<Vec<_>>());
}

#[test]
fn subqueries_have_the_aliases_around_them() {
    check(&[
        ("SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'x')", json!(["1"])),
        ("SELECT VALUE c.id FROM c WHERE NOT EXISTS(SELECT VALUE t FROM t IN c.tags)", json!(["2", "4", "5"])),
        ("SELECT VALUE ARRAY(SELECT VALUE s.q FROM s IN c.sizes) FROM c WHERE c.id IN ('1', '5')", json!([[5, 0], []])),
        ("SELECT VALUE (SELECT VALUE SUM(s.q) FROM s IN c.sizes) FROM c WHERE c.id = '1'", json!([5])),
        ("SELECT (SELECT VALUE COUNT(1) FROM t IN c.tags) AS n FROM c WHERE c.cat = 'a'", json!([{"n": 2}, {"n": 1}])),
        ("SELECT VALUE (SELECT VALUE t FROM t IN c.tags) FROM c WHERE c.id IN ('2', '3')", json!(["y"])),
        (
            "SELECT VALUE ARRAY(SELECT DISTINCT TOP 1 t FROM c JOIN t IN c.tags ORDER BY t DESC) FROM c WHERE c.id = '1'",
            json!([[{"t": "y"}]]),
        ),
        (
            "SELECT VALUE ARRAY(SELECT VALUE t FROM t IN c.tags OFFSET 1 LIMIT 5) FROM c WHERE c.id = '1'",
            json!([["y"]]),
        ),
        ("SELECT VALUE FIRST(SELECT VALUE t FROM t IN c.tags) FROM c", json!(["x", "y"])),
        ("SELECT VALUE LAST(SELECT VALUE t FROM t IN c.tags) FROM c", json!(["y", "y"])),
        (
            "SELECT VALUE c.id FROM c WHERE ALL(SELECT VALUE t FROM t IN c.tags WHERE t = 'y')",
            json!(["2", "3", "4", "5"]),
        ),
        (
            "SELECT VALUE ARRAY(SELECT s.q, COUNT(1) AS n FROM s IN c.sizes GROUP BY s.q) FROM c WHERE c.id = '1'",
            json!([[{"q": 0, "n": 1}, {"q": 5, "n": 1}]]),
        ),
    ]);
    let error =
        page("SELECT VALUE (SELECT VALUE t FROM t IN c.tags) FROM c", &[], &products(), &PageRequest::default())
            .expect_err("two rows");
    assert!(error.message.contains("cardinality of a scalar subquery"), "{error}");
}

#[test]
fn distinct_top_and_offset_limit_apply_in_this_order() {
    check(&[
        ("SELECT DISTINCT VALUE c.cat FROM c", json!(["a", "b", null])),
        ("SELECT DISTINCT c.cat FROM c", json!([{"cat": "a"}, {"cat": "b"}, {"cat": null}, {}])),
        ("SELECT DISTINCT TOP 2 VALUE c.cat FROM c", json!(["a", "b"])),
        ("SELECT DISTINCT VALUE c.cat FROM c ORDER BY c.cat", json!([null, "a", "b"])),
        ("SELECT TOP 2 VALUE c.id FROM c", json!(["1", "2"])),
        ("SELECT TOP 0 VALUE c.id FROM c", json!([])),
        ("SELECT VALUE c.id FROM c OFFSET 1 LIMIT 2", json!(["2", "3"])),
        ("SELECT VALUE c.id FROM c OFFSET 4 LIMIT 9", json!(["5"])),
        ("SELECT VALUE c.id FROM c OFFSET 1 LIMIT 0", json!([])),
        ("SELECT VALUE c.id FROM c ORDER BY c.id DESC OFFSET 1 LIMIT 2", json!(["4", "3"])),
        ("SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id DESC", json!(["5", "4"])),
    ]);
}

#[test]
fn order_by_compares_across_types_and_returns_documents_without_the_property_first() {
    check(
        &[
            ("SELECT VALUE c.id FROM c ORDER BY c.n", json!(["5", "2", "3", "1", "4"])),
            ("SELECT VALUE c.id FROM c ORDER BY c.n DESC", json!(["4", "1", "3", "2", "5"])),
            ("SELECT VALUE c.id FROM c ORDER BY c.cat, c.n DESC", json!(["5", "4", "1", "3", "2"])),
            // Ties come in the direction of the first expression.
            ("SELECT VALUE c.id FROM c ORDER BY c.cat", json!(["5", "4", "1", "3", "2"])),
            ("SELECT VALUE c.id FROM c ORDER BY c.cat DESC", json!(["2", "3", "1", "4", "5"])),
            ("SELECT VALUE c.id FROM c WHERE IS_NUMBER(c.n) ORDER BY -c.n", json!(null)),
            ("SELECT VALUE t FROM c JOIN t IN c.tags ORDER BY t DESC", json!(["y", "y", "x"])),
            (
                "SELECT VALUE [c.id, t] FROM c JOIN t IN c.tags ORDER BY c.n",
                json!([["3", "y"], ["1", "x"], ["1", "y"]]),
            ),
        ]
        .into_iter()
        .filter(|(_, expected)| !expected.is_null())
        .collect::<Vec<_>>(),
    );
}

#[test]
fn aggregates_follow_the_documentation() {
    check(&[
        ("SELECT VALUE COUNT(1) FROM c", json!([5])),
        ("SELECT VALUE COUNT(c.n) FROM c", json!([4])),
        ("SELECT VALUE COUNTIF(c.cat = 'a') FROM c", json!([2])),
        ("SELECT VALUE SUM(c.n) FROM c WHERE c.id != '4'", json!([6])),
        ("SELECT VALUE SUM(c.n) FROM c", json!([])),
        ("SELECT VALUE AVG(c.n) FROM c WHERE c.id != '4'", json!([2])),
        ("SELECT VALUE AVG(c.n) FROM c", json!([])),
        ("SELECT VALUE MIN(c.n) FROM c", json!([1])),
        ("SELECT VALUE MAX(c.n) FROM c", json!(["text"])),
        ("SELECT VALUE MIN(c.cat) FROM c", json!([null])),
        ("SELECT VALUE MAX(c.tags) FROM c", json!([])),
        ("SELECT VALUE COUNT(1) FROM c WHERE false", json!([0])),
        ("SELECT VALUE SUM(c.n) FROM c WHERE false", json!([0])),
        ("SELECT VALUE AVG(c.n) FROM c WHERE false", json!([])),
        ("SELECT VALUE MIN(c.n) FROM c WHERE false", json!([])),
        (
            "SELECT COUNT(1) AS n, SUM(c.n), MAX(c.id) AS m FROM c WHERE c.cat = 'a'",
            json!([{"n": 2, "$1": 5, "m": "3"}]),
        ),
        ("SELECT VALUE {n: COUNT(1), twice: 2 * COUNT(1)} FROM c", json!([{"n": 5, "twice": 10}])),
        (
            "SELECT VALUE [{\"item\": {\"sum\": SUM(c.n), \"count\": COUNT(c.n)}}] FROM c WHERE c.id < '4'",
            json!([[{"item": {"sum": 6, "count": 3}}]]),
        ),
        ("SELECT VALUE COUNT(1) FROM c JOIN t IN c.tags", json!([3])),
        ("SELECT VALUE MAKELIST(c.cat) FROM c", json!([["a", "b", "a", null]])),
        ("SELECT VALUE MAKESET(c.cat) FROM c", json!([["a", "b", null]])),
    ]);
}

#[test]
fn group_by_makes_a_row_for_each_value() {
    check(&[
        (
            "SELECT c.cat, COUNT(1) AS n FROM c GROUP BY c.cat",
            json!([{"n": 1}, {"cat": null, "n": 1}, {"cat": "a", "n": 2}, {"cat": "b", "n": 1}]),
        ),
        ("SELECT VALUE c.cat FROM c GROUP BY c.cat", json!([null, "a", "b"])),
        ("SELECT VALUE COUNT(1) FROM c GROUP BY c.cat", json!([1, 1, 2, 1])),
        ("SELECT VALUE COUNT(1) FROM c WHERE false GROUP BY c.cat", json!([])),
        ("SELECT c.inner.y.z, COUNT(1) AS n FROM c GROUP BY c.inner", json!([{"n": 4}, {"z": 1, "n": 1}])),
        (
            "SELECT UPPER(c.cat) AS k, MAX(c.n) AS m, 'x' AS x FROM c WHERE c.cat = 'a' GROUP BY UPPER(c.cat)",
            json!([{"k": "A", "m": 3, "x": "x"}]),
        ),
        ("SELECT c.cat || '!' AS k FROM c WHERE c.cat = 'a' GROUP BY c.cat", json!([{"k": "a!"}])),
        (
            "SELECT c.cat, c.flag, SUM(c.n) AS s FROM c WHERE IS_DEFINED(c.cat) GROUP BY c.cat, c.flag",
            json!([{"cat": null}, {"cat": "a", "s": 3}, {"cat": "a", "flag": false, "s": 2}, {"cat": "b", "flag": true, "s": 1}]),
        ),
        ("SELECT TOP 1 c.cat FROM c WHERE c.cat != null GROUP BY c.cat", json!([{"cat": "a"}])),
        ("SELECT c.cat FROM c GROUP BY c.cat OFFSET 1 LIMIT 2", json!([{"cat": null}, {"cat": "a"}])),
    ]);
}

#[test]
fn queries_without_one_meaning_are_refused() {
    for (query, code) in [
        ("SELECT * FROM c JOIN t IN c.tags", Some("SC2040")),
        ("SELECT *", Some("SC2039")),
        ("SELECT * FROM c GROUP BY c.cat", Some("SC2041")),
        ("SELECT c.id, COUNT(1) FROM c", Some("SC2102")),
        ("SELECT c.id FROM c GROUP BY c.cat", Some("SC2102")),
        ("SELECT VALUE (SELECT VALUE c.id) FROM c GROUP BY c.cat", None),
        ("SELECT c.id FROM c WHERE COUNT(1) > 1", None),
        ("SELECT c.a FROM c GROUP BY c.a ORDER BY c.a", None),
        ("SELECT c.id FROM x IN c.items", Some("SC2001")),
        ("SELECT c.id FROM c JOIN t IN d.items", Some("SC2001")),
        ("SELECT c.id FROM c JOIN c IN c.items", None),
        ("SELECT c.a, d.a FROM c JOIN d IN c.items", None),
        ("SELECT VALUE (SELECT VALUE COUNT(1) FROM c)", Some("SC2001")),
        ("SELECT c.id FROM c ORDER BY RANK RRF(FullTextScore(c.text, 'swim'))", Some("SC2050")),
        ("SELECT udf.f(c.x) FROM c", None),
    ] {
        assert_eq!(Query::parse(query, &[]).expect_err(query).code, code, "{query}");
    }
    for query in ["SELECT udf.f(c.x) FROM c", "SELECT VALUE HASH(c.a) FROM c"] {
        assert_eq!(Query::parse(query, &[]).expect_err(query).kind, ErrorKind::NotSupported, "{query}");
    }
}

#[test]
fn the_filters_by_which_clients_resume_a_sort_are_true_for_the_rest() {
    check(&[
        (
            "SELECT VALUE c.id FROM c WHERE ( c.n > 2 OR IS_STRING(c.n) OR IS_ARRAY(c.n) OR IS_OBJECT(c.n) ) ORDER BY c.n",
            json!(["1", "4"]),
        ),
        (
            "SELECT VALUE c.id FROM c WHERE ( c.n <= 2 OR NOT IS_DEFINED(c.n) OR IS_NULL(c.n) OR IS_BOOLEAN(c.n) ) ORDER BY c.n DESC",
            json!(["3", "2", "5"]),
        ),
        (
            "SELECT VALUE c.id FROM c WHERE (((c.cat > 'a') OR false) OR ((c.cat = 'a') AND (c.n >= 3))) ORDER BY c.cat, c.n",
            json!(["1", "2"]),
        ),
        ("SELECT VALUE c.id FROM c WHERE IS_BOOLEAN(c.flag)", json!(["2", "3"])),
    ]);
}

#[test]
fn what_the_select_clause_cannot_have_is_located() {
    for (query, location) in [
        ("SELECT * FROM c GROUP BY c.cat", (7, 8)),
        ("SELECT c.cat, c.x['y'] FROM c GROUP BY c.cat", (14, 22)),
        ("SELECT COUNT((SELECT VALUE 1)) FROM c", (7, 30)),
    ] {
        assert_eq!(Query::parse(query, &[]).expect_err(query).location, Some(location), "{query}");
    }
    let error = Query::parse("SELECT VALUE [SUM(c.n)] FROM c", &[]).expect("valid").plan().expect_err("composition");
    let expected = r#"{"Errors":["Compositions of aggregates and other expressions are not allowed."]}"#;
    assert_eq!(error.to_json(), expected);
}

#[test]
fn a_condition_of_a_patch_is_true_or_not() {
    let product = &products()[0];
    for (condition, expected) in [
        ("FROM c WHERE c.n = 3", true),
        ("from c where c.n = 4", false),
        ("FROM products p WHERE p.tags[0] = 'x' AND NOT IS_DEFINED(p.flag)", true),
    ] {
        assert_eq!(
            Query::parse_condition(condition).expect(condition).matches(product).expect("valid"),
            expected,
            "{condition}"
        );
    }
    for refused in ["SELECT * FROM c WHERE c.n = 3", "c.n = 3", "FROM c", "FROM c WHERE c.n = 3 ORDER BY c.n"] {
        Query::parse_condition(refused).expect_err(refused);
    }
}

#[test]
fn computed_properties_have_precedence_but_in_whole_documents() {
    let computed = [
        ComputedProperty::new("double", "SELECT VALUE c.n * 2 FROM c").expect("valid"),
        ComputedProperty::new("cat", "SELECT VALUE UPPER(c.cat) FROM c").expect("valid"),
        ComputedProperty::new("object", "SELECT VALUE {x: r.id} FROM r").expect("valid"),
    ];
    let request = PageRequest { computed: &computed, ..PageRequest::default() };
    for (query, expected) in [
        ("SELECT VALUE c.double FROM c WHERE c.double > 3", vec!["6", "4"]),
        ("SELECT VALUE c.id FROM c ORDER BY c.double DESC OFFSET 0 LIMIT 2", vec!["\"1\"", "\"3\""]),
        ("SELECT VALUE c.cat FROM c", vec!["\"A\"", "\"B\"", "\"A\""]),
        ("SELECT VALUE c.id FROM c WHERE c.cat = 'a'", vec![]),
        ("SELECT VALUE t FROM t IN c.tags WHERE t.cat = 1", vec![]),
        ("SELECT VALUE p.cat FROM (SELECT VALUE c FROM c WHERE c.id = '1') AS p", vec!["\"a\""]),
        ("SELECT VALUE c.object.x FROM c WHERE c.id = '5'", vec!["\"5\""]),
    ] {
        assert_eq!(page(query, &[], &products(), &request).expect(query).rows, expected, "{query}");
    }
    for invalid in
        ["SELECT c.n FROM c", "SELECT VALUE c.n FROM c WHERE c.n = 1", "SELECT VALUE COUNT(1) FROM c", "SELECT VALUE 1"]
    {
        ComputedProperty::new("x", invalid).expect_err(invalid);
    }
}

#[test]
fn long_lists_of_constants_mean_the_same_as_short_ones() {
    let products = products();
    let others: Vec<String> = (0..20).map(|number| format!("'x{number}'")).collect();
    let others = others.join(", ");
    let or = |path: &str, value: &str| {
        let more: Vec<String> = (0..20).map(|number| format!("({path} = 'x{number}' AND c.id = '1')")).collect();
        format!("{path} = {value} OR {}", more.join(" OR "))
    };
    for (filter, expected) in [
        (format!("c.cat IN ('a', {others})"), vec!["1", "3"]),
        (format!("c.cat NOT IN ('a', {others})"), vec!["2", "4"]),
        (format!("c.n IN (3.0, {others})"), vec!["1"]),
        (format!("c.cat IN (null, undefined, {others})"), vec!["4"]),
        (or("c.cat", "'a'"), vec!["1", "3"]),
        (or("c.n", "1"), vec!["2"]),
        (or("c.cat", "null"), vec!["4"]),
        (format!("NOT ({})", or("c.cat", "'a'")), vec!["2", "4"]),
        (format!("({}) AND c.n > 2", or("c.cat", "'a'")), vec!["1"]),
    ] {
        assert_eq!(rows(&format!("SELECT VALUE c.id FROM c WHERE {filter}"), &products), expected, "{filter}");
    }
}

#[test]
fn too_many_combinations_are_refused() {
    let list: Vec<u32> = (0..2_000).collect();
    let documents = documents(&[json!({"list": list})]);
    let query = "SELECT VALUE 1 FROM c JOIN a IN c.list JOIN b IN c.list JOIN d IN c.list WHERE false AND a = b";
    let error = page(query, &[], &documents, &PageRequest::default()).expect_err("too many");
    assert!(error.message.contains("combinations"), "{error}");
    let first = page(
        "SELECT TOP 3 VALUE d FROM c JOIN a IN c.list JOIN b IN c.list JOIN d IN c.list",
        &[],
        &documents,
        &PageRequest::default(),
    );
    assert_eq!(first.expect("few").rows, ["0", "1", "2"]);
}

#[test]
fn the_most_similar_vectors_come_first() {
    let documents = documents(&[
        json!({"id": "far", "v": [0, 1]}),
        json!({"id": "near", "v": [1, 0]}),
        json!({"id": "between", "v": [1, 1]}),
    ]);
    for (distance, expected) in [
        ("VectorDistance(c.v, [1, 0])", vec!["near", "between", "far"]),
        ("VectorDistance(c.v, [1, 0], true, {distanceFunction: 'dotproduct'}) ASC", vec!["far", "near", "between"]),
        ("VectorDistance(c.v, [1, 0], true, {distanceFunction: 'euclidean'})", vec!["near", "between", "far"]),
        ("VectorDistance(c.v, [1, 0], true, {distanceFunction: 'Euclidean'}) DESC", vec!["far", "between", "near"]),
    ] {
        assert_eq!(
            rows(&format!("SELECT TOP 3 VALUE c.id FROM c ORDER BY {distance}"), &documents),
            expected,
            "{distance}"
        );
    }
}

#[test]
fn documentid_is_the_number_of_the_document() {
    check(&[("SELECT VALUE DOCUMENTID(c) FROM c WHERE c.id = '3'", json!([3]))]);
}
