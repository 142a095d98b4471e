//! The documents of `poison-not-stored.jsonl`: those that the recordings have in short, and those that the account refused. With
//! `poison.jsonl` they are all 220 documents that were tried.
//!
//! A refused document has no recorded outcome: what is compared is the refusal. Some were put into the answer of the change feed,
//! behind the account's back. Of these, a change can hold those that are JSON.

use std::collections::BTreeMap;

use local_host::Delivery;
use serde_json::{Value, json};

use crate::cosmos_account::Account;
use crate::recording;
use crate::replay_values::{delivered, latest, start};

/// Cosmos DB has doubles, and a change too. The trigger would deliver these integers unchanged, up to 380 digits, and -0 as 0.
const READ_AS_DOUBLES: [&str; 3] = ["raw-integer-128-bit", "raw-integer-40-digits", "raw-integer-minus-zero"];
/// The real host has the property in the place of its last occurrence, and the stand-in host in that of the first.
const NAME_TWICE: &str = "raw-name-twice";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn rows(group: &str) -> Vec<Value> {
    recording::lines("poison-not-stored.jsonl").into_iter().filter(|row| row["group"] == group).collect()
}

/// What was sent, one character a byte.
fn bytes(row: &Value) -> Vec<u8> {
    text(&row["bytes"]).chars().map(|character| u8::try_from(u32::from(character)).expect("a byte")).collect()
}

/// The document that the recording has in short.
fn generated(name: &str) -> String {
    let repeated = |what: &str, count: usize| format!("\"v\":\"{}\"", what.repeat(count));
    let rest = match name {
        "array-100000-elements" => format!("\"v\":[{}]", vec!["1"; 100_000].join(",")),
        "decimal-10000-digits" => format!("\"v\":0.{}", "1".repeat(10_000)),
        "object-50000-properties" => {
            (0..50_000).map(|number| format!("\"p{number}\":{number}")).collect::<Vec<_>>().join(",")
        }
        "text-of-100000-quotes" => repeated("\\\"", 100_000),
        "text-of-2000000" => repeated("x", 2_000_000),
        "text-of-300000-controls" => repeated("\\u0001", 300_000),
        "text-of-900000-backslashes" => repeated("\\\\", 900_000),
        "text-of-900000-quotes" => repeated("\\\"", 900_000),
        other => panic!("{other} is not described"),
    };
    format!("{{\"id\":\"{name}\",\"pk\":\"{name}\",{rest}}}")
}

#[tokio::test]
async fn documents_that_are_long_are_delivered_as_by_the_real_host() {
    let host = start("UTC", "LatestVersion").await;
    for row in rows("shortened") {
        let name = text(&row["name"]);
        let document = generated(name);
        assert_eq!(row["documentLength"], document.len(), "{name}");
        assert_eq!(row["throws"], false, "{name}");
        let changes = [latest(serde_json::from_str(&document).expect("JSON"))];
        let (delivery, batch) = tokio::join!(host.running.deliver("OnChange", &changes), async {
            let mut call = host.call().await;
            let body = String::from_utf8(call.body().await).expect("UTF-8");
            call.succeed().await;
            recording::batch(&body)
        });
        assert_eq!(delivery.expect("a function"), Delivery::Succeeded, "{name}");
        let value = batch.split_once(",\"v\":").map(|(_, rest)| rest.strip_suffix("}]").expect("the end of a batch"));
        match (value, row["deliveredValue"].as_str()) {
            (Some(value), Some(expected)) => assert_eq!(value, expected, "{name}"),
            // The text of these is the same in the account and in the batch.
            (Some(value), None) => assert_eq!(row["deliveredValueLength"], value.len(), "{name}"),
            (None, _) => {}
        }
        assert!(!row["deliveredValue"].is_null() || batch == format!("[{document}]"), "{name}");
    }
}

#[tokio::test]
async fn documents_that_the_account_refused_are_refused() {
    let account = Account::new().await;
    for row in rows("refused") {
        let answer = account.try_to_write(text(&row["name"]), bytes(&row)).await;
        assert_eq!(answer.status().as_u16(), 400, "{row}: {}", answer.text().await.expect("a body"));
    }
}

