//! Filters on documents: `city_name=Davidson`, `(zip in (28035, 28036) or tags[]=new) and address."zip code" exists`.
//!
//! ```text
//! filter = and ("or" and)*
//! and    = test ("and" test)*
//! test   = field op value | field "exists" | field "!exists" | field "in" "(" value ("," value)* ")" | "(" filter ")"
//! op     = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "starts with"
//! field  = name ("." name)* | JSON Pointer, which ends at the operator; "[]" after a name is any element of an array
//! value  = 'text' | "text" | number | true | false | null | bare text without spaces
//! ```
//!
//! The words are read in any case. A filter of one test may have a bare value with spaces, up to the end of the text, unless one of
//! them is the word "and" or "or": `city_name=New York`.
//!
//! Values are compared as the service compares them. A query uses the condition to find candidates, and [`Filter::matches`]
//! decides, with the same result. Names become part of the query text in quotes; a value is always a parameter.
//!
//! Source: "Equality and comparison operators" in the service's reference of its query language. Of two values of different types,
//! neither is less or greater. `false` is less than `true`. Numbers are doubles. Text is ordered by its UTF-16 code units, as in the
//! SDKs, which merge sorted results. Only `!=` is wider than the service's, for which values of different types are not unequal
//! either: here it matches every value that the document has there and that `=` does not match. A document without the field meets
//! `!exists` alone. A field with `[]` meets a test if one element does, also `!=`; it exists if there is an element.

mod evaluate;
mod expression;
mod parse;
mod query_text;

use changefeed_cosmos::{FieldPath, FieldPattern};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::expression::Expression;
use self::query_text::Place;
use crate::limits::{MAX_FILTER_TESTS, MAX_FILTERS};

/// A condition on documents. In JSON and in records it is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    expression: Expression,
    /// The tests, and the further values of lists.
    tests: usize,
    text: String,
}

impl Filter {
    /// Reads a filter. A value in quotes is a text. Without quotes, a number, `true`, `false` or `null` matches both that value and the
    /// text; any other value is a text.
    ///
    /// # Errors
    /// Says what is wrong, in which column (counted in characters from 1), and what is allowed there; or names the limit.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (expression, tests) = parse::parse(text)?;
        Ok(Self { expression, tests, text: text.to_owned() })
    }

    /// Whether a document meets the filter. What is not an object, such as the absent document of a delete, never does.
    pub(crate) fn matches(&self, document: &Value) -> bool {
        document.is_object() && evaluate::holds(&self.expression, document)
    }

    /// The filter for documents of which only some fields are known: tests on other fields are false. `None` if none can meet it.
    pub(crate) fn for_fields(&self, is_known: impl Fn(&FieldPath) -> bool) -> Option<Self> {
        let expression = self.expression.with_only(&|test| test.field.path().is_some_and(&is_known))?;
        Some(Self { expression, tests: self.tests, text: self.text.clone() })
    }

    /// The fields that it tests. Of a field of any element of an array, the array.
    pub fn fields(&self) -> Vec<&FieldPath> {
        let mut fields = Vec::new();
        self.expression.each_test(&mut |test| fields.push(test.field.first()));
        fields
    }

    /// The fields that it tests, each perhaps of any element of an array.
    pub(crate) fn patterns(&self) -> Vec<&FieldPattern> {
        let mut fields = Vec::new();
        self.expression.each_test(&mut |test| fields.push(&test.field));
        fields
    }

    /// The text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The condition as query text on the document at `root` (`c` or `c.document`). Adds its parameters to `parameters`.
    pub fn condition(&self, root: &str, parameters: &mut Map<String, Value>) -> String {
        query_text::condition(&self.expression, Place::Document(root), parameters)
    }

    /// The condition on columns in place of the fields of a document. A test on a field without a column is taken as true.
    pub(crate) fn condition_on(
        &self,
        columns: &dyn Fn(&FieldPath) -> Option<&'static str>,
        parameters: &mut Map<String, Value>,
    ) -> String {
        query_text::condition(&self.expression, Place::Columns(columns), parameters)
    }
}

/// Whether a document meets every filter.
pub fn matches_all(filters: &[Filter], document: &Value) -> bool {
    filters.iter().all(|filter| filter.matches(document))
}

/// Checks the number of filters, and of their tests together.
///
/// # Errors
/// Names the limit.
pub fn check_filter_count(filters: &[Filter]) -> Result<(), String> {
    if filters.len() > MAX_FILTERS {
        return Err(format!("{} filters; the limit is {MAX_FILTERS}", filters.len()));
    }
    let tests: usize = filters.iter().map(|filter| filter.tests).sum();
    if tests > MAX_FILTER_TESTS {
        return Err(format!("the filters have {tests} tests and values together; the limit is {MAX_FILTER_TESTS}"));
    }
    Ok(())
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text
    }
}

#[cfg(test)]
mod tests;
