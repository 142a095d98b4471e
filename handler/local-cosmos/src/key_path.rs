//! Paths of partition keys in the service's syntax: `/pk`, `/a/b`, `/"a b"`, `/'a/b'`.
//!
//! The definition of a container checks a path before it is read here, so nothing is refused.

use serde_json::Value;

/// A path of a partition key, split into its names once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPath {
    text: String,
    segments: Vec<String>,
}

impl KeyPath {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let segments = segments(&text).into_iter().map(str::to_owned).collect();
        Self { text, segments }
    }

    /// The path as the definition has it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the properties that lead to the value.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The value at the path; `None` if the item has none. Only objects are entered.
    pub(crate) fn value_in<'v>(&self, item: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(item, |value, name| value.as_object()?.get(name))
    }
}

/// The names of the properties that lead to a component of a key. A quoted name may contain slashes; a backslash keeps a quote from
/// ending it.
fn segments(path: &str) -> Vec<&str> {
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
        assert_eq!(KeyPath::new(r#"/"a/b"/c"#).value_in(&document), Some(&json!(1)));
        assert_eq!(KeyPath::new("/list/0").value_in(&document), None);
    }
}
