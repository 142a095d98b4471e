//! The path of a field within a document.
//!
//! For programs it is a JSON Pointer (RFC 6901): `/address/zip code`, `/lines/0`. For people it is the names with dots between them; a
//! name is in double quotes if it is empty or has characters other than letters, digits, `_`, `-`, `$` and `@`: `address."zip code"`,
//! `lines.0`. In quotes, a backslash escapes as in JSON. A text that begins with a slash is a pointer. In both forms the empty text is
//! the document itself.
//!
//! A whole number is the element of an array, counted from 0; in an object it is the property of that name, as in JSON Pointers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::query_name::query_name;

/// The most whole numbers in a path that a query uses. Each doubles the number of conditions.
pub(crate) const MAX_NUMBERS: usize = 3;
/// The most names in a path that a query uses: the service allows items of 128 levels.
pub(crate) const MAX_NAMES: usize = 128;
/// The most characters of a wrong field that a message shows.
const SHOWN_CHARACTERS: usize = 80;

/// The path of a field within a document. In JSON it is a JSON Pointer; the form for people is read too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath {
    segments: Vec<String>,
}

/// A step within a query.
#[derive(Clone, Copy)]
enum Step<'p> {
    Property(&'p String),
    Element(usize),
}

impl FieldPath {
    /// The document itself.
    pub const DOCUMENT: Self = Self { segments: Vec::new() };

    /// A property of the document itself.
    pub fn property(name: impl Into<String>) -> Self {
        Self { segments: vec![name.into()] }
    }

    /// A property, or an element, of the value at this path.
    pub fn child(&self, segment: impl Into<String>) -> Self {
        Self { segments: self.segments.iter().cloned().chain([segment.into()]).collect() }
    }

    /// The names and numbers from the document to the field; none for the document itself.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The form for programs: a JSON Pointer.
    pub fn pointer(&self) -> String {
        let escaped = |segment: &String| format!("/{}", segment.replace('~', "~0").replace('/', "~1"));
        self.segments.iter().map(escaped).collect()
    }

    /// Reads the field at the start of a text; returns it and the rest of the text. A pointer ends where `is_end` is true of the rest.
    ///
    /// # Errors
    /// The field as it was found, and what is allowed.
    pub fn read(text: &str, is_end: impl Fn(&str) -> bool) -> Result<(Self, &str), String> {
        if text.starts_with('/') {
            let end = text.char_indices().map(|(at, _)| at).find(|at| is_end(&text[*at..])).unwrap_or(text.len());
            let (pointer, rest) = text.split_at(end);
            let segments = pointer.split('/').skip(1).map(unescaped).collect::<Option<Vec<_>>>();
            return Ok((Self { segments: segments.ok_or_else(|| Self::invalid(pointer))? }, rest));
        }
        let (mut segments, mut rest) = (Vec::new(), text);
        loop {
            let (segment, after) = segment(rest).ok_or_else(|| Self::invalid(text))?;
            segments.push(segment);
            rest = after;
            match rest.strip_prefix('.') {
                Some(next) => rest = next,
                None => return Ok((Self { segments }, rest)),
            }
        }
    }

