//! Filters: what a query finds and what is evaluated here are the same documents, for values of every type.

use std::collections::BTreeSet;

use azure_data_cosmos::{FeedScope, Query};
use changefeed_cosmos::FieldPath;
use changefeed_history::{Filter, matches_all};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use crate::support::{Handler, World, batch_of, version_id};

/// Values that are near each other in some order, and integers that share a double.
fn value() -> impl Strategy<Value = Value> {
    let whole = prop_oneof![
        -3i64..4,
        (0i64..5).prop_map(|above| 9_007_199_254_740_991 + above),
        (0i64..5).prop_map(|above| -9_007_199_254_740_993 + above),
        (0i64..3).prop_map(|below| i64::MAX - below),
    ];
    let number = prop_oneof![
        Just(json!(-0.0)),
        Just(json!(10.0)),
        Just(json!(1e300)),
        Just(json!(5e-324)),
        Just(json!(u64::MAX)),
        (-2i32..3).prop_map(|halves| json!(f64::from(halves) / 2.0)),
    ];
    let text = prop_oneof![
        "[0-3]{0,2}".prop_map(Value::from),
        "[ab\u{e9}\u{d7ff}\u{e000}\u{fffd}\u{1f600}]{0,3}".prop_map(Value::from),
        Just(json!("true")),
        Just(json!("null")),
        Just(json!("9007199254740993")),
        Just(json!("10.0")),
    ];
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        5 => whole.prop_map(Value::from),
        2 => number,
        3 => text,
        1 => prop_oneof![Just(json!([])), Just(json!([1])), Just(json!({})), Just(json!({"v": 1}))],
    ]
}

/// A filter on `n` with a value of any type.
fn filter() -> impl Strategy<Value = String> {
    let operator =
        prop_oneof![Just("="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">="), Just(" contains "),];
    (operator, value(), any::<bool>()).prop_map(|(operator, value, is_quoted)| match value {
        Value::String(text) if !is_quoted => format!("n{operator}{text}"),
        value => format!("n{operator}{value}"),
    })
}

fn sample<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("a value").current()
}

/// The ids of the live documents that a search finds, and those of the versions.
async fn searched(handler: &Handler, filter: &str) -> [BTreeSet<String>; 2] {
    let parameters = [("filter", filter), ("maxItems", "1000")];
    let url = reqwest::Url::parse_with_params("http://host/api/history/search", parameters).expect("a URL");
    let (status, found) = handler.get(&format!("{}?{}", url.path(), url.query().unwrap_or_default())).await;
    assert_eq!(status, 200, "{filter}: {found}");
    let rows = found["items"].as_array().expect("items");
    ["live", "version"].map(|kind| {
        let of_kind = rows.iter().filter(|row| row["kind"] == kind);
        of_kind.map(|row| row["id"].as_str().expect("id").to_owned()).collect()
    })
}

#[tokio::test]
async fn a_search_finds_exactly_the_documents_that_the_filter_matches() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = vec![json!({"id": "none", "pk": "a"})];
    for number in 0..80 {
        documents.push(json!({"id": format!("{number}"), "pk": "a", "n": sample(&mut runner, &value())}));
    }
    let mut delivered = Vec::new();
    for document in &documents {
        delivered.push(world.put("a", document.clone()).await);
    }
    for batch in delivered.chunks(20) {
        handler.invoke(&batch_of(batch), false).await;
    }
    let mut matched = 0;
    for number in 0..200 {
        let text = sample(&mut runner, &filter());
        let parsed = Filter::parse(&text).expect(&text);
        let expected: BTreeSet<String> = documents
            .iter()
            .filter(|document| matches_all(std::slice::from_ref(&parsed), document))
            .map(|document| document["id"].as_str().expect("id").to_owned())
            .collect();
        matched += expected.len();
        if number % 5 == 0 {
            assert_eq!(searched(&handler, &text).await, [expected.clone(), expected.clone()], "{text}");
        }
        // Without its own evaluation afterwards. A query by `!=` finds candidates of every type; the emulator compares two integers
        // exactly, so the candidates of a large one are those beside it too.
        let is_large = parsed_number(&text).is_some_and(|number| number.abs() >= 9_007_199_254_740_992.0);
        let found = candidates(&world, &parsed).await;
        assert!(found.is_superset(&expected), "{text}: {found:?} {expected:?}");
        assert!(found == expected || is_large || text.starts_with("n!="), "{text}: {found:?} {expected:?}");
    }
    assert!(matched > 1000, "{matched}");
}

