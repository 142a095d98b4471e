//! What a query says about paths and values: for indexes, index policies and partition keys.

mod common;

use std::cmp::Ordering;
use std::ops::Bound;

use common::{documents, page};
use proptest::prelude::*;
use query_engine::PageRequest;
use query_engine::{KeyFilter, PropertyPath, Query, Values, path_text};
use serde_json::{Value, json};

fn parse(text: &str) -> Query {
    let parameters = [("@p".to_owned(), json!("x"))];
    Query::parse(text, &parameters).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn filters(text: &str) -> Vec<String> {
    parse(text).filter_paths().iter().map(|path| path_text(path)).collect()
}

fn order(text: &str) -> Vec<String> {
    let text_of = |(path, descending): (Option<PropertyPath>, bool)| {
        format!("{}{}", if descending { "-" } else { "" }, path.map_or("?".into(), |path| path_text(&path)))
    };
    parse(text).order_by_paths().into_iter().map(text_of).collect()
}

#[test]
fn every_path_in_a_filter_is_found() {
    for (query, expected) in [
        ("SELECT c.a, c.b FROM c", vec![]),
        ("SELECT VALUE COUNT(1) FROM c", vec![]),
        (
            r#"SELECT * FROM c WHERE c.a.b = 1 AND c['x y']["z"] > @p AND c.list[0].n = 'c.not OR c.this' and c["é\u0041"] = 2"#,
            vec!["/a/b", "/list/[]/n", "/\"x y\"/z", "/éA"],
        ),
        ("SELECT * FROM c WHERE c[@p] = 1 AND 1.5e3 < c.a -- c.b\n AND c.d = -1", vec!["/a", "/d", "/x"]),
        (
            "SELECT VALUE {a: c.a} FROM c WHERE c.b = 1 AND IS_DEFINED({a: c.a, x: (IS_DEFINED(c.x) OR c.y)}) AND c.z = 2",
            vec!["/b", "/z"],
        ),
        (
            "SELECT * FROM c WHERE NOT IS_DEFINED(c.x) OR c.y IN (1, c.z) OR IS_DEFINED([c.t].u) OR c.a BETWEEN c.lo AND c.hi \
             OR c.l LIKE 'a%' OR (c.q ?? c.r) = 1 OR (c.s ? 1 : 2) = 2",
            vec!["/a", "/hi", "/l", "/lo", "/q", "/r", "/s", "/t", "/x", "/y", "/z"],
        ),
        ("SELECT * FROM items AS i WHERE i.a = 1", vec!["/a"]),
        ("SELECT * FROM food.parts p WHERE p.a = 1", vec!["/parts/a"]),
        (
            "SELECT t FROM c JOIN t IN c.tags JOIN u IN t.uses WHERE t.n = 1 AND u = 2",
            vec!["/tags/[]/n", "/tags/[]/uses/[]"],
        ),
        ("SELECT * FROM t IN c.tags WHERE t.n = 1", vec!["/tags/[]/n"]),
        (
            "SELECT * FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t.n = c.m) ORDER BY c.o",
            vec!["/m", "/tags/[]", "/tags/[]/n"],
        ),
        (
            "SELECT c.id FROM c JOIN (SELECT VALUE t FROM t IN c.tags WHERE t.n > 1 ORDER BY t.q) AS x WHERE x.y = 1",
            vec!["/tags/[]/n"],
        ),
        ("SELECT ARRAY(SELECT VALUE t FROM t IN c.tags WHERE t.n = 1) AS found FROM c", vec!["/tags/[]/n"]),
    ] {
        assert_eq!(filters(query), expected, "{query}");
    }
}

#[test]
fn the_order_is_found_with_its_directions() {
    let query =
        "SELECT * FROM c WHERE c.a = 1 ORDER BY c.b DESC, c['d'].e asc, c.f, VectorDistance(c.g, [1]) OFFSET 1 LIMIT 2";
    assert_eq!(order(query), ["-/b", "/d/e", "/f", "-?"]);
    assert_eq!(
        order("SELECT * FROM c WHERE EXISTS(SELECT VALUE t FROM t IN c.tags ORDER BY t.q)"),
        Vec::<String>::new()
    );
}

fn keys(paths: &[&str], filter: &str) -> Value {
    let paths: Vec<Vec<String>> = paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
    match parse(&format!("SELECT * FROM c WHERE {filter}")).key_values(&paths) {
        KeyFilter::Any => json!("any"),
        KeyFilter::Values(lists) => json!(lists),
    }
}

#[test]
fn a_filter_names_the_keys_of_its_documents() {
    for (filter, expected) in [
        ("c.k = 5", json!([[5]])),
        ("5 = c['k'] AND c.x > 1", json!([[5]])),
        ("c.k = @p", json!([["x"]])),
        ("c.k = null", json!([[null]])),
        ("c.k IN (1, 'a', 1.0)", json!([[1], ["a"]])),
        ("c.k = 1 OR c.k = 2", json!([[1], [2]])),
        ("c.k = 1 OR c.x = 2", json!("any")),
        ("c.k = 1 AND c.k = 2", json!([])),
        ("c.k = 1 AND (c.k = 2 OR c.k = 1)", json!([[1]])),
        ("c.k IN (1, 2) AND c.k IN (2, 3)", json!([[2]])),
        ("c.k", json!([[true]])),
        ("NOT c.k", json!([[false]])),
        ("c.k > 1", json!("any")),
        ("c.k != 1", json!("any")),
        ("NOT (c.k = 1)", json!("any")),
        ("c.k NOT IN (1)", json!("any")),
        ("c.k = c.x", json!("any")),
        ("c.k = 1 + 1", json!("any")),
        ("true", json!("any")),
        ("false", json!([])),
        ("c.k = 1 AND false", json!([])),
        ("c.k.a = 1", json!("any")),
        ("EXISTS(SELECT VALUE c.k FROM c WHERE c.k = 1)", json!("any")),
    ] {
        assert_eq!(keys(&["k"], filter), expected, "{filter}");
    }
}

#[test]
fn hierarchical_keys_are_named_by_their_first_paths() {
    let paths = ["t", "a.u", "s"];
    for (filter, expected) in [
        ("c.t = 1", json!([[1]])),
        ("c.t = 1 AND c.a.u = 2", json!([[1, 2]])),
        ("c.s = 3 AND c[\"a\"][\"u\"] = 2 AND c.t = 1", json!([[1, 2, 3]])),
        ("c.a.u = 2", json!("any")),
        ("c.t = 1 AND c.s = 3", json!([[1]])),
        ("c.t IN (1, 2) AND c.a.u IN (3, 4)", json!([[1, 3], [1, 4], [2, 3], [2, 4]])),
        ("(c.id = 'h' AND c.t = 1 AND c.a.u = 2) OR (c.id = 'i' AND c.t = 2)", json!([[1, 2], [2]])),
    ] {
        assert_eq!(keys(&paths, filter), expected, "{filter}");
    }
    // The filter by which clients read many items.
    let filter = "( ( c.id = 'a' AND c[\"k\"] = 1 ) OR ( c.id = 'b' AND c[\"k\"] = 2 ) )";
    assert_eq!(keys(&["k", "id"], filter), json!([[1, "a"], [2, "b"]]));
}

#[test]
fn the_keys_of_other_sources_are_not_those_of_the_document() {
    for (query, expected) in [
        ("SELECT * FROM t IN c.tags WHERE t.k = 1", KeyFilter::Any),
        ("SELECT t FROM c JOIN t IN c.tags WHERE t.k = 1", KeyFilter::Any),
        ("SELECT t FROM c JOIN t IN c.tags WHERE c.k = 1", KeyFilter::Values(vec![vec![json!(1)]])),
        ("SELECT t FROM c.a t WHERE t.k = 1", KeyFilter::Any),
        ("SELECT * FROM (SELECT VALUE c.a FROM c) AS t WHERE t.k = 1", KeyFilter::Any),
        ("SELECT * FROM c", KeyFilter::Any),
    ] {
        assert_eq!(parse(query).key_values(&[vec!["k".into()]]), expected, "{query}");
    }
    let key = [vec!["a".to_owned(), "k".to_owned()]];
    assert_eq!(parse("SELECT t FROM c.a t WHERE t.k = 1").key_values(&key), KeyFilter::Values(vec![vec![json!(1)]]));
}

#[test]
fn the_text_of_a_document_shows_that_it_cannot_be_in_the_result() {
    let computed = [query_engine::ComputedProperty::new("cp", "SELECT VALUE LOWER(c.a) FROM c").expect("valid")];
    for (filter, allowed, refused) in [
        ("c.a = 'x'", r#"{"b":{"a":"x"}}"#, r#"{"a":"y","b":"x"}"#),
        ("c.a = 'it\\'s \"é\"'", r#"{"a":"it's \"é\""}"#, r#"{"a":"it's é"}"#),
        ("c.a.b = true AND c.n > 3", r#"{"a":{"b":true},"n":0}"#, r#"{"a":{"b":true}}"#),
        ("c.a = null", r#"{"a":null}"#, r#"{"a":0}"#),
        ("c.a = 1", r#"{"a":1.0}"#, r#"{"b":1}"#),
        ("c.a IN ('x', 'y')", r#"{"a":"y"}"#, r#"{"b":"y"}"#),
        ("c.cp = 'x' AND c.b = 'z'", r#"{"b":"z"}"#, r#"{"cp":"x"}"#),
    ] {
        let prefilter = parse(&format!("SELECT * FROM c WHERE {filter}")).prefilter(&computed);
        assert!(prefilter.allows(allowed) && !prefilter.allows(refused), "{filter} {prefilter:?}");
    }
    for filter in ["c.a = 'x' OR c.b = 1", "NOT (c.a = 'x')", "c.list[0] = 'x'", "c.a != 'x'"] {
        assert!(parse(&format!("SELECT * FROM c WHERE {filter}")).prefilter(&[]).allows("{}"), "{filter}");
    }
}

#[test]
fn a_count_of_all_documents_does_not_read_them() {
    for query in
        ["SELECT VALUE COUNT(1) FROM c", "SELECT 1 FROM c", "SELECT {n: COUNT(1)} AS x FROM c WHERE true", "SELECT 1"]
    {
        assert!(!parse(query).reads_values(), "{query}");
    }
    for query in [
        "SELECT * FROM c",
        "SELECT VALUE COUNT(c.n) FROM c",
        "SELECT VALUE COUNT(c) FROM c",
        "SELECT VALUE COUNT(1) FROM c WHERE c.n = 1",
        "SELECT VALUE COUNT(1) FROM c.list",
        "SELECT VALUE COUNT(1) FROM t IN c.list",
        "SELECT VALUE COUNT(1) FROM c JOIN t IN c.list",
        "SELECT 1 FROM c ORDER BY c.n",
        "SELECT COUNT(1) AS n FROM c GROUP BY c.n",
        "SELECT EXISTS(SELECT VALUE t FROM t IN c.list) AS e FROM c",
    ] {
        assert!(parse(query).reads_values(), "{query}");
    }
}

#[test]
fn conditions_that_and_connects_are_listed() {
    let conditions = |filter: &str| -> Vec<(String, Values)> {
        let query = parse(&format!("SELECT c.id FROM c JOIN t IN c.tags WHERE {filter}"));
        query.conditions().into_iter().map(|condition| (condition.path.join("."), condition.values)).collect()
    };
    let range = |low, high| Values::Range(low, high);
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(
        conditions(
            "c.a = 1 AND (c.b.x IN ('u', 'v') AND 5 < c.d) AND c.e BETWEEN 1 AND @p AND 'z' >= c.f AND t.g = 1 AND c.h != 1"
        ),
        [
            ("a".into(), Values::Equal(vec![json!(1)])),
            ("b.x".into(), Values::Equal(vec![json!("u"), json!("v")])),
            ("d".into(), range(Excluded(json!(5)), Unbounded)),
            ("e".into(), range(Included(json!(1)), Included(json!("x")))),
            ("f".into(), range(Unbounded, Included(json!("z")))),
        ]
    );
    assert_eq!(conditions("c.a = 1 OR c.b = 2"), []);
    assert_eq!(conditions("NOT (c.a = 1)"), []);
    assert_eq!(conditions("c.list[0] = 1"), []);
}

fn condition() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec!["c.k", "c[\"n\"]", "c.o.x"]);
    let value = prop::sample::select(vec!["1", "2", "'a'", "null", "true", "false", "undefined", "1.0"]);
    let leaf = (
        path,
        prop::sample::select(vec!["=", "!=", "<", ">=", "IN", "NOT IN", "", "NOT", "BETWEEN"]),
        value.clone(),
        value,
    )
        .prop_map(|(path, operator, a, b)| match operator {
            "IN" | "NOT IN" => format!("{path} {operator} ({a}, {b})"),
            "" | "NOT" => format!("{operator} {path}"),
            "BETWEEN" => format!("{path} BETWEEN {a} AND {b}"),
            operator => format!("{path} {operator} {a}"),
        });
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|part| format!("NOT ({part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_a_filter_says_is_true_for_all_documents_in_the_result(filter in condition()) {
        let mut all = Vec::new();
        let values = [None, Some(json!(1)), Some(json!(2)), Some(json!("a")), Some(Value::Null), Some(json!(true)), Some(json!(false))];
        for k in &values {
            for n in &values {
                let mut document = json!({"o": {}});
                if let Some(k) = k {
                    document["k"] = k.clone();
                }
                if let Some(n) = n {
                    document["n"] = n.clone();
                    document["o"]["x"] = n.clone();
                }
                all.push(document);
            }
        }
        let documents = documents(&all);
        let text = format!("SELECT * FROM c WHERE {filter}");
        let query = parse(&text);
        let keys = query.key_values(&[vec!["k".into()], vec!["o".into(), "x".into()]]);
        let conditions = query.conditions();
        let prefilter = query.prefilter(&[]);
        let same = |a: Option<&Value>, b: &Value| query_engine::sort_order(a, Some(b)) == Ordering::Equal;
        for row in page(&text, &[], &documents, &PageRequest::default()).expect("valid").rows {
            prop_assert!(prefilter.allows(&row), "{} {:?} {}", filter, prefilter, row);
            let row: Value = serde_json::from_str(&row).expect("JSON");
            if let KeyFilter::Values(lists) = &keys {
                let key = [row.get("k"), row["o"].get("x")];
                prop_assert!(lists.iter().any(|list| list.iter().zip(key).all(|(value, part)| same(part, value))), "{} {:?} {}", filter, keys, row);
            }
            for condition in &conditions {
                let found = condition.path.iter().try_fold(&row, |value, name| value.get(name));
                let compare = |bound: &Value| query_engine::sort_order(found, Some(bound));
                let holds = match &condition.values {
                    Values::Equal(values) => values.iter().any(|value| same(found, value)),
                    Values::Range(low, high) => {
                        let above = match low {
                            Bound::Included(low) => compare(low) != Ordering::Less,
                            Bound::Excluded(low) => compare(low) == Ordering::Greater,
                            Bound::Unbounded => true,
                        };
                        let below = match high {
                            Bound::Included(high) => compare(high) != Ordering::Greater,
                            Bound::Excluded(high) => compare(high) == Ordering::Less,
                            Bound::Unbounded => true,
                        };
                        above && below
                    }
                };
                prop_assert!(holds, "{} {:?} {}", filter, condition, row);
            }
        }
    }
}
