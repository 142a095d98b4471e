//! Which changes the Cosmos DB trigger of Azure Functions cannot deliver.
//!
//! The trigger parses every page with Newtonsoft.Json before it calls the function. For a few documents that throws, and the
//! whole page is not delivered. The rules were measured with the real host; `tests/trigger_deliveries.jsonl` has the cases. They
//! are here because the leases that such a document stalls are those of this crate: a program that monitors them needs to
//! know the reason, and a stand-in for the trigger needs to stall in the same places.

use serde_json::Value;

use crate::change::Change;
use crate::mode::ChangeFeedMode;

/// The reader of the trigger allows 64 levels, and a page is an array.
const MOST_LEVELS: usize = 63;
/// In AllVersionsAndDeletes mode the envelope is one more level.
const MOST_LEVELS_IN_ENVELOPE: usize = 62;
/// A .NET `DateTime` counts ticks of 100 nanoseconds since the year 1.
const TICKS_PER_MILLISECOND: i64 = 10_000;
const TICKS_TO_1970: i64 = 621_355_968_000_000_000;
const LAST_TICK: i64 = 3_155_378_975_999_999_999;
/// The end of the last day that .NET can represent: it would be the first instant of the year 10000.
const END_OF_TIME: &str = "9999-12-31T24:00:00";
/// Newtonsoft.Json reads no more digits, leading zeros included.
const MOST_DIGITS: usize = 19;
const DATE_BYTES: std::ops::RangeInclusive<usize> = 19..=40;
const FRACTION_DIGITS: usize = 7;
/// A key of this name makes .NET take the key values of a delete for an array.
const ARRAY_KEY: &str = "$values";
const MAX_SHOWN_CHARS: usize = 60;

/// Why the trigger cannot deliver a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndeliverableReason {
    /// The document is nested too deeply.
    #[error("it has more than {most} levels of nesting, the most that the Functions trigger can read")]
    Depth {
        /// The most levels that the trigger can read; the document itself is one.
        most: usize,
    },
    /// A string that the trigger parses as a date, and whose date .NET cannot represent.
    #[error("the Functions trigger cannot represent the date {text:?} at {path}")]
    Date {
        /// Where the string is: `items[2].at`.
        path: String,
        /// The string, shortened if it is long.
        text: String,
    },
    /// A delete in a container whose partition key is `/$values`.
    #[error("the Functions trigger cannot read a delete in a container whose partition key is /$values")]
    Key,
}

/// A change that the trigger cannot deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeliverableChange {
    /// The id of the document, if the change has one.
    pub id: Option<String>,
    /// The logical sequence number of the change, if the change has one.
    pub lsn: Option<i64>,
    /// Why it cannot be delivered.
    pub reason: UndeliverableReason,
}

impl UndeliverableChange {
    /// The first of these changes that the trigger cannot deliver.
    pub fn first(changes: &[Change], mode: ChangeFeedMode) -> Option<Self> {
        changes.iter().find_map(|change| {
            let reason = change.undeliverable(mode)?;
            let of = |document: &Option<Value>| Some(document.as_ref()?.get("id")?.as_str()?.to_owned());
            let in_metadata = || change.metadata.as_ref()?.id.clone();
            let id = of(&change.current).or_else(in_metadata).or_else(|| of(&change.previous));
            Some(Self { id, lsn: change.lsn(), reason })
        })
    }
}

