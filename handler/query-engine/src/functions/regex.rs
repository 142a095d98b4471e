//! REGEXMATCH and related functions. The service has Perl's expressions, with look-around and back references, which take a number of steps that
//! can be exponential; a match that takes too many is undefined.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use fancy_regex::{Captures, Regex, RegexBuilder};
use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::partial::{Partial, Unsettled};

/// The longest expression in bytes.
const MAX_PATTERN_BYTES: usize = 16 * 1024;
/// The largest compiled expression in bytes.
const MAX_COMPILED_BYTES: usize = 2 * 1024 * 1024;
/// The most steps of a match.
const MAX_STEPS: usize = 100_000;
/// The longest text that a replacement makes, in bytes: the largest document.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// How many compiled expressions a thread keeps: a query has few, and uses them for each document.
const CACHED: usize = 16;

pub(super) const FUNCTIONS: &[Builtin] = &[Builtin::new("REGEXMATCH", 2, 3, is_match)];

pub(super) const PARTIAL: &[Partial] = &[
    Partial::new("REGEXEXTRACT", 2, 4, |arguments| {
        let Some(extraction) = Extraction::read(arguments)? else { return Ok(None) };
        let Ok(found) = extraction.regex.captures(extraction.text) else { return Ok(None) };
        Ok(Some(Value::from(extraction.group(&found.ok_or(NO_MATCH)?)?)))
    }),
    Partial::new("REGEXEXTRACTALL", 2, 4, |arguments| {
        let Some(extraction) = Extraction::read(arguments)? else { return Ok(None) };
        let mut texts = Vec::new();
        for found in extraction.regex.captures_iter(extraction.text) {
            let Ok(found) = found else { return Ok(None) };
            texts.push(Value::from(extraction.group(&found)?));
        }
        Ok(Some(Value::Array(texts)))
    }),
    Partial::new("REGEXREPLACE", 3, 4, |arguments| replace(arguments, 1)),
    Partial::new("REGEXREPLACEALL", 3, 4, |arguments| replace(arguments, usize::MAX)),
];

const NO_MATCH: Unsettled = "The documentation does not say what REGEXEXTRACT is for a text that the expression does not match; filter with \
                             REGEXMATCH first, or use IIF.";
const NO_GROUP: Unsettled = "The documentation does not say what REGEXEXTRACT and REGEXEXTRACTALL are for a group that is not part of the match.";
const INVALID: Unsettled = "The documentation does not say what REGEXEXTRACT, REGEXEXTRACTALL, REGEXREPLACE and REGEXREPLACEALL are for an \
                            invalid expression or invalid options.";
const REFERENCE: Unsettled = "The documentation does not say whether a replacement of REGEXREPLACE and REGEXREPLACEALL can refer to groups; \
                              use one without $ and \\.";

/// By expression and modifiers. An invalid one is `None`.
type Compiled = HashMap<(String, String), Option<Rc<Regex>>>;

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

/// REGEXMATCH(text, expression [, modifiers]). An invalid expression or modifier makes it undefined, as documented.
fn is_match(arguments: &Arguments<'_>) -> Option<Value> {
    let text = arguments::text(arguments, 0)?;
    let pattern = arguments::text(arguments, 1)?;
    let modifiers = arguments::optional(arguments, 2, "", arguments::text)?;
    Some(Value::Bool(compiled(pattern, modifiers)?.is_match(text).ok()?))
}

/// The arguments of REGEXEXTRACT and REGEXEXTRACTALL: text, expression [, modifiers [, group]].
struct Extraction<'a> {
    text: &'a str,
    regex: Rc<Regex>,
    group: usize,
}

impl<'a> Extraction<'a> {
    /// `None` when an argument has another type.
    fn read(arguments: &Arguments<'a>) -> Result<Option<Self>, Unsettled> {
        let (Some(text), Some(pattern)) = (arguments::text(arguments, 0), arguments::text(arguments, 1)) else {
            return Ok(None);
        };
        let Some(modifiers) = arguments::optional(arguments, 2, "", arguments::text) else { return Ok(None) };
        let Some(group) = arguments::optional(arguments, 3, 0, arguments::integer) else { return Ok(None) };
        let regex = compiled(pattern, modifiers).ok_or(INVALID)?;
        Ok(Some(Self { text, regex, group: usize::try_from(group).map_err(|_| NO_GROUP)? }))
    }

    fn group<'t>(&self, found: &Captures<'t, str>) -> Result<&'t str, Unsettled> {
        Ok(found.get(self.group).ok_or(NO_GROUP)?.as_str())
    }
}

