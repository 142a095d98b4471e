//! Search in texts: CONTAINS, STARTSWITH, INDEX_OF and related functions.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::{letter_case, logic, utf16};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("CONTAINS", 2, 3, |arguments| compare(arguments, |text, searched| text.contains(searched))),
    Builtin::new("CONTAINS_ALL_CI", 2, usize::MAX, |arguments| {
        logic::all(contained(arguments, true)?).map(Value::from)
    }),
    Builtin::new("CONTAINS_ALL_CS", 2, usize::MAX, |arguments| {
        logic::all(contained(arguments, false)?).map(Value::from)
    }),
    Builtin::new("CONTAINS_ANY_CI", 2, usize::MAX, |arguments| {
        logic::any(contained(arguments, true)?).map(Value::from)
    }),
    Builtin::new("CONTAINS_ANY_CS", 2, usize::MAX, |arguments| {
        logic::any(contained(arguments, false)?).map(Value::from)
    }),
    Builtin::new("ENDSWITH", 2, 3, |arguments| compare(arguments, |text, searched| text.ends_with(searched))),
    Builtin::new("INDEX_OF", 2, 3, index_of),
    Builtin::new("LASTINDEXOF", 2, 3, last_index_of),
    Builtin::new("STARTSWITH", 2, 3, |arguments| compare(arguments, |text, searched| text.starts_with(searched))),
    Builtin::new("STRINGEQUALS", 2, 3, |arguments| compare(arguments, |a, b| a == b)),
];

/// A comparison of two texts; the third argument ignores the letter case.
fn compare(arguments: &Arguments<'_>, compare: fn(&str, &str) -> bool) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let searched = arguments::text(arguments, 1)?;
    let ignores_case = arguments::optional(arguments, 2, false, arguments::boolean)?;
    Some(Value::Bool(if ignores_case {
        compare(&letter_case::upper(text), &letter_case::upper(searched))
    } else {
        compare(text, searched)
    }))
}

/// Whether the first argument contains each of the others.
fn contained<'a>(
    arguments: &'a Arguments<'a>,
    ignores_case: bool,
) -> Option<impl Iterator<Item = Option<bool>> + use<'a>> {
    let fold = move |text: &str| if ignores_case { letter_case::upper(text) } else { text.to_owned() };
    let text = fold(arguments::text(arguments, 0)?);
    Some((1..arguments.len()).map(move |index| Some(text.contains(&fold(arguments::text(arguments, index)?)))))
}

/// INDEX_OF(text, searched [, start]): -1 if there is none at or after the start.
fn index_of(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let searched = arguments::text(arguments, 1)?;
    let start = arguments::optional(arguments, 2, 0, arguments::integer)?;
    position(utf16::find(text, searched, usize::try_from(start).ok()?))
}

/// LASTINDEXOF(text, searched [, start]): searches backward from the character at the start, which is the last that an
/// occurrence may include.
fn last_index_of(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let searched = arguments::text(arguments, 1)?;
    let start = arguments::optional(arguments, 2, i64::MAX, arguments::integer)?;
    position(utf16::find_last(text, searched, usize::try_from(start).ok()?.saturating_add(1)))
}