    /// The value at this path; `None` if the document has none.
    pub fn of<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.segments.iter().try_fold(document, |value, segment| match value {
            Value::Object(properties) => properties.get(segment),
            Value::Array(elements) => elements.get(element(segment)?),
            _ => None,
        })
    }

    /// Checks that a query can use this path.
    ///
    /// # Errors
    /// Says what is allowed: a field of at most 128 names, of which at most three are whole numbers.
    pub fn check_queryable(&self) -> Result<(), String> {
        let numbers = self.numbers();
        if self.segments.is_empty() {
            return Err("the name of a field is missing".to_owned());
        }
        if self.segments.len() > MAX_NAMES {
            return Err(format!("the field has {} names; at most {MAX_NAMES} are allowed", self.segments.len()));
        }
        if numbers > MAX_NUMBERS {
            return Err(format!("field {self} has {numbers} whole numbers; at most {MAX_NUMBERS} are allowed"));
        }
        Ok(())
    }

    /// The paths within a query that this path can be, at most one of which a document has: `['lines']['0']` and `['lines'][0]`.
    pub fn query_properties(&self) -> Vec<String> {
        self.query_properties_of(true)
    }

    /// The same below a document, which is an object, or below any value.
    pub(crate) fn query_properties_of(&self, is_document: bool) -> Vec<String> {
        let step = |step: &Step<'_>| match step {
            Step::Property(name) => query_name(name),
            Step::Element(number) => format!("[{number}]"),
        };
        self.alternatives(is_document).iter().map(|steps| steps.iter().map(step).collect()).collect()
    }

    /// How many whole numbers the path has.
    pub(crate) fn numbers(&self) -> usize {
        self.segments.iter().filter(|segment| element(segment).is_some()).count()
    }

    /// The error for a text that is no field.
    pub(crate) fn invalid(text: &str) -> String {
        let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
        format!(
            "invalid field {shown:?}; use names of letters, digits, _ - $ @ with dots between them (address.city), other names in \
             double quotes (address.\"zip code\"), or a JSON Pointer (/address/zip code)"
        )
    }

    /// The paths below `root` that an index policy names for this field: `/document/"address"/"city"/?`. An index has all elements of
    /// an array or none.
    ///
    /// # Errors
    /// Says which names an index cannot have, as [`Self::check_queryable`] and for names that are empty or have quotes.
    pub fn index_paths(&self, root: &str) -> Result<Vec<String>, String> {
        self.check_queryable()?;
        let is_unusable =
            |name: &String| name.is_empty() || name.contains(|c: char| matches!(c, '"' | '\\') || c.is_control());
        if self.segments.iter().any(is_unusable) {
            return Err(format!(
                "field {self} cannot be indexed: a name in a path of an index is not empty and has no double quotes, backslashes or \
                 control characters"
            ));
        }
        let step = |step: &Step<'_>| match step {
            Step::Property(name) => format!("\"{name}\"/"),
            Step::Element(_) => "[]/".to_owned(),
        };
        let path = |steps: &Vec<Step<'_>>| format!("/{root}/{}?", steps.iter().map(step).collect::<String>());
        Ok(self.alternatives(true).iter().map(path).collect())
    }

    /// The steps that this path can be: a whole number is a property or an element. A document is an object, so its first is a name.
    fn alternatives(&self, is_document: bool) -> Vec<Vec<Step<'_>>> {
        let mut all: Vec<Vec<Step<'_>>> = vec![Vec::new()];
        for (depth, segment) in self.segments.iter().enumerate() {
            let number = element(segment).filter(|_| depth > 0 || !is_document).map(Step::Element);
            let steps: Vec<Step<'_>> = [Some(Step::Property(segment)), number].into_iter().flatten().collect();
            all =
                all.iter().flat_map(|before| steps.iter().map(|step| [before.as_slice(), &[*step]].concat())).collect();
        }
        all
    }
}

/// The form for people.
impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.segments.iter().enumerate() {
            if depth > 0 {
                formatter.write_str(".")?;
            }
            if !segment.is_empty() && segment.chars().all(is_bare) {
                formatter.write_str(segment)?;
                continue;
            }
            formatter.write_str("\"")?;
            for character in segment.chars() {
                match character {
                    '"' | '\\' => write!(formatter, "\\{character}")?,
                    control if control.is_control() => write!(formatter, "\\u{:04x}", u32::from(control))?,
                    other => write!(formatter, "{other}")?,
                }
            }
            formatter.write_str("\"")?;
        }
        Ok(())
    }
}

impl FromStr for FieldPath {
    type Err = String;

    /// Reads either form.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        match Self::read(text, |_| false)? {
            (path, "") => Ok(path),
            _ => Err(Self::invalid(text)),
        }
    }
}

impl TryFrom<String> for FieldPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.pointer()
    }
}

