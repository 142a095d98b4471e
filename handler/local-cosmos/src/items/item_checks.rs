//! What the service requires of an item before it stores it.
//!
//! Sources of the messages: replies of the service that users quote in public issues (`Azure/azure-cosmos-dotnet-v3` 620,
//! `MicrosoftDocs/azure-docs` 40223 and 107151, `Azure/azure-cosmosdb-node` 65). Limits: "Azure Cosmos DB service quotas".
//!
//! A replace may give an item another id, if no other item of its partition key has it: see `ItemReplaceAsyncTest` of the .NET SDK. So
//! the id in the body is not compared with that of the request.

use std::io;

use serde_json::{Map, Value};

use crate::limits::{MAX_ID_BYTES, MAX_ITEM_DEPTH, MAX_TTL_SECONDS};

/// The most bytes of an item as JSON in UTF-8.
pub(crate) const MAX_ITEM_BYTES: usize = 2 * 1024 * 1024;

/// The properties of an item that decide how it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemProperties {
    pub id: String,
    /// The item's own time to live in seconds; -1 for never.
    pub ttl: Option<i64>,
}

/// Why an item cannot be stored. The text is a message for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemRefusal {
    /// Status 400.
    Invalid(String),
    /// Status 413.
    TooLarge(String),
}

impl std::fmt::Display for ItemRefusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(message) | Self::TooLarge(message) => formatter.write_str(message),
        }
    }
}

/// Reads an item from JSON text. Of properties with one name, the last counts. Numbers that no double has and surrogates without their
/// pair are refused; the character NUL is allowed.
pub(crate) fn parse_item(body: &[u8]) -> Result<Value, ItemRefusal> {
    serde_json::from_slice(body).map_err(|problem| {
        let problem = problem.to_string();
        ItemRefusal::Invalid(match problem.starts_with("recursion limit") {
            true => format!("The item is nested more than 127 levels deep; the maximum is {MAX_ITEM_DEPTH}."),
            false => format!("One of the specified inputs is invalid: the item is not valid JSON: {problem}."),
        })
    })
}

/// Checks an item that is written as a whole, or the result of a patch. `bytes` is its length as JSON in UTF-8, as [`json_bytes`] counts
/// it.
pub(crate) fn check_item(item: &Value, bytes: usize) -> Result<ItemProperties, ItemRefusal> {
    if bytes > MAX_ITEM_BYTES {
        let message =
            format!("Request size is too large: the item has {bytes} bytes; the maximum is {MAX_ITEM_BYTES}.");
        return Err(ItemRefusal::TooLarge(message));
    }
    let Value::Object(members) = item else {
        let kind = kind_of(item);
        return Err(ItemRefusal::Invalid(format!(
            "One of the specified inputs is invalid: the item is {kind}; it must be an object."
        )));
    };
    let id = check_id(members).map_err(ItemRefusal::Invalid)?;
    let ttl = time_to_live(members.get("ttl")).map_err(ItemRefusal::Invalid)?;
    match depth(item) {
        levels if levels > MAX_ITEM_DEPTH => Err(ItemRefusal::Invalid(format!(
            "The item is nested {levels} levels deep; the maximum is {MAX_ITEM_DEPTH}."
        ))),
        _ => Ok(ItemProperties { id, ttl }),
    }
}

/// The length of a value as JSON in UTF-8, without spaces.
pub(crate) fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// The item's id. The documentation forbids some characters in ids, such as `/`, but the service stores them.
fn check_id(members: &Map<String, Value>) -> Result<String, String> {
    let id = match members.get("id") {
        None => {
            return Err(
                "The input content is invalid because the required properties - 'id; ' - are missing".to_owned()
            );
        }
        Some(Value::String(id)) => id,
        Some(other) => {
            let kind = kind_of(other);
            return Err(format!("One of the specified inputs is invalid: the id is {kind}; it must be text."));
        }
    };
    match id.len() {
        0 => Err("One of the specified inputs is invalid: the id is empty; it must have 1 to 1023 bytes.".to_owned()),
        bytes if bytes > MAX_ID_BYTES => Err(format!(
            "One of the specified inputs is invalid: the id has {bytes} bytes; it must have 1 to {MAX_ID_BYTES} bytes."
        )),
        _ => Ok(id.clone()),
    }
}

