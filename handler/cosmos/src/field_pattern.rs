//! A field of a document, or of any element of an array: `city_name`, `tags[]`, `lines[].text`.
//!
//! It is a [`FieldPath`] in which `[]` after a name stands for any element of the array there: the field has as many values as the
//! array has elements with the rest of the path. A value that is not an array has no elements. In a JSON Pointer, and in quotes, `[]`
//! is part of a name.

use std::fmt;

use serde_json::Value;

use crate::field_path::{FieldPath, MAX_NAMES, MAX_NUMBERS};

/// The most `[]` in a field. Each is a query within the query.
const MAX_ELEMENTS: usize = 4;

/// A field of a document, or of any element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPattern {
    /// The path to the first array, then from an element to the next array, and at last to the field. The last may be empty: the
    /// element itself.
    parts: Vec<FieldPath>,
}

impl FieldPattern {
    /// Reads the field at the start of a text; returns it and the rest of the text. A pointer ends where `is_end` is true of the rest.
    ///
    /// # Errors
    /// The field as it was found, and what is allowed.
    pub fn read(text: &str, is_end: impl Fn(&str) -> bool) -> Result<(Self, &str), String> {
        let (first, mut rest) = FieldPath::read(text, is_end)?;
        let mut parts = vec![first];
        while let Some(after) = rest.strip_prefix("[]").filter(|_| !text.starts_with('/')) {
            let (part, after) = match after.strip_prefix('.') {
                // A slash here is not a pointer.
                Some(next) if next.starts_with('/') => return Err(FieldPath::invalid(text)),
                Some(next) => FieldPath::read(next, |_| false).map_err(|_| FieldPath::invalid(text))?,
                None => (FieldPath::default(), after),
            };
            parts.push(part);
            rest = after;
        }
        Ok((Self { parts }, rest))
    }

    /// Checks that a query can use this field.
    ///
    /// # Errors
    /// Says what is allowed: at most 128 names, of which at most three are whole numbers, and at most four `[]`.
    pub fn check_queryable(&self) -> Result<(), String> {
        let sum = |number: fn(&FieldPath) -> usize| self.parts.iter().map(number).sum::<usize>();
        let (names, numbers) = (sum(|part| part.segments().len()), sum(FieldPath::numbers));
        let elements = self.parts.len() - 1;
        if self.parts.first().is_none_or(|first| first.segments().is_empty()) {
            return Err("the name of a field is missing".to_owned());
        }
        if names > MAX_NAMES {
            return Err(format!("the field has {names} names; at most {MAX_NAMES} are allowed"));
        }
        if numbers > MAX_NUMBERS {
            return Err(format!("field {self} has {numbers} whole numbers; at most {MAX_NUMBERS} are allowed"));
        }
        if elements > MAX_ELEMENTS {
            return Err(format!("field {self} has {elements} times []; at most {MAX_ELEMENTS} are allowed"));
        }
        Ok(())
    }

    /// The path of the field, or of the array whose elements have it.
    pub fn first(&self) -> &FieldPath {
        const DOCUMENT: &FieldPath = &FieldPath::DOCUMENT;
        self.parts.first().unwrap_or(DOCUMENT)
    }

    /// The path of the field; `None` if it is a field of any element of an array.
    pub fn path(&self) -> Option<&FieldPath> {
        if let [path] = self.parts.as_slice() { Some(path) } else { None }
    }

    /// Whether a value that the document has here meets the test.
    pub fn any(&self, document: &Value, test: &mut dyn FnMut(&Value) -> bool) -> bool {
        any(&self.parts, document, test)
    }

    /// A condition of a query that is true if a value that the document at `root` has here meets the test: the query text on the value
    /// at the path that is its argument. Names are in quotes.
    pub fn condition(&self, root: &str, test: &mut dyn FnMut(&str) -> String) -> String {
        condition(&self.parts, 0, root, test)
    }
}

fn any(parts: &[FieldPath], value: &Value, test: &mut dyn FnMut(&Value) -> bool) -> bool {
    let Some((part, rest)) = parts.split_first() else { return test(value) };
    match part.of(value) {
        Some(value) if rest.is_empty() => test(value),
        Some(Value::Array(elements)) => elements.iter().any(|element| any(rest, element, test)),
        _ => false,
    }
}