/// The segment at the start of a text, and the rest.
fn segment(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let (name, rest) = text.split_at(text.find(|character| !is_bare(character)).unwrap_or(text.len()));
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let mut is_escaped = true;
    for (at, character) in text.char_indices() {
        if character == '"' && !is_escaped {
            return Some((serde_json::from_str(&text[..=at]).ok()?, &text[at + 1..]));
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    None
}

/// Whether a name may have the character without quotes.
fn is_bare(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '$' | '@')
}

/// A segment of a pointer, without escapes.
fn unescaped(segment: &str) -> Option<String> {
    let is_valid = segment.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    is_valid.then(|| segment.replace("~1", "/").replace("~0", "~"))
}

/// The number of an element, if the segment can be one. The limit is that of the service's query language.
fn element(segment: &str) -> Option<usize> {
    let is_number = segment == "0" || !segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && segment.len() < 10 { segment.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn path(text: &str) -> FieldPath {
        text.parse().expect(text)
    }

    #[test]
    fn both_forms_of_a_path_are_read_and_written() {
        for (people, pointer, segments) in [
            ("", "", vec![]),
            ("city", "/city", vec!["city"]),
            ("address.city", "/address/city", vec!["address", "city"]),
            (r#"address."zip code""#, "/address/zip code", vec!["address", "zip code"]),
            (r#""a.b"."c/d"."e~f""#, "/a.b/c~1d/e~0f", vec!["a.b", "c/d", "e~f"]),
            (r#""""#, "/", vec![""]),
            (r#"""."".a"#, "///a", vec!["", "", "a"]),
            ("lines.0.text", "/lines/0/text", vec!["lines", "0", "text"]),
            (r#""say \"x\"\\"."tab\u0009""#, "/say \"x\"\\/tab\t", vec!["say \"x\"\\", "tab\t"]),
            (r#""tags[]".über"#, "/tags[]/über", vec!["tags[]", "über"]),
            (r#""~1"."/""#, "/~01/~1", vec!["~1", "/"]),
        ] {
            assert_eq!(path(people).segments(), segments, "{people}");
            assert_eq!((path(people).pointer(), path(pointer).to_string()), (pointer.to_owned(), people.to_owned()));
            assert_eq!(serde_json::to_value(path(people)).expect("json"), json!(pointer));
        }
        for text in [".", "a.", ".a", "a..b", "a b", "a[0]", "a\"b\"", r#""a"#, r#""a"b"#, "a/b", "/a~", "/a~2", "'a'"]
        {
            let message = text.parse::<FieldPath>().expect_err(text);
            assert!(message.contains("invalid field") && message.contains("zip code"), "{message}");
        }
    }

    #[test]
    fn a_whole_number_is_an_element_or_a_property() {
        let document = json!({"list": [[1], {"0": 2}], "0": {"00": 3}, "": {"": 4}, "n": null});
        let at = |text: &str| path(text).of(&document).cloned();
        assert_eq!((at("list.0.0"), at("list.1.0"), at("/0/00")), (Some(json!(1)), Some(json!(2)), Some(json!(3))));
        assert_eq!((at("//"), at("n"), at("")), (Some(json!(4)), Some(Value::Null), Some(document.clone())));
        for text in ["list.00", "list.2", "list.-", "list.0.0.0", "n.a", "0.0", "list.99999999999999999999"] {
            assert_eq!(at(text), None, "{text}");
        }
        assert_eq!(path("list.0").query_properties(), ["['list']['0']", "['list'][0]"]);
        assert_eq!(path("0.00.a").query_properties(), ["['0']['00']['a']"]);
        assert_eq!(path("a.1.b.2").query_properties().len(), 4);
        assert!(path("a.1.2.3.4").check_queryable().is_err_and(|message| message.contains("at most 3")));
        assert!(path("").check_queryable().is_err());
    }

    #[test]
    fn a_path_is_quoted_in_queries_and_in_index_policies() {
        assert_eq!(path(r#"it."'s\\""#).query_properties(), [r"['it']['\u0027s\u005c']"]);
        assert_eq!(
            path("address.\"zip code\"").index_paths("document"),
            Ok(vec!["/document/\"address\"/\"zip code\"/?".to_owned()])
        );
        assert_eq!(
            path("/lines/0").index_paths("d"),
            Ok(vec!["/d/\"lines\"/\"0\"/?".to_owned(), "/d/\"lines\"/[]/?".to_owned()])
        );
        for text in [r#""""#, r#"a."""#, r#""a\"b""#, r#""a\\b""#, r#""a\u0009""#, ""] {
            path(text).index_paths("d").expect_err(text);
        }
    }

    /// Names of every kind.
    fn names() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(
            prop_oneof![
                r#"[a/~."'\\ 0]{0,4}"#,
                "[0-9]{1,3}",
                Just("[]".to_owned()),
                Just("tags[]".to_owned()),
                any::<String>()
            ],
            0..5,
        )
    }

    proptest! {
        #[test]
        fn a_path_is_read_as_it_was_written(names in names()) {
            let path = names.iter().fold(FieldPath::default(), |path, name| path.child(name));
            prop_assert_eq!(path.segments(), names.as_slice());
            prop_assert_eq!(&path.to_string().parse::<FieldPath>(), &Ok(path.clone()));
            prop_assert_eq!(&path.pointer().parse::<FieldPath>(), &Ok(path.clone()));
            prop_assert!(!path.to_string().contains(char::is_control));
        }

        #[test]
        fn any_text_is_read_or_refused_and_evaluates_as_a_pointer_does(text in r#"[/."a0~\\]{0,8}"#) {
            let document = json!({"a": [{"0": 1, "": 2}, "x"], "": {"a": [0]}, "0": {"a/0": 3}, "a0": null});
            if let Ok(path) = text.parse::<FieldPath>() {
                prop_assert_eq!(path.of(&document), document.pointer(&path.pointer()));
            }
        }
    }
}
