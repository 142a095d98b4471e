//! Paths of partition keys, read as the emulator reads them when it stores an item: `/pk`, `/a/b`, `/"a b"`, `/'a/b'`.
//!
//! The emulator has checked a path before it is read here, so nothing is refused.

use serde_json::Value;

/// The names of the properties that lead to a component of a key. A quoted name may contain slashes; a backslash keeps a quote from
/// ending it.
pub(crate) fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut rest = path;
    while let Some(start) = rest.strip_prefix('/').filter(|start| !start.is_empty()) {
        let quote = start.chars().next().filter(|first| ['"', '\''].contains(first));
        let (name, next) = match quote.and_then(|quote| quoted(&start[1..], quote)) {
            Some(found) => found,
            None => {
                let (name, next) = start.split_at(start.find('/').unwrap_or(start.len()));
                (name.trim(), next)
            }
        };
        segments.push(name);
        rest = next;
    }
    segments
}

/// The value at a path; `None` if the document has none. Only objects are entered.
pub(crate) fn value_at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    segments(path).into_iter().try_fold(document, |value, name| value.as_object()?.get(name))
}

fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        if character == quote && !is_escaped {
            return Some((&text[..at], &text[at + 1..]));
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quoted_names_may_contain_slashes() {
        assert_eq!(segments("/a/b"), ["a", "b"]);
        assert_eq!(segments(r#"/"a/b"/'c d'/e"#), ["a/b", "c d", "e"]);
        assert_eq!(segments(r#"/"a\"b""#), [r#"a\"b"#]);
        assert_eq!(segments("/a~1b/"), ["a~1b"]);
        let document = json!({"a/b": {"c": 1}, "list": [1]});
        assert_eq!(value_at(&document, r#"/"a/b"/c"#), Some(&json!(1)));
        assert_eq!(value_at(&document, "/list/0"), None);
    }
}