/// An absent value is no time to live; null is refused.
fn time_to_live(ttl: Option<&Value>) -> Result<Option<i64>, String> {
    let Some(ttl) = ttl else { return Ok(None) };
    // Binary JSON may encode whole numbers as doubles.
    let whole = ttl.as_f64().filter(|seconds| seconds.fract() == 0.0).map(|seconds| seconds as i64);
    match ttl.as_i64().or(whole) {
        Some(seconds) if seconds == -1 || (1..=MAX_TTL_SECONDS).contains(&seconds) => Ok(Some(seconds)),
        _ => {
            let found: String = ttl.to_string().chars().take(40).collect();
            Err(format!(
                "The input ttl '{found}' is invalid. Ensure to provide a nonzero positive integer less than or equal to \
                 '{MAX_TTL_SECONDS}', or '-1' which means never expire."
            ))
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The levels of objects and arrays; a flat item has 1.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(item: &Value) -> Result<ItemProperties, ItemRefusal> {
        check_item(item, json_bytes(item))
    }

    #[track_caller]
    fn assert_invalid(item: &Value, part: &str) {
        match check(item) {
            Err(ItemRefusal::Invalid(message)) => assert!(message.contains(part), "{message}"),
            other => panic!("{item}: {other:?}"),
        }
    }

    #[test]
    fn an_id_is_text_of_1_to_1023_bytes_with_any_characters() {
        for id in ["a", "a?b", "a#b", "a/b", "a\\b", "..", "a\tb", "a ", "ü", "\u{0}", &"x".repeat(1023)] {
            assert_eq!(check(&json!({"id": id})).expect("allowed").id, id);
        }
        assert_invalid(&json!({"Id": "a"}), "because the required properties - 'id; ' - are missing");
        assert_invalid(&json!({"id": null}), "the id is null");
        assert_invalid(&json!({"id": 1}), "the id is a number");
        assert_invalid(&json!({"id": ["a"]}), "the id is an array");
        assert_invalid(&json!({"id": ""}), "the id is empty");
        assert_invalid(&json!({"id": "x".repeat(1024)}), "the id has 1024 bytes");
        assert_invalid(&json!({"id": "ü".repeat(512)}), "the id has 1024 bytes");
        for (item, kind) in [(json!([]), "an array"), (json!("id"), "text"), (json!(null), "null")] {
            assert_invalid(&item, &format!("the item is {kind}"));
        }
    }

    #[test]
    fn a_time_to_live_is_absent_or_never_or_a_positive_32_bit_number() {
        assert_eq!(check(&json!({"id": "a"})).expect("allowed").ttl, None);
        for ttl in [json!(-1), json!(1), json!(10.0), json!(2_147_483_647)] {
            let seconds = ttl.as_f64().map(|seconds| seconds as i64);
            assert_eq!(check(&json!({"id": "a", "ttl": ttl})).expect("allowed").ttl, seconds);
        }
        for ttl in [
            json!(null),
            json!(0),
            json!(-2),
            json!(1.5),
            json!(2_147_483_648_i64),
            json!(i64::MAX),
            json!(1e300),
            json!("1"),
            json!({}),
            json!(true),
        ] {
            assert_invalid(&json!({"id": "a", "ttl": ttl}), &format!("The input ttl '{ttl}' is invalid."));
        }
        assert!(check(&json!({"id": "a", "nested": {"ttl": null}})).is_ok());
    }

    #[test]
    fn an_item_has_at_most_two_megabytes_of_utf_8() {
        let item = |bytes: usize| {
            let frame = json_bytes(&json!({"id": "a", "text": ""}));
            json!({"id": "a", "text": format!("ü{}", "x".repeat(bytes - frame - 2))})
        };
        assert_eq!(json_bytes(&item(5000)), 5000);
        assert!(check(&item(MAX_ITEM_BYTES)).is_ok());
        match check(&item(MAX_ITEM_BYTES + 1)) {
            Err(ItemRefusal::TooLarge(message)) => {
                assert!(message.starts_with("Request size is too large"), "{message}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nesting_beyond_the_limit_is_refused_with_its_depth() {
        let nested = |levels: usize| {
            let arrays = levels - 1;
            format!("{{\"id\":\"a\",\"deep\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays))
        };
        let check = |text: &str| parse_item(text.as_bytes()).and_then(|item| check_item(&item, text.len()));
        check(&nested(MAX_ITEM_DEPTH)).expect("allowed");
        for levels in [MAX_ITEM_DEPTH + 1, 127, 128, 200, 100_000] {
            let message = check(&nested(levels)).expect_err("refused").to_string();
            assert!(message.contains("nested") && message.contains("124"), "{message}");
        }
    }

    #[test]
    fn only_json_that_can_be_stored_is_read() {
        for text in
            ["", "{", "{\"id\":\"a\",}", "{\"id\":\"\\ud800\"}", "{\"n\":1e400}", "{\"n\":NaN}", "{\"id\":\"a\nb\"}"]
        {
            match parse_item(text.as_bytes()) {
                Err(ItemRefusal::Invalid(message)) => assert!(message.contains("not valid JSON"), "{message}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        parse_item(b"{\"id\":\"\xff\"}").expect_err("not UTF-8");
        let item =
            parse_item(br#"{"id":"a\u0000","n":1,"n":12345678901234567890,"t":"\ud83d\ude00"}"#).expect("an item");
        assert_eq!(item, json!({"id": "a\u{0}", "n": 12_345_678_901_234_567_890_u64, "t": "😀"}));
    }
}
