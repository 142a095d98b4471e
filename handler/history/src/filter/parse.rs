//! Reads the text of a filter.
//!
//! A parser by hand, because a message names the column and what is allowed there, and because texts of one test whose value has
//! spaces are stored: `city_name=New York`.

use changefeed_cosmos::FieldPattern;
use serde_json::Value;

use super::expression::{Condition, Expression, Operator, SIGNS, Test};
use crate::limits::{MAX_FILTER_BYTES, MAX_FILTER_DEPTH, MAX_FILTER_TESTS};

/// The most characters of a filter that a message shows.
const SHOWN_CHARACTERS: usize = 40;
const OPERATORS: &str = "an operator (= != < <= > >= contains, starts with, in, exists or !exists)";
const SPACES: &str = "; a value with spaces, or with the words and or or, is written in quotes: city_name=\"New York\"";

/// Reads a filter; returns it and the number of its tests.
///
/// # Errors
/// The message has the column (in characters, from 1), the text found there and what is allowed; or the limit that is exceeded.
pub(super) fn parse(text: &str) -> Result<(Expression, usize), String> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(format!("a filter has {} bytes; the limit is {MAX_FILTER_BYTES}", text.len()));
    }
    let mut parser = Parser { text, at: 0, depth: 0, tests: 0, after_bare: false };
    let expression = parser.any()?;
    match parser.rest() {
        "" => Ok((expression, parser.tests)),
        rest if rest.starts_with(')') => Err(parser.expected("\"and\", \"or\" or the end: no bracket is open")),
        _ => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The next byte to read.
    at: usize,
    /// The brackets that are open.
    depth: usize,
    /// The tests and values so far.
    tests: usize,
    /// Whether what was read last is a value without quotes.
    after_bare: bool,
}

/// What follows a field.
#[derive(Clone, Copy)]
enum Verb {
    Compare(Operator),
    Exists,
    Missing,
    In,
}

