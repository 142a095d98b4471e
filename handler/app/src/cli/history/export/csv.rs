//! Versions as records of CSV.

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::Version;
use serde_json::Value;

use crate::cli::history::version_row::VersionRow;
use crate::cli::list::{CsvColumns, ListItem, cell_text, csv_line};

/// The properties of a version that hold a document.
const BODIES: [&str; 2] = ["document", "previous"];

/// Writes versions as records: the columns of `history versions`, or instead of the documents one column for each chosen field.
pub struct CsvVersions {
    columns: CsvColumns,
    spreadsheet: bool,
}

impl CsvVersions {
    pub fn new(fields: Option<&[FieldPath]>, spreadsheet: bool) -> Result<Self> {
        let columns = match fields {
            None => CsvColumns::parse(VersionRow::CSV)?,
            Some(fields) => {
                let own =
                    VersionRow::CSV.iter().filter(|name| !BODIES.contains(name)).map(|name| FieldPath::property(*name));
                CsvColumns::of(own.chain(fields.iter().map(within_document)).collect())
            }
        };
        Ok(Self { columns, spreadsheet })
    }

    /// The names of the columns.
    pub fn header(&self) -> Result<Vec<u8>> {
        self.columns.header()
    }

    /// The record of a version.
    pub fn record(&self, version: &Version) -> Result<Vec<u8>> {
        let version = serde_json::to_value(version)?;
        if !self.spreadsheet {
            return self.columns.record(&version);
        }
        csv_line(self.columns.values(&version).map(|value| value.map(for_spreadsheet).unwrap_or_default()))
    }
}

/// The path of a document's field within a version.
pub fn within_document(field: &FieldPath) -> FieldPath {
    field.segments().iter().fold(FieldPath::property(BODIES[0]), |path, segment| path.child(segment))
}

/// The text of a cell, with an apostrophe before a text that a spreadsheet would take for a formula, and before an apostrophe.
fn for_spreadsheet(value: &Value) -> String {
    let text = cell_text(value);
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    if value.is_string() && is_formula { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_that_looks_like_a_formula_gets_an_apostrophe_and_a_number_does_not() {
        for (value, expected) in [
            (json!("=1+1"), "'=1+1"),
            (json!("+1 704"), "'+1 704"),
            (json!("@x"), "'@x"),
            (json!("-x"), "'-x"),
            (json!("\tx"), "'\tx"),
            (json!("'x"), "''x"),
            (json!(-5), "-5"),
            (json!("a=b"), "a=b"),
            (json!(["=1"]), "[\"=1\"]"),
        ] {
            assert_eq!(for_spreadsheet(&value), expected);
        }
    }

    #[test]
    fn a_field_has_the_path_that_it_has_in_a_version() {
        let field: FieldPath = "address.\"zip code\"".parse().expect("a field");
        assert_eq!(within_document(&field).to_string(), "document.address.\"zip code\"");
    }
}
