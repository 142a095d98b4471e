//! What the .NET SDK sends and needs, as recorded (Microsoft.Azure.Cosmos 3.64): each query, the plan that the SDK took, the text that it then
//! sent to each of two ranges, the rows that it got and its result. The documents are chosen so that the ranges have these rows.

mod common;

use common::{documents, page};
use query_engine::{PageRequest, Query, ResumeFilter};
use serde_json::{Value, json};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn recorded_plans() -> Vec<Value> {
    lines(include_str!("data/dotnet-plans.jsonl"))
}

#[test]
fn plans_are_those_that_the_sdk_took() {
    for recorded in recorded_plans() {
        let text = recorded["query"].as_str().expect("text");
        let query = Query::parse(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        let plan = query.plan().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::to_value(plan).expect("JSON"), recorded["plan"], "{text}");
    }
}

/// The recorded answers of the ranges have scores that were made up, so that only the forms of the rows count.
#[test]
fn the_plan_of_a_hybrid_search_is_the_one_that_the_sdk_took() {
    let recorded: Value = serde_json::from_str(include_str!("data/dotnet-hybrid.json")).expect("JSON");
    let query = Query::parse(recorded["query"].as_str().expect("text"), &[]).expect("a query");
    let plan = query.hybrid_plan().expect("a plan").expect("a hybrid plan");
    assert_eq!(serde_json::to_value(plan).expect("JSON"), recorded["plan"]);

    let texts = ["swim", "swim and run", "swim to the far shore of the lake"];
    let documents = documents(&texts.map(|text| json!({"id": text, "text": text})));
    let rows = |sent: &Value| {
        let sent = sent.as_str().expect("text");
        let page =
            page(sent, &[], &documents, &PageRequest::default()).unwrap_or_else(|error| panic!("{sent}: {error}"));
        page.rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect::<Vec<Value>>()
    };
    let statistics = json!({
        "documentCount": 3,
        "fullTextStatistics": [{"totalWordCount": 7, "hitCounts": [3]}, {"totalWordCount": 7, "hitCounts": [1]}],
    });
    assert_eq!(rows(&recorded["sent"][0]), [statistics]);
    for component in [1, 2] {
        let rows = rows(&recorded["sent"][component]);
        assert_eq!(rows.len(), 3, "{rows:?}");
        for row in rows {
            let score = &row["payload"]["componentScores"][component - 1];
            assert!(row["_rid"].is_string() && row["payload"]["payload"]["id"].is_string(), "{row}");
            assert!(score.is_number() && *score == row["orderByItems"][0]["item"], "{row}");
        }
    }
}

#[test]
fn the_texts_that_the_sdk_sends_give_the_rows_that_it_got() {
    let mut replayed = 0;
    for recorded in recorded_plans() {
        let sent = recorded["sent"].as_str().expect("text");
        let Some(ranges) = recorded["documents"].as_array() else { continue };
        for (range, expected) in ranges.iter().zip(recorded["rows"].as_array().expect("ranges")) {
            let documents = documents(range.as_array().expect("documents"));
            if documents.is_empty() {
                continue;
            }
            let page =
                page(sent, &[], &documents, &PageRequest::default()).unwrap_or_else(|error| panic!("{sent}: {error}"));
            let rows: Vec<Value> =
                page.rows.iter().map(|row| without_rids(serde_json::from_str(row).expect("JSON"))).collect();
            let expected = without_rids(expected.clone());
            assert!(contains(&Value::Array(rows.clone()), &expected), "{sent}: {rows:?}");
            replayed += 1;
        }
    }
    assert!(replayed >= 40, "{replayed}");
}

/// Whether a value is the expected one. Whole documents can have more properties than were recorded.
fn contains(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Array(list), Value::Array(expected)) => {
            list.len() == expected.len() && list.iter().zip(expected).all(|(value, expected)| contains(value, expected))
        }
        (Value::Object(object), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| object.get(name).is_some_and(|value| contains(value, expected)))
        }
        (value, expected) => value == expected,
    }
}

/// Documents have a `_rid` of their own in payloads; rows of ORDER BY have one that must be there.
fn without_rids(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(without_rids).collect()),
        Value::Object(mut object) => {
            let rid = object.remove("_rid");
            assert!(!object.contains_key("orderByItems") || rid.is_some_and(|rid| rid.is_string()));
            Value::Object(object.into_iter().map(|(name, value)| (name, without_rids(value))).collect())
        }
        value => value,
    }
}

#[test]
fn every_recorded_query_is_read_and_planned() {
    for recorded in lines(include_str!("data/dotnet-queries.jsonl")) {
        let body = &recorded["body"];
        let text = body["query"].as_str().expect("text");
        let parameter =
            |parameter: &Value| (parameter["name"].as_str().expect("name").to_owned(), parameter["value"].clone());
        let parameters: Vec<_> = body["parameters"].as_array().into_iter().flatten().map(parameter).collect();
        match Query::parse(text, &parameters) {
            Ok(query) => {
                let plan = query.plan().unwrap_or_else(|error| panic!("{text}: {error}"));
                if !plan.rewritten_query.is_empty() {
                    let sent = plan.rewritten_query.replace("{documentdb-formattableorderbyquery-filter}", "true");
                    Query::parse(&sent, &parameters).unwrap_or_else(|error| panic!("{sent}: {error}"));
                }
            }
            Err(error) => assert!(text.starts_with("SELEC *"), "{text}: {error}"),
        }
        if let Some(filter) = body.get("resumeFilter") {
            let filter = filter.to_string().replace("{docRid}", "AQIDAIAAAAEBAAAAAAAAAA==");
            let filter: ResumeFilter = serde_json::from_str(&filter).expect("a filter");
            assert_eq!(filter.value, [json!(0)]);
        }
    }
}