/// The number that the filter compares with, if its value is one.
fn parsed_number(filter: &str) -> Option<f64> {
    let value = filter.trim_start_matches(|character: char| "n=!<>".contains(character));
    serde_json::from_str::<Value>(value).ok()?.as_f64()
}

/// The ids of the documents that the condition alone selects.
async fn candidates(world: &World, filter: &Filter) -> BTreeSet<String> {
    let mut parameters = Map::new();
    let condition = filter.condition("c", &mut parameters);
    let mut query = Query::from(format!("SELECT VALUE c.id FROM c WHERE {condition}"));
    for (name, value) in &parameters {
        query = query.with_parameter(name.clone(), value).expect("a parameter");
    }
    let events = world.container("events").await;
    let ids = events.query_items::<String>(query, FeedScope::full_container(), None).await.expect("query");
    ids.try_collect().await.expect("ids")
}

#[tokio::test]
async fn an_integer_beyond_2_to_53_is_the_double_that_it_is_in_the_service() {
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = Vec::new();
    for (id, n) in
        [("below", 9_007_199_254_740_991_u64), ("even", 9_007_199_254_740_992), ("odd", 9_007_199_254_740_993)]
    {
        documents.push(world.put("a", json!({"id": id, "pk": "a", "n": n})).await);
    }
    handler.invoke(&batch_of(&documents), false).await;
    let same: BTreeSet<String> = ["even".to_owned(), "odd".to_owned()].into();
    for filter in ["n=9007199254740992", "n=9007199254740993", "n>9007199254740991", "n>=9.007199254740992e15"] {
        assert_eq!(searched(&handler, filter).await, [same.clone(), same.clone()], "{filter}");
        let request = json!({"filter": [filter], "asOf": "-0s", "dryRun": true});
        let (_, plan) = handler.post("/api/restores", &request).await;
        let ids = plan["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str());
        assert_eq!(ids.map(str::to_owned).collect::<BTreeSet<_>>(), same, "{filter}: {plan}");
    }
}

/// A document with fields of any type, arrays of values and of objects, some of which are missing.
fn document_of_arrays() -> impl Strategy<Value = Value> {
    let values = || proptest::collection::vec(value(), 0..4).prop_map(Value::from);
    let line = (option(value()), option(values())).prop_map(|(t, tags)| object([("t", t), ("tags", tags)]));
    let lines = prop_oneof![
        4 => proptest::collection::vec(prop_oneof![4 => line, 1 => value()], 0..4).prop_map(Value::from),
        1 => value(),
    ];
    let tags = prop_oneof![
        4 => values(),
        1 => value(),
        1 => proptest::collection::vec(values(), 0..3).prop_map(Value::from),
    ];
    let fields = (option(value()), option(tags), option(lines), option(value()));
    fields.prop_map(|(n, tags, lines, odd)| object([("n", n), ("tags", tags), ("lines", lines), ("it's odd", odd)]))
}

fn option<T: std::fmt::Debug + Clone>(strategy: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.8, strategy)
}

fn object<const N: usize>(properties: [(&str, Option<Value>); N]) -> Value {
    properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A value as it can be written: bare, or in quotes of either kind.
fn written() -> impl Strategy<Value = String> {
    (value(), 0..3).prop_map(|(value, quotes)| match (&value, quotes) {
        (Value::String(text), 0) if !text.is_empty() => text.clone(),
        (Value::String(text), 1) => format!("'{text}'"),
        // The text that a number, an array or an object is when it has quotes.
        (Value::Array(_) | Value::Object(_), _) => format!("'{value}'"),
        (Value::Number(_) | Value::Bool(_) | Value::Null, 1) => format!("'{value}'"),
        // Another spelling of a number.
        (Value::Number(number), 2) if !value.to_string().contains('e') => format!("{number}e0"),
        _ => value.to_string(),
    })
}

/// A filter of tests that are joined by words and brackets.
fn joined() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        3 => Just("n"), 3 => Just("tags[]"), 2 => Just("lines[].t"), 2 => Just("lines[].tags[]"), 1 => Just("tags"),
        1 => Just("tags.0"), 1 => Just("lines.1.t"), 1 => Just("lines[]"), 1 => Just("tags[].0"), 1 => Just("tags[][]"),
        1 => Just("\"it's odd\""), 1 => Just("/it's odd"), 1 => Just("none"),
    ];
    let sign = prop_oneof![
        3 => Just("="), 1 => Just("!="), 1 => Just(" < "), 1 => Just(" <="), 1 => Just("> "), 1 => Just(">="),
        1 => Just(" contains "), 1 => Just(" starts with "),
    ];
    let condition = prop_oneof![
        6 => (sign, written()).prop_map(|(sign, value)| format!("{sign}{value}")),
        1 => Just(" exists".to_owned()),
        1 => Just(" !exists".to_owned()),
        2 => proptest::collection::vec(written(), 1..6).prop_map(|values| format!(" in ({})", values.join(", "))),
    ];
    let test = (field, condition).prop_map(|(field, condition)| format!("{field}{condition}"));
    test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), prop_oneof![Just("and"), Just("or"), Just("AND")])
                .prop_map(|(left, right, word)| format!("{left} {word} {right}")),
            inner.prop_map(|inner| format!("({inner})")),
        ]
    })
}