fn condition(parts: &[FieldPath], depth: usize, root: &str, test: &mut dyn FnMut(&str) -> String) -> String {
    let Some((part, rest)) = parts.split_first() else { return test(root) };
    // The document is an object; an element can be an array.
    let properties = part.query_properties_of(depth == 0);
    let each = properties.iter().map(|property| {
        let place = format!("{root}{property}");
        if rest.is_empty() {
            return test(&place);
        }
        let element = format!("element{depth}");
        let condition = condition(rest, depth + 1, &element, test);
        format!("EXISTS(SELECT VALUE {element} FROM {element} IN {place} WHERE {condition})")
    });
    each.collect::<Vec<_>>().join(" OR ")
}

/// The form for people.
impl fmt::Display for FieldPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            match (at, part.segments()) {
                (0, _) => write!(formatter, "{part}")?,
                (_, []) => formatter.write_str("[]")?,
                _ => write!(formatter, "[].{part}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pattern(text: &str) -> FieldPattern {
        match FieldPattern::read(text, |_| false).expect(text) {
            (pattern, "") => pattern,
            (_, rest) => panic!("{text}: {rest}"),
        }
    }

    #[test]
    fn brackets_without_a_number_are_any_element_outside_quotes_and_pointers() {
        for (text, elements) in [
            ("city", 0),
            ("tags[]", 1),
            ("lines[].text", 1),
            ("a.b[].c.d[].\"e[]\"", 2),
            ("m[][]", 2),
            ("m[].0[]", 2),
            ("\"tags[]\"", 0),
        ] {
            assert_eq!((pattern(text).parts.len() - 1, pattern(text).to_string().as_str()), (elements, text));
        }
        assert_eq!(pattern("/tags[]").to_string(), "\"tags[]\"");
        for wrong in ["tags[].", "tags[]..a", "[]", "[].a", "tags[]./a"] {
            let refused = FieldPattern::read(wrong, |_| false).expect_err(wrong);
            assert!(refused.contains("invalid field"), "{refused}");
        }
        for rest in ["tags[0]", "tags[]a"] {
            assert!(!FieldPattern::read(rest, |_| false).expect(rest).1.is_empty(), "{rest}");
        }
        pattern("a[][][][]").check_queryable().expect("as many as are allowed");
        let refused = pattern("a[][][][][]").check_queryable().expect_err("too many");
        assert_eq!(refused, "field a[][][][][] has 5 times []; at most 4 are allowed");
        let refused = pattern("a.1[].2.3[].4").check_queryable().expect_err("too many");
        assert!(refused.contains("4 whole numbers; at most 3"), "{refused}");
    }

    #[test]
    fn any_element_of_an_array_alone_can_decide() {
        let document = json!({"tags": ["x", 7], "lines": [{"text": "a"}, {"text": "b"}, 3], "m": [[1, 2], [3]],
            "o": {"0": "x"}, "text": "x", "empty": []});
        let has = |text: &str, wanted: Value| pattern(text).any(&document, &mut |value| *value == wanted);
        for (text, wanted) in [
            ("tags[]", json!("x")),
            ("tags[]", json!(7)),
            ("lines[].text", json!("b")),
            ("m[][]", json!(3)),
            ("m[].1", json!(2)),
            ("m[]", json!([3])),
            ("tags", json!(["x", 7])),
        ] {
            assert!(has(text, wanted), "{text}");
        }
        for (text, wanted) in
            [("tags[]", json!("y")), ("o[]", json!("x")), ("text[]", json!("x")), ("lines[].text[]", json!("a"))]
        {
            assert!(!has(text, wanted), "{text}");
        }
        assert!(!pattern("empty[]").any(&document, &mut |_| true) && !pattern("none[]").any(&document, &mut |_| true));
    }

    #[test]
    fn a_query_looks_at_elements_with_a_query_within_it() {
        let condition = |text: &str| pattern(text).condition("c", &mut |place| format!("{place} = 1"));
        assert_eq!(condition("a.b"), "c['a']['b'] = 1");
        assert_eq!(condition("a[]"), "EXISTS(SELECT VALUE element0 FROM element0 IN c['a'] WHERE element0 = 1)");
        assert_eq!(
            condition("a[].b[]"),
            "EXISTS(SELECT VALUE element0 FROM element0 IN c['a'] WHERE EXISTS(SELECT VALUE element1 FROM element1 IN \
             element0['b'] WHERE element1 = 1))"
        );
        assert_eq!(
            condition("a[].0"),
            "EXISTS(SELECT VALUE element0 FROM element0 IN c['a'] WHERE element0['0'] = 1 OR element0[0] = 1)"
        );
    }
}
