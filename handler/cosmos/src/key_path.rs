//! Paths of a partition key, as the definition of a container spells them: `/pk`, `/a/b`, `/"a b"`, `/'a/b'`.
//!
//! They are not JSON Pointers. A name may stand in `"` or `'`, and may then contain slashes and spaces; `~` has no special
//! meaning. A backslash before a quote keeps the name from ending there, and belongs to the name, as in the SDKs of the
//! service. A path leads through objects only, never into an array.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::query_name::query_property;

/// A path of a partition key: the names of the properties that lead to a component. Two spellings of one path are equal.
#[derive(Clone, Debug)]
pub struct KeyPath {
    text: String,
    segments: Vec<String>,
}

impl KeyPath {
    /// The path of a property of the document itself, whose name needs no quotes.
    pub fn property(name: &'static str) -> Self {
        Self { text: format!("/{name}"), segments: vec![name.to_owned()] }
    }

    /// The names of the properties from the document to the component, at least one.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether this is the path of a property of the document itself.
    pub fn is_property(&self, name: &str) -> bool {
        self.segments == [name]
    }

    /// The value at this path; `None` if the document has none.
    pub fn of<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(document, |value, name| value.as_object()?.get(name))
    }

    /// The path within a query, `['a']['b']` for `/a/b`.
    pub fn query_property(&self) -> String {
        query_property(&self.segments)
    }
}

/// Paths for display, separated by commas.
pub fn display_key_paths(paths: &[KeyPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// As the definition of the container spells it.
impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for KeyPath {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for KeyPath {}

impl FromStr for KeyPath {
    type Err = String;

    /// The error says what a path looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        let segments = parse(text).ok_or_else(|| {
            format!(
                "invalid key path {text:?}; a path starts with a slash and has no empty names, such as /cartId or \
                 /address/city; a name with a slash or a space is in quotes: /\"a b\""
            )
        })?;
        Ok(Self { text: text.to_owned(), segments })
    }
}

fn parse(text: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.strip_prefix('/')?;
        // The service accepts a slash at the end.
        if start.is_empty() && !segments.is_empty() {
            break;
        }
        let (segment, next) = match start.chars().next()? {
            quote @ ('"' | '\'') => quoted(start.get(1..)?, quote)?,
            _ => {
                let (name, next) = start.split_at(start.find('/').unwrap_or(start.len()));
                (name.trim(), next)
            }
        };
        if segment.is_empty() {
            return None;
        }
        segments.push(segment.to_owned());
        rest = next;
    }
    (!segments.is_empty()).then_some(segments)
}

/// The name up to the closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        if character == quote && !is_escaped {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn path(text: &str) -> KeyPath {
        text.parse().expect(text)
    }

    #[test]
    fn names_are_read_as_the_service_spells_them() {
        for (text, segments) in [
            ("/pk", vec!["pk"]),
            ("/a/b/", vec!["a", "b"]),
            ("/ a / b c ", vec!["a", "b c"]),
            (r#"/"a b""#, vec!["a b"]),
            ("/'a b'", vec!["a b"]),
            (r#"/a/"b c"/d"#, vec!["a", "b c", "d"]),
            (r#"/"a/b"/'c/d'"#, vec!["a/b", "c/d"]),
            ("/a~1b", vec!["a~1b"]),
            (r#"/"a~0b""#, vec!["a~0b"]),
            (r#"/'say "x"'"#, vec![r#"say "x""#]),
            (r#"/"say \"x\"""#, vec![r#"say \"x\""#]),
            (r#"/"ends with \\"/b"#, vec![r"ends with \\", "b"]),
            ("/\u{e9}/\u{1f600}", vec!["\u{e9}", "\u{1f600}"]),
            ("/0", vec!["0"]),
        ] {
            assert_eq!(path(text).segments(), segments, "{text}");
            assert_eq!(path(text).to_string(), text);
        }
        for text in ["", "/", "pk", "/a//b", "//", "/ /a", r#"/"a"#, r#"/"a"b"#, "/'a\"", r#"/"a\""#, r#"/"""#] {
            let message = text.parse::<KeyPath>().expect_err(text);
            assert!(message.contains("starts with a slash"), "{message}");
        }
    }

    #[test]
    fn two_spellings_of_a_path_are_equal() {
        assert_eq!(path("/pk"), path(r#"/"pk""#));
        assert_eq!(path("/pk/"), KeyPath::property("pk"));
        assert_ne!(path("/a/b"), path(r#"/"a/b""#));
        assert!(path("/'id'").is_property("id") && !path("/id/id").is_property("id"));
    }

    #[test]
    fn a_path_leads_through_objects_by_the_exact_names() {
        let document = json!({"a b": 1, "a": {"b": 2}, "a/b": 3, "a~1b": 4, "list": ["x"], "n": null});
        let at = |text: &str| path(text).of(&document).cloned();
        assert_eq!(at(r#"/"a b""#), Some(json!(1)));
        assert_eq!(at("/a/b"), Some(json!(2)));
        assert_eq!(at("/'a/b'"), Some(json!(3)));
        assert_eq!(at("/a~1b"), Some(json!(4)));
        assert_eq!(at("/n"), Some(json!(null)));
        assert_eq!((at("/list/0"), at("/a/c"), at("/n/x")), (None, None, None));
    }

    #[test]
    fn a_path_is_quoted_in_a_query() {
        assert_eq!(path("/a/b").query_property(), "['a']['b']");
        assert_eq!(path(r#"/"it's"/"\x""#).query_property(), "['it\\u0027s']['\\u005cx']");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", names in proptest::collection::vec("[^\"\\\\]{1,8}", 1..4)) {
            let _ = text.parse::<KeyPath>();
            let spelled: String = names.iter().map(|name| format!("/\"{name}\"")).collect();
            let path: KeyPath = spelled.parse().expect("a path");
            prop_assert_eq!(path.segments(), names);
        }
    }
}