/// The array in `v`, nested more deeply than the parser allows.
fn nested(json: &str) -> Option<Value> {
    let levels = json.matches('[').count();
    let is_nested = json.contains(&format!("\"v\":{}", "[".repeat(levels))) && levels > 100;
    is_nested.then(|| json!({"id": "1", "v": (0..levels).fold(Value::Null, |inner, _| json!([inner]))}))
}

#[tokio::test]
async fn documents_in_a_feed_that_no_account_has_are_delivered_if_they_are_json() {
    let host = start("UTC", "LatestVersion").await;
    let stored = recording::lines("poison.jsonl");
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in rows("injected") {
        let name = text(&row["name"]);
        let bytes = bytes(&row);
        let deep = std::str::from_utf8(&bytes).ok().and_then(nested);
        let Some(document) = deep.or_else(|| serde_json::from_slice(&bytes).ok()) else {
            *counts.entry("not JSON, or a number beyond doubles").or_default() += 1;
            continue;
        };
        let batch = delivered(&host, &[latest(document)]).await;
        assert_eq!(batch.is_none(), row["throws"] == true, "{name}: {batch:?}");
        let Some(batch) = batch else {
            *counts.entry("stalls the trigger").or_default() += 1;
            continue;
        };
        let value = batch.split_once(",\"v\":").expect("a value").1.strip_suffix("}]").expect("the end of a batch");
        let expected = text(&row["deliveredValue"]);
        if READ_AS_DOUBLES.contains(&name) {
            let as_stored = stored.iter().find(|row| text(&row["name"]) == name.trim_start_matches("raw-"));
            assert_eq!(value, text(&as_stored.expect("a stored document")["deliveredValue"]), "{name}");
            *counts.entry("a double").or_default() += 1;
        } else if name == NAME_TWICE {
            let parsed = |json: &str| serde_json::from_str::<Value>(json).expect("JSON");
            assert_eq!(parsed(value), parsed(expected), "{name}");
            *counts.entry("another order").or_default() += 1;
        } else {
            assert_eq!(value, expected, "{name}");
            *counts.entry("the same").or_default() += 1;
        }
    }
    let expected = [
        ("a double", 3),
        ("another order", 1),
        ("not JSON, or a number beyond doubles", 27),
        ("stalls the trigger", 2),
        ("the same", 2),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn every_document_that_was_tried_is_in_one_group() {
    let counts = ["shortened", "refused", "injected"].map(|group| rows(group).len());
    let stored = recording::lines("poison.jsonl").len();
    assert_eq!((stored, counts), (149, [8, 28, 35]));
    assert_eq!(stored + counts.iter().sum::<usize>(), 220);
    let names = |file| recording::lines(file).into_iter().map(|row| row["name"].to_string());
    let distinct: std::collections::BTreeSet<String> =
        names("poison.jsonl").chain(names("poison-not-stored.jsonl")).collect();
    assert_eq!(distinct.len(), 220);
}

/// Not recorded, but in the source of Newtonsoft.Json: it reads at most 19 digits, and two characters of an offset, the first of which
/// can be a minus sign.
#[tokio::test]
async fn the_rule_of_the_trigger_and_the_writer_of_dates_agree_on_what_a_date_is() {
    let host = start("UTC", "LatestVersion").await;
    for (date, expected) in [
        ("/Date(0000253402300800000)/", None),
        ("/Date(00000253402300800000)/", Some("/Date(00000253402300800000)/")),
        ("/Date(253402300800000+-5)/", None),
        ("/Date(253402300800000--5)/", None),
        ("/Date(1+-5)/", Some("1970-01-01T00:00:00.001+00:00")),
        ("/Date(1--5)/", Some("1970-01-01T00:00:00.001+00:00")),
        ("/Date(253402300800000-+5)/", Some("/Date(253402300800000-+5)/")),
        ("/Date(253402300800000+-)/", Some("/Date(253402300800000+-)/")),
    ] {
        let batch = delivered(&host, &[latest(json!({"v": date}))]).await;
        assert_eq!(batch, expected.map(|value| format!("[{{\"v\":\"{value}\"}}]")), "{date}");
    }
}
