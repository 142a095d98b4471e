//! A field of documents that the changes container indexes, so that searches and filters by it are fast.

use std::fmt;

use changefeed_cosmos::FieldPath;
use serde::Serialize;

use crate::field_list::parse_field_list;

/// The property of a version that has the document.
const DOCUMENT: &str = "document";

/// A field that can be indexed. In JSON it is a JSON Pointer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "FieldPath")]
pub struct IndexedField {
    field: FieldPath,
    paths: Vec<String>,
}

impl IndexedField {
    /// Reads fields with commas between them, as [`parse_field_list`].
    ///
    /// # Errors
    /// Says which field is wrong, and what is allowed.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        parse_field_list(text)?.into_iter().map(Self::try_from).collect()
    }

    /// The paths of the index policy.
    pub(crate) fn paths(&self) -> &[String] {
        &self.paths
    }
}

impl TryFrom<FieldPath> for IndexedField {
    type Error = String;

    fn try_from(field: FieldPath) -> Result<Self, String> {
        let paths = field.index_paths(DOCUMENT)?;
        Ok(Self { field, paths })
    }
}

impl From<IndexedField> for FieldPath {
    fn from(indexed: IndexedField) -> Self {
        indexed.field
    }
}

/// The form for people.
impl fmt::Display for IndexedField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.field.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_fields_in_either_form_between_commas() {
        let fields =
            IndexedField::parse_list(" city_name,address.\"zip, code\" , /a b/c~1d ,/lines/0, ").expect("fields");
        let shown: Vec<String> = fields.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["city_name", "address.\"zip, code\"", "\"a b\".\"c/d\"", "lines.0"]);
        let paths: Vec<&String> = fields.iter().flat_map(|field| field.paths()).collect();
        assert_eq!(
            paths,
            [
                "/document/\"city_name\"/?",
                "/document/\"address\"/\"zip, code\"/?",
                "/document/\"a b\"/\"c/d\"/?",
                "/document/\"lines\"/\"0\"/?",
                "/document/\"lines\"/[]/?",
            ]
        );
        assert_eq!(IndexedField::parse_list(" "), Ok(Vec::new()));
        for (text, expected) in [
            ("a,b..c", "b..c"),
            ("zip code", "double quotes"),
            ("\"\"", "cannot be indexed"),
            ("/", "cannot be indexed"),
        ] {
            let message = IndexedField::parse_list(text).expect_err(text);
            assert!(message.contains(expected), "{message}");
        }
    }
}
