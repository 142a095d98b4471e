//! Functions that make texts of texts: parts, letter case, trimming, joining.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::{letter_case, utf16};
use crate::value::whole_number;

/// The longest text that a function makes, in bytes: the largest document.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// The longest result of REPLICATE, in code units.
const MAX_REPLICATED_LENGTH: usize = 10_000;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("CONCAT", 2, usize::MAX, concatenate),
    Builtin::new("LEFT", 2, 2, |arguments| {
        part(arguments::text(arguments, 0)?, 0.0, arguments::double(arguments, 1)?).map(Value::from)
    }),
    Builtin::new("LENGTH", 1, 1, |arguments| Some(Value::from(utf16::length(arguments::text(arguments, 0)?)))),
    Builtin::new("LOWER", 1, 1, |arguments| Some(Value::from(letter_case::lower(arguments::text(arguments, 0)?)))),
    Builtin::new("LTRIM", 1, 2, |arguments| trim(arguments, |text, matches| text.trim_start_matches(matches))),
    Builtin::new("REPLACE", 3, 3, replace),
    Builtin::new("REPLICATE", 2, 2, replicate),
    // Characters, not code units: halves of a character in the other sequence would be no text.
    Builtin::new("REVERSE", 1, 1, |arguments| {
        Some(Value::from(arguments::text(arguments, 0)?.chars().rev().collect::<String>()))
    }),
    Builtin::new("RIGHT", 2, 2, right),
    Builtin::new("RTRIM", 1, 2, |arguments| trim(arguments, |text, matches| text.trim_end_matches(matches))),
    Builtin::new("STRINGJOIN", 2, 2, join),
    Builtin::new("STRINGSPLIT", 2, 2, split),
    Builtin::new("SUBSTRING", 3, 3, |arguments| {
        let text = arguments::text(arguments, 0)?;
        part(text, arguments::double(arguments, 1)?, arguments::double(arguments, 2)?).map(Value::from)
    }),
    Builtin::new("TRIM", 1, 2, |arguments| {
        trim(arguments, |text, matches| text.trim_start_matches(matches).trim_end_matches(matches))
    }),
    Builtin::new("UPPER", 1, 1, |arguments| Some(Value::from(letter_case::upper(arguments::text(arguments, 0)?)))),
];

fn concatenate(arguments: &Arguments<'_>) -> Option<Value> {
    let texts: Vec<&str> =
        (0..arguments.len()).map(|index| arguments::text(arguments, index)).collect::<Option<_>>()?;
    join_texts(&texts, "")
}

/// STRINGJOIN(array of texts, separator).
fn join(arguments: &Arguments<'_>) -> Option<Value> {
    let texts: Vec<&str> = arguments::array(arguments, 0)?.iter().map(Value::as_str).collect::<Option<_>>()?;
    join_texts(&texts, arguments::text(arguments, 1)?)
}

fn join_texts(texts: &[&str], separator: &str) -> Option<Value> {
    let separators = separator.len().checked_mul(texts.len().saturating_sub(1))?;
    let bytes = texts.iter().try_fold(separators, |bytes, text| bytes.checked_add(text.len()))?;
    (bytes <= MAX_TEXT_BYTES).then(|| Value::from(texts.join(separator)))
}

/// STRINGSPLIT(text, separator). An empty separator does not split.
fn split(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let separator = arguments::text(arguments, 1)?;
    Some(if separator.is_empty() { Value::from(vec![text]) } else { text.split(separator).collect() })
}

/// The part of a text from a start. Nothing is left of a start outside the text or a length below one.
fn part(text: &str, start: f64, length: f64) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    if start.fract() != 0.0 || length.fract() != 0.0 {
        return None;
    }
    if start < 0.0 || length <= 0.0 {
        return Some(String::new());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
    Some(utf16::part(text, start as usize, length as usize))
}

fn right(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let length = arguments::integer(arguments, 1)?;
    let all = utf16::length(text);
    let length = usize::try_from(length).unwrap_or(0).min(all);
    Some(Value::from(utf16::part(text, all - length, length)))
}