fn position(found: Option<usize>) -> Option<Value> {
    Some(found.map_or(Value::from(-1), Value::from))
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples() {
        examples! {
            CONTAINS("AdventureWorks", "Adventure") => true;
            CONTAINS("AdventureWorks", "Works") => true;
            CONTAINS("AdventureWorks", "adventure") => false;
            CONTAINS("AdventureWorks", "adventure", false) => false;
            CONTAINS("AdventureWorks", "works", true) => true;
            CONTAINS("AdventureWorks", "Contoso") => false;
            ENDSWITH("AdventureWorks", "Adventure") => false;
            ENDSWITH("AdventureWorks", "Works") => true;
            ENDSWITH("AdventureWorks", "works") => false;
            ENDSWITH("AdventureWorks", "works", true) => true;
            STARTSWITH("AdventureWorks", "Works") => false;
            STARTSWITH("AdventureWorks", "Adventure") => true;
            STARTSWITH("AdventureWorks", "adventure") => false;
            STARTSWITH("AdventureWorks", "adventure", true) => true;
            STRINGEQUALS("AdventureWorks", "AdventureWorks") => true;
            STRINGEQUALS("AdventureWorks", "adventureworks") => false;
            STRINGEQUALS("AdventureWorks", "adventureworks", true) => true;
            INDEX_OF("AdventureWorks", "A") => 0;
            INDEX_OF("AdventureWorks", "s") => 13;
            INDEX_OF("AdventureWorks", "Works") => 9;
            INDEX_OF("AdventureWorks", "tureW") => 5;
            INDEX_OF("AdventureWorks", "Cosmos") => (-1);
            INDEX_OF("AdventureWorks", "Works", 5) => 9;
            INDEX_OF("AdventureWorks", "Adventure", 5) => (-1);
            INDEX_OF("AdventureWorks", "aD") => (-1);
            LASTINDEXOF("abcdeabc", "abc") => 5;
            LASTINDEXOF("abcdeabc", "abc", 6) => 0;
            LASTINDEXOF("abcdeabc", "abc", 7) => 5;
            LASTINDEXOF("abcdeabc", "fg") => (-1);
            CONTAINS_ALL_CI("Have a nice day!", "have", "nice", "day!") => true;
            CONTAINS_ALL_CI("Have a nice day!", "HAVE", "NICE", "DAY!") => true;
            CONTAINS_ALL_CI("Have a nice day!", "had", "nice", "day!") => false;
            CONTAINS_ALL_CI("Have a nice day!", undefined, "nice", "day!") => undefined;
            CONTAINS_ALL_CI("Have a nice day!", undefined, "had") => false;
            CONTAINS_ALL_CS("Have a nice day!", "HAVE", "NICE", "DAY!") => false;
            CONTAINS_ALL_CS("Have a nice day!", undefined, "nice", "day!") => undefined;
            CONTAINS_ALL_CS("Have a nice day!", undefined, "had") => false;
            CONTAINS_ANY_CI("Have a nice day!", "had", "nice", "day!") => true;
            CONTAINS_ANY_CI("Have a nice day!", "HAVE", "NICE", "DAY!") => true;
            CONTAINS_ANY_CI("Have a nice day!", undefined, "nice", "day!") => true;
            CONTAINS_ANY_CI("Have a nice day!", undefined, "had") => undefined;
            CONTAINS_ANY_CS("Have a nice day!", "HAVE", "NICE", "DAY!") => false;
            CONTAINS_ANY_CS("Have a nice day!", undefined, "nice", "day!") => true;
            CONTAINS_ANY_CS("Have a nice day!", undefined, "had") => undefined;
        }
    }

    #[test]
    fn positions_count_utf_16_code_units() {
        examples! {
            INDEX_OF("é😀b", "b") => 3;
            INDEX_OF("b😀b", "b", 1) => 3;
            INDEX_OF("b😀b", "b", 2) => 3;
            INDEX_OF("abc", "c", 3) => (-1);
            INDEX_OF("abc", "c", 30) => (-1);
            INDEX_OF("abc", "") => 0;
            LASTINDEXOF("😀b😀", "b") => 2;
            LASTINDEXOF("😀b😀", "😀", 3) => 0;
        }
    }

    #[test]
    fn other_types_are_undefined() {
        examples! {
            CONTAINS("a", 1) => undefined;
            CONTAINS(null, "a") => undefined;
            CONTAINS(undefined, "a") => undefined;
            CONTAINS("a", "a", "true") => undefined;
            CONTAINS("a", "a", undefined) => undefined;
            CONTAINS("a", "") => true;
            STARTSWITH(["a"], "a") => undefined;
            STRINGEQUALS(1, 1) => undefined;
            INDEX_OF("abc", "c", 1.5) => undefined;
            INDEX_OF("abc", "c", (-1)) => undefined;
            INDEX_OF("abc", 1) => undefined;
            LASTINDEXOF(undefined, "c") => undefined;
            CONTAINS_ANY_CS(1, "1") => undefined;
            CONTAINS("STRASSE", "ß", true) => false;
            CONTAINS("ÄPFEL", "äpf", true) => true;
        }
    }
}