impl std::fmt::Display for UndeliverableChange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.id {
            Some(id) => write!(formatter, "document {id:?}")?,
            None => formatter.write_str("a document without an id")?,
        }
        if let Some(lsn) = self.lsn {
            write!(formatter, " (LSN {lsn})")?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

impl Change {
    /// Why the Cosmos DB trigger of Azure Functions cannot deliver this change; `None` if it can.
    pub fn undeliverable(&self, mode: ChangeFeedMode) -> Option<UndeliverableReason> {
        let most = match mode {
            ChangeFeedMode::LatestVersion => MOST_LEVELS,
            ChangeFeedMode::AllVersionsAndDeletes => MOST_LEVELS_IN_ENVELOPE,
        };
        let of_document = |document: &Option<Value>| obstacle(document.as_ref()?, most, &mut Vec::new());
        if mode == ChangeFeedMode::LatestVersion {
            return of_document(&self.current);
        }
        let key = self.metadata.as_ref().and_then(|metadata| metadata.partition_key.as_ref());
        if key.is_some_and(|key| key.get(ARRAY_KEY).is_some()) {
            return Some(UndeliverableReason::Key);
        }
        let of_key = || obstacle(key?, most, &mut Vec::new());
        of_document(&self.current).or_else(|| of_document(&self.previous)).or_else(of_key)
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

fn obstacle<'a>(value: &'a Value, most: usize, path: &mut Vec<Step<'a>>) -> Option<UndeliverableReason> {
    if let Value::String(text) = value {
        let text_shown = || text.chars().take(MAX_SHOWN_CHARS).collect();
        return is_unrepresentable_date(text)
            .then(|| UndeliverableReason::Date { path: display(path), text: text_shown() });
    }
    let is_too_deep = path.len() >= most;
    let mut below = |step, value| {
        path.push(step);
        let found = obstacle(value, most, path);
        path.pop();
        found
    };
    match value {
        Value::Array(_) | Value::Object(_) if is_too_deep => Some(UndeliverableReason::Depth { most }),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| below(Step::Index(index), item)),
        Value::Object(properties) => properties.iter().find_map(|(name, value)| below(Step::Name(name), value)),
        _ => None,
    }
}

fn display(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => text.extend([".", name]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Whether Newtonsoft.Json takes this string for a date that a .NET `DateTime` cannot represent.
fn is_unrepresentable_date(text: &str) -> bool {
    is_end_of_time(text) || milliseconds(text).is_some_and(|milliseconds| !is_representable(milliseconds))
}

/// .NET calculates the ticks with 64 bits and ignores an overflow.
fn is_representable(milliseconds: i64) -> bool {
    (0..=LAST_TICK).contains(&milliseconds.wrapping_mul(TICKS_PER_MILLISECOND).wrapping_add(TICKS_TO_1970))
}

/// The number in `/Date(number)/` or `/Date(number±HH…)/`. What follows the hours is ignored.
fn milliseconds(text: &str) -> Option<i64> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let after_sign = inner.get(1..)?;
    let offset = after_sign.find('+').or_else(|| after_sign.find('-')).map(|index| index + 1);
    let number = &inner[..offset.unwrap_or(inner.len())];
    // Newtonsoft.Json reads the two characters as a number, which can be negative.
    let has_hours = |at: usize| matches!(inner.as_bytes()[at + 1..], [b'0'..=b'9' | b'-', b'0'..=b'9', ..]);
    if number.starts_with('+') || offset.is_some_and(|at| !has_hours(at)) {
        return None;
    }
    let has_too_many_digits = number.trim_start_matches('-').len() > MOST_DIGITS;
    if has_too_many_digits { None } else { number.parse().ok() }
}

/// The last day at 24:00:00, in any or no zone, with a fraction of zeros or none. Digits directly after the seconds count as
/// minutes of an offset, as in Newtonsoft.Json.
fn is_end_of_time(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix(END_OF_TIME).filter(|_| DATE_BYTES.contains(&text.len())) else {
        return false;
    };
    if let Some(fraction) = rest.strip_prefix('.') {
        let zeros = fraction.bytes().take(FRACTION_DIGITS).take_while(|byte| *byte == b'0').count();
        if zeros == 0 {
            return false;
        }
        rest = &fraction[zeros..];
    }
    let starts_with_two_digits = |text: &str| text.bytes().take(2).take_while(u8::is_ascii_digit).count() == 2;
    if let Some(end) = rest.strip_prefix(['Z', 'z']) {
        return end.is_empty();
    }
    if let Some(offset) = rest.strip_prefix(['+', '-']).filter(|offset| starts_with_two_digits(offset)) {
        rest = &offset[2..];
    }
    rest = rest.strip_prefix(':').unwrap_or(rest);
    if starts_with_two_digits(rest) {
        rest = &rest[2..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn reason(document: Value) -> Option<UndeliverableReason> {
        Change { current: Some(document), ..Change::default() }.undeliverable(ChangeFeedMode::LatestVersion)
    }

    #[test]
    fn the_reason_says_where_the_value_is() {
        let found = reason(json!({"id": "1", "items": [1, {"at": "/Date(253402300800000)/"}]})).expect("a reason");
        let text = "the Functions trigger cannot represent the date \"/Date(253402300800000)/\" at items[1].at";
        assert_eq!(found.to_string(), text);
        let change = Change { current: Some(json!({"id": "9999-12-31T24:00:00", "_lsn": 7})), ..Change::default() };
        let found = UndeliverableChange::first(&[Change::default(), change], ChangeFeedMode::LatestVersion);
        let text = found.expect("a change").to_string();
        assert!(text.starts_with("document \"9999-12-31T24:00:00\" (LSN 7): the Functions trigger"), "{text}");
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"a": inner}) })
    }

    proptest! {
        #[test]
        fn a_date_is_representable_up_to_the_last_millisecond_of_the_year_9999(milliseconds in -62_135_596_800_000_i64..=253_402_300_799_999) {
            prop_assert_eq!(reason(json!({"v": format!("/Date({milliseconds})/")})), None);
            prop_assert_eq!(reason(json!({"v": format!("/Date({milliseconds}+0200)/")})), None);
        }

        #[test]
        fn an_offset_has_two_digits_or_a_negative_one(sign in "[-+]", offset in "[-+0-9x]{0,4}") {
            let bytes = offset.as_bytes();
            let is_number = bytes.len() >= 2 && (bytes[0].is_ascii_digit() || bytes[0] == b'-') && bytes[1].is_ascii_digit();
            // The first plus sign, or the first minus sign without one, starts the offset.
            prop_assume!(sign == "+" || !offset.contains('+'));
            let date = format!("/Date(253402300800000{sign}{offset})/");
            prop_assert_eq!(reason(json!({"v": date})).is_some(), is_number, "{}", date);
        }

        #[test]
        fn leading_zeros_count_as_digits(zeros in 0..10_usize) {
            let date = format!("/Date({}253402300800000)/", "0".repeat(zeros));
            prop_assert_eq!(reason(json!({"v": date})).is_some(), zeros + 15 <= MOST_DIGITS);
        }

        #[test]
        fn a_date_up_to_some_thousand_years_outside_is_not(beyond in 1_i64..=600_000_000_000_000) {
            for milliseconds in [253_402_300_799_999 + beyond, -62_135_596_800_000 - beyond] {
                let (alone, in_array) = (format!("/Date({milliseconds})/"), format!("/Date({milliseconds}-08)/"));
                let reasons = [reason(json!({"v": alone})), reason(json!({"v": [in_array]}))];
                prop_assert!(reasons.iter().all(Option::is_some), "{reasons:?}");
            }
        }

        #[test]
        fn the_number_of_levels_decides_wherever_they_are(levels in 0..100_usize, name in "[a-z]{1,3}") {
            let document = json!({"id": "1", "first": 1, name: nested(levels)});
            prop_assert_eq!(reason(document.clone()).is_some(), levels + 1 > MOST_LEVELS);
            let previous = Change { previous: Some(document), ..Change::default() };
            let of_previous = previous.undeliverable(ChangeFeedMode::AllVersionsAndDeletes);
            prop_assert_eq!(of_previous.is_some(), levels + 1 > MOST_LEVELS_IN_ENVELOPE);
            prop_assert_eq!(previous.undeliverable(ChangeFeedMode::LatestVersion), None);
        }

        #[test]
        fn no_text_panics_and_names_of_properties_are_free(text in ".*", date in "(/Date\\()?[-+:0-9TZz.]{0,30}(\\)/)?") {
            for text in [text, date.clone(), format!("{END_OF_TIME}{date}")] {
                let _ = is_unrepresentable_date(&text);
                prop_assert_eq!(reason(json!({text: 1})), None);
            }
        }
    }
}
