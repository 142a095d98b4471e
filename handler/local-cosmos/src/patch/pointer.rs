//! Paths within an item: JSON Pointers (RFC 6901), and where they lead.

use serde_json::Value;

/// A path within an item that names at least one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// A place in an array. `-` is the place after its last element.
pub(super) enum Place {
    At(usize),
    End,
    /// The token cannot be a place in an array.
    NotANumber,
}

impl Pointer {
    /// The error says what is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!("the path \"{text}\" does not start with /"));
        };
        let tokens = path.split('/').map(unescape).collect::<Option<_>>();
        let tokens = tokens
            .ok_or_else(|| format!("the path \"{text}\" has a ~ that is not part of ~0 (for ~) or ~1 (for /)"))?;
        Ok(Self { text: text.to_owned(), tokens })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names and places before the last, and the last.
    pub(super) fn split_last(&self) -> (&[String], &str) {
        match self.tokens.split_last() {
            Some((last, parents)) => (parents, last),
            None => (&[], ""),
        }
    }

    /// Whether this path leads to the other one's value or to a value in it.
    pub(super) fn is_within<T: AsRef<str>>(&self, names: &[T]) -> bool {
        self.tokens.len() >= names.len() && self.tokens.iter().zip(names).all(|(token, name)| token == name.as_ref())
    }

    /// Whether the other path leads to a value within this path's value.
    pub(super) fn is_ancestor_of(&self, other: &Self) -> bool {
        other.tokens.len() > self.tokens.len() && other.is_within(&self.tokens)
    }
}

/// The place that a token names in an array.
pub(super) fn place(token: &str) -> Place {
    let is_number = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    match token {
        "-" => Place::End,
        _ if !is_number || (token.starts_with('0') && token != "0") => Place::NotANumber,
        // A number that no array has is out of bounds like any other.
        _ => Place::At(token.parse().unwrap_or(usize::MAX)),
    }
}

/// The child of a value; `None` if it has none of this name or place.
pub(super) fn child<'v>(value: &'v mut Value, token: &str) -> Option<&'v mut Value> {
    match value {
        Value::Object(members) => members.get_mut(token),
        Value::Array(elements) => match place(token) {
            Place::At(index) => elements.get_mut(index),
            Place::End | Place::NotANumber => None,
        },
        _ => None,
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut name = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        name.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_a_tilde_and_a_slash() {
        let tokens = |text| Pointer::parse(text).expect("a path").tokens;
        assert_eq!(tokens("/a/b~1c/~01/d"), ["a", "b/c", "~1", "d"]);
        assert_eq!(tokens("/"), [""]);
        for text in ["", "a", "/a~", "/a~2"] {
            let message = Pointer::parse(text).expect_err("refused");
            assert!(message.contains(&format!("\"{text}\"")), "{message}");
        }
    }

    #[test]
    fn a_path_is_within_another_by_whole_names() {
        let path = |text| Pointer::parse(text).expect("a path");
        assert!(path("/pk").is_within(&["pk"]) && path("/pk/a").is_within(&["pk"]));
        assert!(!path("/pkey").is_within(&["pk"]) && !path("/a").is_within(&["a", "b"]));
        assert!(path("/a").is_ancestor_of(&path("/a/b")));
        assert!(!path("/a").is_ancestor_of(&path("/a")) && !path("/a").is_ancestor_of(&path("/ab/c")));
    }
}