/// REGEXREPLACE and REGEXREPLACEALL(text, expression, replacement [, modifiers]), for the first so many matches.
fn replace(arguments: &Arguments<'_>, most: usize) -> Result<Option<Value>, Unsettled> {
    let [text, pattern, replacement] = [0, 1, 2].map(|index| arguments::text(arguments, index));
    let (Some(text), Some(pattern), Some(replacement)) = (text, pattern, replacement) else { return Ok(None) };
    let Some(modifiers) = arguments::optional(arguments, 3, "", arguments::text) else { return Ok(None) };
    if replacement.contains(['$', '\\']) {
        return Err(REFERENCE);
    }
    let regex = compiled(pattern, modifiers).ok_or(INVALID)?;
    let (mut replaced, mut end) = (String::new(), 0);
    for found in regex.find_iter(text).take(most) {
        let Ok(found) = found else { return Ok(None) };
        replaced.push_str(&text[end..found.start()]);
        replaced.push_str(replacement);
        end = found.end();
        if replaced.len() > MAX_TEXT_BYTES {
            return Ok(None);
        }
    }
    replaced.push_str(&text[end..]);
    Ok(Some(Value::from(replaced)))
}

fn compiled(pattern: &str, modifiers: &str) -> Option<Rc<Regex>> {
    if pattern.len() > MAX_PATTERN_BYTES || modifiers.len() > MAX_PATTERN_BYTES {
        return None;
    }
    COMPILED.with_borrow_mut(|compiled| {
        let key = (pattern.to_owned(), modifiers.to_owned());
        if compiled.len() >= CACHED && !compiled.contains_key(&key) {
            compiled.clear();
        }
        compiled.entry(key).or_insert_with(|| compile(pattern, modifiers).map(Rc::new)).clone()
    })
}

fn compile(pattern: &str, modifiers: &str) -> Option<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.backtrack_limit(MAX_STEPS).delegate_size_limit(MAX_COMPILED_BYTES);
    for modifier in modifiers.chars() {
        match modifier {
            'i' => builder.case_insensitive(true),
            'm' => builder.multi_line(true),
            's' => builder.dot_matches_new_line(true),
            'x' => builder.ignore_whitespace(true),
            _ => return None,
        };
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{call, examples, undefined};
    use super::*;

    #[test]
    fn documented_examples() {
        examples! {
            REGEXMATCH("abcd", "ABC") => false;
            REGEXMATCH("abcd", "ABC", "i") => true;
            REGEXMATCH("abcd", "ab.", "") => true;
            REGEXMATCH("abcd", "ab c", "x") => true;
            REGEXMATCH("abcd", "aB c", "ix") => true;
            REGEXMATCH("03a", "[0-9]") => true;
            REGEXMATCH("salt3824908", "salt{1}") => true;
            REGEXMATCH("shame", "s....", "i") => true;
        }
    }

    #[test]
    fn expressions_are_those_of_perl() {
        examples! {
            REGEXMATCH("a\nb", "^b") => false;
            REGEXMATCH("a\nb", "^b", "m") => true;
            REGEXMATCH("a\nb", "a.b") => false;
            REGEXMATCH("a\nb", "a.b", "s") => true;
            REGEXMATCH("price: 12", "(?<=price: )[0-9]+") => true;
            REGEXMATCH("abab", "^(ab)\\1$") => true;
            REGEXMATCH("foobar", "foo(?!bar)") => false;
        }
    }

    #[test]
    fn invalid_arguments_are_undefined() {
        examples! {
            REGEXMATCH("a", "(") => undefined;
            REGEXMATCH("a", "a", "g") => undefined;
            REGEXMATCH("a", "a", null) => undefined;
            REGEXMATCH(1, "1") => undefined;
            REGEXMATCH("a", undefined) => undefined;
        }
    }

    #[test]
    fn expensive_expressions_end() {
        assert_eq!(call("REGEXMATCH", &json!(["ab".repeat(100) + "xc", "^(?:(a|b|ab)(?!z))*d"])), None);
        for pattern in ["a{1000}{1000}{1000}", "\\w{1000}{1000}", "(\\w{1000}){1000}(?!a)", "((\\w(?!b)){1000}){1000}"]
        {
            assert_ne!(call("REGEXMATCH", &json!(["a", pattern])), Some(json!(true)), "{pattern}");
        }
        for (open, close) in [("(", ")"), ("(?=", ")"), ("(?:", ")?"), ("[", "]")] {
            let count = MAX_PATTERN_BYTES / (open.len() + close.len()) - 1;
            let pattern = format!("{}a{}", open.repeat(count), close.repeat(count));
            assert_eq!(call("REGEXMATCH", &json!(["a", pattern])), None, "{open}");
        }
    }

    #[test]
    fn a_thread_keeps_few_expressions() {
        for number in 0..100 {
            assert_eq!(call("REGEXMATCH", &json!(["7", number.to_string()])), Some(json!(number == 7)));
        }
        assert!(COMPILED.with_borrow(HashMap::len) <= CACHED);
    }
}
