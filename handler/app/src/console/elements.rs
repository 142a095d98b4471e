//! Small elements that pages share: operations, fields, values, pagers, empty states.

use changefeed_cosmos::FieldPath;
use changefeed_history::{FieldChange, Operation};
use maud::{Markup, html};
use serde_json::Value;

use super::address::Address;

/// The most characters of a value in a row.
const SHOWN_CHARACTERS: usize = 80;

/// An operation as a letter in a shape, so that colour is never the only sign.
pub fn operation(operation: Operation) -> Markup {
    html! {
        span class={ "op " (operation.name()) } title=(operation.name()) aria-hidden="true" { (letter(operation)) }
        span.hidden { (operation.name()) }
    }
}

/// The letter of an operation.
pub fn letter(operation: Operation) -> &'static str {
    match operation {
        Operation::Write => "W",
        Operation::Create => "C",
        Operation::Replace => "R",
        Operation::Delete => "D",
        Operation::Expire => "X",
    }
}

/// The mark of a version that a restore wrote.
pub fn restore_mark(restore: &str) -> Markup {
    html! {
        span.op.restore title={ "written by restore " (restore) } aria-hidden="true" { "S" }
        span.hidden { "written by restore " (restore) }
    }
}

/// Who wrote a version: who asked for the restore that wrote it, or else whom its document names. A document that a restore wrote names who
/// wrote it before.
pub fn writer<'w>(by_restore: bool, requested_by: Option<&'w str>, actor: Option<&'w str>) -> &'w str {
    match (by_restore, requested_by, actor) {
        (true, Some(name), _) | (false, _, Some(name)) => name,
        (true, None, _) => "a restore",
        (false, _, None) => "–",
    }
}

/// The name of a field.
pub fn field(path: &FieldPath) -> Markup {
    html! {
        @if path.segments().is_empty() { span.muted { "whole document" } } @else { span.path { (path) } }
    }
}

/// A value as JSON, so that a text and a number cannot be taken for each other. The end of a long one is left out.
pub fn value(value: &Value) -> Markup {
    let text = value.to_string();
    html! {
        @match text.char_indices().nth(SHOWN_CHARACTERS) {
            Some((end, _)) => { (text[..end]) span title={ (text.len()) " bytes" } { "…" } }
            None => (text)
        }
    }
}

/// A field with its values before and after.
pub fn change(change: &FieldChange) -> Markup {
    html! {
        div.change {
            (field(&change.path)) " "
            @match &change.before {
                Some(before) => { del.was.mono { (value(before)) } }
                None => { span.muted { "added" } }
            }
            " "
            @match &change.after {
                Some(after) => { span.muted aria-hidden="true" { "→" } " " ins.now.mono { (value(after)) } }
                None => { span.muted { "removed" } }
            }
        }
    }
}

/// A number with commas between thousands.
pub fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number and its noun.
pub fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { several })
}

/// The links to the first and to the next page of a list.
pub fn pager(shown: &str, first: Option<&Address>, next: Option<&Address>) -> Markup {
    html! {
        div.foot.row {
            span.muted { (shown) }
            span.right.row {
                @if let Some(first) = first { a href=(first) { "First page" } }
                @if let Some(next) = next { a.button href=(next) data-key="n" { "Next page" } }
            }
        }
    }
}

/// What a list shows when it has no rows.
pub fn empty(heading: &str, rest: &Markup) -> Markup {
    html! { div.empty { p.strong { (heading) } (rest) } }
}

/// Warnings of an answer.
pub fn warnings(warnings: &[String]) -> Markup {
    html! { @for warning in warnings { p.notice { (warning) } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_json_and_cannot_become_markup() {
        assert_eq!(value(&json!(9_007_199_254_740_993_i64)).into_string(), "9007199254740993");
        assert_eq!(value(&json!(18_446_744_073_709_551_615_u64)).into_string(), "18446744073709551615");
        assert_eq!(value(&json!("<b>&")).into_string(), "&quot;&lt;b&gt;&amp;&quot;");
        let long = value(&json!("ü".repeat(200))).into_string();
        assert!(long.starts_with("&quot;ü") && long.contains("402 bytes"), "{long}");
    }

    #[test]
    fn numbers_have_commas_between_thousands() {
        for (given, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), shown);
        }
        assert_eq!(counted(1, "version", "versions"), "1 version");
        assert_eq!(counted(1200, "version", "versions"), "1,200 versions");
    }
}