impl<'t> Parser<'t> {
    /// The text after the spaces here.
    fn rest(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// The error for what is here.
    fn expected(&mut self, what: &str) -> String {
        let rest = self.rest();
        let hint = if self.after_bare { SPACES } else { "" };
        format!("invalid filter: column {}: expected {what}, found {}{hint}", self.column(self.at), shown(rest))
    }

    /// The number of the character at a byte, from 1.
    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    /// Reads a word that joins tests, if it is here.
    fn connective(&mut self, word: &str) -> bool {
        let Some(after) = after_word(self.rest(), word) else { return false };
        (self.at, self.after_bare) = (self.text.len() - after.len(), false);
        true
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.all()?];
        while self.connective("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.test()?];
        while self.connective("and") {
            parts.push(self.test()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn test(&mut self) -> Result<Expression, String> {
        if self.rest().starts_with('(') {
            self.depth += 1;
            if self.depth > MAX_FILTER_DEPTH {
                let column = self.column(self.at);
                return Err(format!(
                    "invalid filter: column {column}: more than {MAX_FILTER_DEPTH} brackets within each other"
                ));
            }
            self.at += 1;
            let inner = self.any()?;
            self.closing_bracket("\"and\", \"or\" or \")\"")?;
            self.depth -= 1;
            return Ok(inner);
        }
        let field = self.field()?;
        let Some((verb, rest)) = verb_at(&self.text[self.at..]) else { return Err(self.no_verb(&field)) };
        self.at = self.text.len() - rest.len();
        self.count()?;
        let condition = match verb {
            Verb::Exists => Condition::Exists,
            Verb::Missing => Condition::Missing,
            Verb::In => Condition::Compare(Operator::Equal, self.list()?),
            Verb::Compare(operator) => {
                let mut values = self.value()?;
                if operator.is_of_text() {
                    values.retain(Value::is_string);
                }
                Condition::Compare(operator, values)
            }
        };
        Ok(Expression::Test(Test { field, condition }))
    }

    fn field(&mut self) -> Result<FieldPattern, String> {
        let text = self.rest();
        if text.is_empty() || text.starts_with(')') {
            return Err(self.expected("a field"));
        }
        let at_column = |column: usize, message: String| format!("invalid filter: column {column}: {message}");
        let read = FieldPattern::read(text, |rest| verb_at(rest).is_some());
        let (field, rest) = read.map_err(|message| {
            let hint = if self.tests > 0 { SPACES } else { "" };
            at_column(self.column(self.at), format!("{message}{hint}"))
        })?;
        field.check_queryable().map_err(|message| at_column(self.column(self.at), message))?;
        self.at = self.text.len() - rest.len();
        Ok(field)
    }

    /// The error for a field without an operator: with another character directly behind it, the field is wrong.
    fn no_verb(&mut self, field: &FieldPattern) -> String {
        let rest = &self.text[self.at..];
        self.after_bare = self.tests > 0;
        if rest.is_empty() || rest.starts_with(|next: char| next.is_whitespace() || next == ')') {
            return self.expected(&format!("{OPERATORS} after field {field}"));
        }
        format!(
            "invalid filter: column {}: invalid field: {} after {field}; a name with other characters is in double quotes: \
             address.\"zip code\"",
            self.column(self.at),
            shown(rest)
        )
    }

    /// Counts a test, or a further value of a list.
    fn count(&mut self) -> Result<(), String> {
        self.tests += 1;
        if self.tests > MAX_FILTER_TESTS {
            let column = self.column(self.at);
            return Err(format!("invalid filter: column {column}: more than {MAX_FILTER_TESTS} tests and values"));
        }
        Ok(())
    }

    fn closing_bracket(&mut self, expected: &str) -> Result<(), String> {
        if !self.rest().starts_with(')') {
            return Err(self.expected(expected));
        }
        self.at += 1;
        self.after_bare = false;
        Ok(())
    }

    /// The values of `in`, after its opening bracket.
    fn list(&mut self) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        loop {
            match self.rest().chars().next() {
                Some('\'' | '"') => values.push(self.quoted()?),
                _ => values.extend(self.bare(true)?),
            }
            if !self.rest().starts_with(',') {
                self.closing_bracket("\",\" or \")\"")?;
                return Ok(values);
            }
            self.at += 1;
            self.count()?;
        }
    }

    fn value(&mut self) -> Result<Vec<Value>, String> {
        let rest = self.rest();
        if rest.starts_with(['\'', '"']) {
            return Ok(vec![self.quoted()?]);
        }
        // The value of a single test may have spaces, and may be empty.
        let is_single = self.tests == 1 && self.depth == 0;
        let has_connective = || {
            let mut words = rest.split_whitespace();
            words.any(|word| ["and", "or"].iter().any(|connective| after_word(word, connective).is_some()))
        };
        if is_single && !has_connective() {
            self.at = self.text.len();
            return Ok(readings(rest.trim_end()));
        }
        self.bare(false)
    }

    /// A value without quotes. It ends at a space, in a list at a comma, and at a closing bracket that it did not open.
    fn bare(&mut self, in_list: bool) -> Result<Vec<Value>, String> {
        let rest = self.rest();
        let mut open = 0;
        let is_end = |character: char| match character {
            ')' if open == 0 => true,
            ')' => {
                open -= 1;
                false
            }
            '(' => {
                open += 1;
                false
            }
            ',' => in_list,
            other => other.is_whitespace(),
        };
        let value = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let is_connective = ["and", "or"].iter().any(|word| value.eq_ignore_ascii_case(word));
        if value.is_empty() || is_connective && !in_list {
            self.after_bare = false;
            return Err(self.expected("a value ('' is the empty text)"));
        }
        self.at += value.len();
        self.after_bare = true;
        Ok(readings(value))
    }

    /// A value in quotes. A backslash escapes as in JSON; before a single quote, too.
    fn quoted(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        let start = self.at;
        let mut characters = rest.char_indices();
        let quote = characters.next().map_or('"', |(_, quote)| quote);
        let mut json = String::from("\"");
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, '\'')) => json.push('\''),
                    Some((_, escaped)) => json.extend(['\\', escaped]),
                    None => break,
                },
                end if end == quote => {
                    json.push('"');
                    self.at += at + 1;
                    return serde_json::from_str(&json).map_err(|_| {
                        let shown = shown(&rest[..=at]);
                        format!(
                            "invalid filter: column {}: invalid escape in {shown}; a backslash is written twice, and \
                             \\n, \\t, \\u00e9 as in JSON",
                            self.column(start)
                        )
                    });
                }
                '"' => json.push_str("\\\""),
                control if control.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(control))),
                other => json.push(other),
            }
        }
        Err(format!(
            "invalid filter: column {}: the text that begins with {quote} has no closing {quote}; a text with a quote \
             in it is written in quotes of the other kind",
            self.column(start)
        ))
    }
}

/// The values that a bare text means: a number, `true`, `false` or `null`, and the text.
fn readings(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(scalar @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => vec![scalar, Value::String(text.to_owned())],
        _ => vec![Value::String(text.to_owned())],
    }
}

/// What follows a field, perhaps after spaces, and the text after it. A word needs a space before it.
fn verb_at(text: &str) -> Option<(Verb, &str)> {
    let trimmed = text.trim_start();
    if let Some(rest) = after_word(trimmed, "!exists") {
        return Some((Verb::Missing, rest));
    }
    if let Some((operator, rest)) =
        SIGNS.iter().find_map(|(sign, operator)| Some((*operator, trimmed.strip_prefix(sign)?)))
    {
        return Some((Verb::Compare(operator), rest));
    }
    if trimmed.len() == text.len() {
        return None;
    }
    let after = |word| after_word(trimmed, word);
    after("exists")
        .map(|rest| (Verb::Exists, rest))
        .or_else(|| Some((Verb::Compare(Operator::Contains), after("contains")?)))
        .or_else(|| Some((Verb::Compare(Operator::StartsWith), after_word(after("starts")?.trim_start(), "with")?)))
        .or_else(|| Some((Verb::In, after("in")?.trim_start().strip_prefix('(')?)))
}

/// The text after a word in any case, if it begins with that word.
fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    let is_whole = rest.is_empty() || rest.starts_with(|next: char| next.is_whitespace() || "()'\"".contains(next));
    (start.eq_ignore_ascii_case(word) && is_whole).then_some(rest)
}

fn one_or(mut parts: Vec<Expression>, list: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            list(parts)
        }
    }
}

/// The start of a text as a message shows it.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "the end".to_owned();
    }
    let start: String = text.chars().take(SHOWN_CHARACTERS).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}