#[tokio::test]
async fn joined_tests_and_any_element_mean_the_same_in_a_query() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]));
    let world = World::new().await;
    let handler = world.handler();
    let mut documents = Vec::new();
    for number in 0..80 {
        let mut document = sample(&mut runner, &document_of_arrays());
        (document["id"], document["pk"]) = (json!(format!("{number}")), json!("a"));
        documents.push(world.put("a", document).await);
    }
    for batch in documents.chunks(20) {
        handler.invoke(&batch_of(batch), false).await;
    }
    let (mut some, mut elements, mut all) = (0, 0, 0);
    for number in 0..400 {
        let text = sample(&mut runner, &joined());
        let parsed = Filter::parse(&text).expect(&text);
        let expected: BTreeSet<String> = documents
            .iter()
            .filter(|document| matches_all(std::slice::from_ref(&parsed), document))
            .map(|document| document["id"].as_str().expect("id").to_owned())
            .collect();
        some += usize::from(!expected.is_empty() && expected.len() < documents.len());
        elements += usize::from(text.contains("[]") && !expected.is_empty());
        all += usize::from(expected.len() == documents.len());
        if number % 10 == 0 {
            assert_eq!(searched(&handler, &text).await, [expected.clone(), expected.clone()], "{text}");
        }
        // Large integers and != find more candidates, as above.
        let may_have_more = text.contains("!=") || text.contains("900719925474") || text.contains("00000000");
        let may_have_more =
            may_have_more || text.contains("e+300") || text.contains("92233720") || text.contains("1844674");
        let found = candidates(&world, &parsed).await;
        assert!(found.is_superset(&expected), "{text}: {found:?} {expected:?}");
        assert!(found == expected || may_have_more, "{text}: {found:?} {expected:?}");
    }
    assert!(some > 200 && elements > 100 && all < 100, "{some} {elements} {all}");
}

/// Names of every kind: with dots, slashes, tildes, quotes, brackets and operators, of digits, empty, of any characters.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => r#"[ab./~"'\\\\0-2]{0,2}"#,
        1 => prop_oneof![Just("[]"), Just("tags[]"), Just("="), Just("a contains b"), Just("zip code"), Just("\n")]
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// An object of objects and arrays with such names.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![value(), (0..3).prop_map(Value::from), "[ab]{0,2}".prop_map(Value::from)];
    let inner = leaf.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(name(), inner, 0..3)
                .prop_map(|properties| Value::Object(properties.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(name(), inner, 1..4)
        .prop_map(|properties| Value::Object(properties.into_iter().collect()))
}

/// The paths of everything in a value that is not an object or an array.
fn leaves(path: &FieldPath, value: &Value, found: &mut Vec<(FieldPath, Value)>) {
    match value {
        Value::Object(properties) => {
            properties.iter().for_each(|(name, value)| leaves(&path.child(name), value, found))
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| leaves(&path.child(at.to_string()), value, found));
        }
        leaf => found.push((path.clone(), leaf.clone())),
    }
}