/// TRIM, LTRIM and RTRIM(text [, characters]): white space, or every one of the characters.
fn trim(
    arguments: &Arguments<'_>,
    trim: for<'a, 'b> fn(&'a str, &'b dyn Fn(char) -> bool) -> &'a str,
) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    if arguments.len() == 1 {
        return Some(Value::from(trim(text, &char::is_whitespace)));
    }
    let characters = arguments::text(arguments, 1)?;
    Some(Value::from(trim(text, &|character| characters.contains(character))))
}

/// REPLACE(text, searched, replacement). Nothing can be searched with an empty text.
fn replace(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let searched = arguments::text(arguments, 1)?;
    let replacement = arguments::text(arguments, 2)?;
    if searched.is_empty() {
        return None;
    }
    let added = text.matches(searched).count().checked_mul(replacement.len())?;
    (text.len().checked_add(added)? <= MAX_TEXT_BYTES).then(|| Value::from(text.replace(searched, replacement)))
}

/// REPLICATE(text, count), of which a fraction does not count. Above the documented length of a result it is undefined.
fn replicate(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let count = arguments::double(arguments, 1).filter(|count| *count >= 0.0)?;
    let count = usize::try_from(whole_number(count.trunc())?).ok()?;
    let length = utf16::length(text).checked_mul(count)?;
    (length <= MAX_REPLICATED_LENGTH)
        .then(|| Value::from(if text.is_empty() { String::new() } else { text.repeat(count) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{call, check, examples, undefined};
    use super::*;

    #[test]
    fn documented_examples() {
        examples! {
            CONCAT("adventure", "works") => "adventureworks";
            LEFT("AdventureWorks", 0) => "";
            LEFT("AdventureWorks", 1) => "A";
            LEFT("AdventureWorks", 5) => "Adven";
            LEFT("AdventureWorks", 14) => "AdventureWorks";
            LEFT("AdventureWorks", 100) => "AdventureWorks";
            RIGHT("AdventureWorks", 0) => "";
            RIGHT("AdventureWorks", 1) => "s";
            RIGHT("AdventureWorks", 5) => "Works";
            RIGHT("AdventureWorks", 14) => "AdventureWorks";
            RIGHT("AdventureWorks", 100) => "AdventureWorks";
            LENGTH("AdventureWorks") => 14;
            LENGTH("") => 0;
            LENGTH(null) => undefined;
            LENGTH(0) => undefined;
            LENGTH(["Adventure", "Works"]) => undefined;
            LOWER("ADVENTURE_WORKS") => "adventure_works";
            UPPER("adventureWorks") => "ADVENTUREWORKS";
            LTRIM("  AdventureWorks  ") => "AdventureWorks  ";
            LTRIM("AdventureWorks  ") => "AdventureWorks  ";
            LTRIM("AdventureWorks", "Works") => "AdventureWorks";
            LTRIM("AdventureWorks", "Adventure") => "Works";
            LTRIM("AdventureWorks", "AdventureWorks") => "";
            LTRIM("AdventureWorks", "") => "AdventureWorks";
            RTRIM("  AdventureWorks  ") => "  AdventureWorks";
            RTRIM("AdventureWorks", "Works") => "Adventure";
            RTRIM("AdventureWorks", "Adventure") => "AdventureWorks";
            RTRIM("AdventureWorks", "AdventureWorks") => "";
            RTRIM("AdventureWorks", "") => "AdventureWorks";
            TRIM("   AdventureWorks   ") => "AdventureWorks";
            TRIM("---AdventureWorks---") => "---AdventureWorks---";
            TRIM("___AdventureWorks___", "_") => "AdventureWorks";
            TRIM("-- AdventureWorks --", "-") => " AdventureWorks ";
            TRIM("-_-AdventureWorks-_-", "-_") => "AdventureWorks";
            REPLACE("AdventureWorksLT", "LT", "LT2") => "AdventureWorksLT2";
            REPLICATE("Cosmic", 3) => "CosmicCosmicCosmic";
            REVERSE("AdventureWorks") => "skroWerutnevdA";
            SUBSTRING("AdventureWorks", 0, 9) => "Adventure";
            SUBSTRING("AdventureWorks", 9, 5) => "Works";
            SUBSTRING("AdventureWorks", 0, 14) => "AdventureWorks";
            SUBSTRING("AdventureWorks", 0, (-1)) => "";
            STRINGJOIN(["Iropa", "Mountain", "Bike"], " ") => "Iropa Mountain Bike";
            STRINGJOIN(["Iropa", "Mountain", "Bike"], "") => "IropaMountainBike";
            STRINGJOIN(["Iropa", "Mountain", "Bike"], undefined) => undefined;
            STRINGJOIN(["6", "7", "4", "3"], "A") => "6A7A4A3";
            STRINGSPLIT("Handlebar", "e") => ["Handl", "bar"];
            STRINGSPLIT("CARBON_STEEL_BIKE_WHEEL", "_") => ["CARBON", "STEEL", "BIKE", "WHEEL"];
            STRINGSPLIT("xenmoun mountain bike", "moun") => ["xen", " ", "tain bike"];
            STRINGSPLIT("AluminumBikeFrame", undefined) => undefined;
            STRINGSPLIT("Helmet", "") => ["Helmet"];
            STRINGSPLIT("", "") => [""];
        }
    }

    #[test]
    fn positions_count_utf_16_code_units() {
        examples! {
            LENGTH("é😀") => 3;
            LEFT("😀b", 2) => "😀";
            LEFT("😀b", 1) => "\u{fffd}";
            RIGHT("a😀", 2) => "😀";
            SUBSTRING("a😀b", 3, 1) => "b";
            REVERSE("a😀é") => "é😀a";
        }
    }

    #[test]
    fn positions_outside_the_text_give_an_empty_text() {
        examples! {
            LEFT("abc", (-1)) => "";
            LEFT("abc", 1.5) => undefined;
            LEFT("", 1.5) => "";
            LEFT("abc", 1e300) => "abc";
            RIGHT("abc", (-1)) => "";
            RIGHT("abc", 1.5) => undefined;
            SUBSTRING("abc", (-1), 2) => "";
            SUBSTRING("abc", 3, 2) => "";
            SUBSTRING("abc", 1, 100) => "bc";
            SUBSTRING("abc", 1.0, 1) => "b";
            SUBSTRING("abc", "1", 1) => undefined;
            SUBSTRING("abc", 1, undefined) => undefined;
            SUBSTRING(undefined, 1, 1) => undefined;
        }
    }

    #[test]
    fn other_types_are_undefined() {
        examples! {
            CONCAT("a", 1) => undefined;
            CONCAT("a", null, "b") => undefined;
            CONCAT("a", "b", undefined) => undefined;
            LOWER(1) => undefined;
            TRIM(null) => undefined;
            TRIM("a", 1) => undefined;
            REPLACE("abc", "", "x") => undefined;
            REPLACE("abc", "b", null) => undefined;
            STRINGJOIN(["a", 1], ",") => undefined;
            STRINGJOIN([], ",") => "";
            STRINGJOIN("a", ",") => undefined;
            STRINGSPLIT(1, ",") => undefined;
            REVERSE([1, 2]) => undefined;
            UPPER("straße") => "STRAßE";
        }
    }

    #[test]
    fn results_have_a_largest_length() {
        examples! {
            REPLICATE("a", (-1)) => undefined;
            REPLICATE("a", (-0.5)) => undefined;
            REPLICATE("Hello", 1.5) => "Hello";
            REPLICATE("a", 1e300) => undefined;
            REPLICATE("a", "2") => undefined;
            REPLICATE("a", 10_001) => undefined;
            REPLICATE("ab", (i64::MAX)) => undefined;
            REPLICATE("", (1_000_000_000_000_i64)) => "";
        }
        check("REPLICATE", &json!(["a", 10_000]), &json!("a".repeat(10_000)));
        let half = "a".repeat(MAX_TEXT_BYTES / 2);
        assert!(call("CONCAT", &json!([half, half])).is_some());
        assert_eq!(call("CONCAT", &json!([half, half, "a"])), None);
        assert_eq!(call("REPLACE", &json!([half, "a", "aaaa"])), None);
        assert_eq!(call("STRINGJOIN", &json!([["", "", "", ""], half])), None);
    }
}
