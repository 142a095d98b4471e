//! A field of documents that the changes container indexes, so that searches and filters by it are fast.

use std::fmt;

use changefeed_cosmos::FieldPath;
use serde::Serialize;

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
    /// Reads fields with commas between them: `city_name, address."zip code", /tags/0`. A JSON Pointer ends at a comma; a name with a
    /// comma is in quotes.
    ///
    /// # Errors
    /// Says which field is wrong, and what is allowed.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let mut fields = Vec::new();
        let is_between = |character: char| character == ',' || character.is_whitespace();
        let mut rest = text.trim_start_matches(is_between);
        while !rest.is_empty() {
            let (field, after) =
                FieldPath::read(rest, |rest| rest.trim_start().starts_with(',') || rest.trim().is_empty())?;
            fields.push(Self::try_from(field)?);
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return Err(format!(
                    "no comma before {after:?}; a name with other characters is in double quotes: address.\"zip code\""
                ));
            }
            rest = after.trim_start_matches(is_between);
        }
        Ok(fields)
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