#[tokio::test]
async fn a_filter_on_a_field_of_any_name_finds_the_same_documents_in_a_query() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]));
    let world = World::new().await;
    let mut documents = Vec::new();
    let mut fields = Vec::new();
    for number in 0..60 {
        let document = json!({"id": format!("{number}"), "pk": "a", "o": sample(&mut runner, &tree())});
        leaves(&FieldPath::property("o"), &document["o"], &mut fields);
        documents.push(world.put("a", document).await);
    }
    let (mut matched, mut odd) = (0, 0);
    for _ in 0..200 {
        let number = sample(&mut runner, &(0..fields.len()));
        let (field, value) = fields[number].clone();
        let operator =
            sample(&mut runner, &prop_oneof![Just("="), Just("!="), Just("<"), Just(">="), Just(" contains ")]);
        if field.check_queryable().is_err() {
            continue;
        }
        let text = format!("{field}{operator}{value}");
        let parsed = Filter::parse(&text).expect(&text);
        let expected_of = |filter: &Filter| -> BTreeSet<String> {
            let matching = documents.iter().filter(|document| matches_all(std::slice::from_ref(filter), document));
            matching.map(|document| document["id"].as_str().expect("id").to_owned()).collect()
        };
        let expected = expected_of(&parsed);
        matched += expected.len();
        odd += usize::from(field.to_string().contains('"') && !expected.is_empty());
        assert!(!expected.is_empty() || !["=", ">="].contains(&operator), "{text}");
        let found = candidates(&world, &parsed).await;
        let is_large = value.as_f64().is_some_and(|number| number.abs() >= 9_007_199_254_740_992.0);
        assert!(found.is_superset(&expected), "{text}: {found:?} {expected:?}");
        assert!(found == expected || is_large || operator == "!=", "{text}: {found:?} {expected:?}");
        // The other form of the same field, unless it has an operator of its own or a space at its end.
        let pointer = field.pointer();
        if !pointer.contains(['=', '<', '>', '!']) && !pointer.contains("contains") && pointer.trim_end() == pointer {
            let other = Filter::parse(&format!("{pointer}{operator}{value}")).expect(&pointer);
            assert_eq!(expected_of(&other), expected, "{pointer}");
        }
    }
    assert!(matched > 100 && odd > 30, "{matched} {odd}");
}

#[tokio::test]
async fn a_field_is_named_in_the_same_ways_in_searches_restores_and_differences() {
    let world = World::new().await;
    let handler = world.handler();
    let document = |zip: &str, tag: &str| json!({"zip code": zip, "tags": [tag, "last"], "a.b": {"": {"c/d~": zip}}});
    let mut delivered = Vec::new();
    for (zip, tag) in [("28035", "x"), ("28036", "y")] {
        delivered.push(world.put("a", json!({"id": "1", "pk": "a", "odd names": document(zip, tag)})).await);
    }
    handler.invoke(&batch_of(&delivered), false).await;
    let one: BTreeSet<String> = ["1".to_owned()].into();
    for (filter, live) in [
        (r#""odd names"."zip code"=28036"#, true),
        ("/odd names/zip code = 28036", true),
        (r#""odd names"."zip code"=28035"#, false),
        (r#""odd names".tags.0=x"#, false),
        ("/odd names/tags/0=y", true),
    ] {
        let live = if live { one.clone() } else { BTreeSet::new() };
        assert_eq!(searched(&handler, filter).await, [live, one.clone()], "{filter}");
    }
    let target = format!("/api/history/diff?id=1&pk=a&from={}&to=live", version_id(&delivered[0]));
    let (status, difference) = handler.get(&target).await;
    assert_eq!(status, 200, "{difference}");
    let expected = json!([
        {"path": "/odd names/zip code", "before": "28035", "after": "28036"},
        {"path": "/odd names/tags/0", "before": "x", "after": "y"},
        {"path": "/odd names/a.b//c~1d~0", "before": "28035", "after": "28036"},
    ]);
    assert_eq!(difference["changes"], expected);
    let request = json!({"id": "1", "partitionKey": ["a"], "version": version_id(&delivered[0])});
    let (_, restored) = handler.post("/api/restores", &request).await;
    let (_, record) = handler.get(&format!("/api/restores/{}", restored["id"].as_str().expect("id"))).await;
    for report in [&restored, &record] {
        let changes = report["items"][0]["changes"].as_array().expect("changes");
        let paths: Vec<&str> = changes.iter().filter_map(|change| change["path"].as_str()).collect();
        assert_eq!(paths, ["/odd names/zip code", "/odd names/tags/0", "/odd names/a.b//c~1d~0"], "{report}");
    }
    let request = json!({"filter": ["/odd names/zip code=28035"], "filterOn": "live", "asOf": "-0s", "dryRun": true});
    let (_, plan) = handler.post("/api/restores", &request).await;
    assert_eq!(plan["items"][0]["id"], "1", "{plan}");
    let (status, refused) = handler.get("/api/history/search?filter=tags[0]%3Dx").await;
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains("invalid field"), "{refused}");
}
