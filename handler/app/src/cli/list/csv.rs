//! Items as records of CSV (RFC 4180). `docs/reference/output.md` specifies the cells.

use anyhow::{Context, Result};
use changefeed_cosmos::FieldPath;
use csv::{Terminator, WriterBuilder};
use serde_json::Value;

/// The columns of items.
pub struct CsvColumns(Vec<FieldPath>);

impl CsvColumns {
    /// Columns with these paths, in the spelling for people.
    pub fn parse(paths: &[&str]) -> Result<Self> {
        let path = |text: &&str| text.parse().map_err(anyhow::Error::msg).with_context(|| format!("column {text:?}"));
        paths.iter().map(path).collect::<Result<_>>().map(Self)
    }

    /// Columns with these paths.
    pub fn of(paths: Vec<FieldPath>) -> Self {
        Self(paths)
    }

    /// The record of the names.
    pub fn header(&self) -> Result<Vec<u8>> {
        csv_line(self.0.iter().map(name))
    }

    /// The record of an item.
    pub fn record(&self, item: &Value) -> Result<Vec<u8>> {
        csv_line(self.values(item).map(|value| value.map(cell_text).unwrap_or_default()))
    }

    /// The value of an item in each column.
    pub fn values<'v>(&self, item: &'v Value) -> impl Iterator<Item = Option<&'v Value>> {
        self.0.iter().map(move |path| path.of(item))
    }

    /// The first property of an item that is in no column.
    pub fn uncovered(&self, item: &Value) -> Option<FieldPath> {
        let is_covered = |leaf: &FieldPath, value: &Value| {
            let is_empty_object = value.as_object().is_some();
            let covers = |path: &FieldPath| {
                leaf.segments().starts_with(path.segments())
                    || is_empty_object && path.segments().starts_with(leaf.segments())
            };
            self.0.iter().any(covers)
        };
        leaves(item).into_iter().find(|(leaf, value)| !is_covered(leaf, value)).map(|(leaf, _)| leaf)
    }
}

/// The name of a column. The empty path is the item itself.
pub fn name(path: &FieldPath) -> String {
    if path.segments().is_empty() { "value".to_owned() } else { path.to_string() }
}

/// A value as the text of a cell: text as it is, everything else as JSON. The empty text and the text `null` are JSON texts in quotes, so
/// that they differ from an absent value, which is an empty cell, and from null.
pub fn cell_text(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text != "null" => text.clone(),
        other => other.to_string(),
    }
}

/// A record of these cells, with the end of its line.
pub fn csv_line(cells: impl Iterator<Item = String>) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(cells.map(String::into_bytes))?;
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

/// The leaves of an item: everything that is not an object with properties.
pub fn leaves(item: &Value) -> Vec<(FieldPath, &Value)> {
    let (mut found, mut open) = (Vec::new(), vec![(FieldPath::DOCUMENT, item)]);
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(properties) if !properties.is_empty() => {
                open.extend(properties.iter().rev().map(|(name, value)| (path.child(name), value)));
            }
            _ => found.push((path, value)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn absent_null_and_empty_values_differ_and_numbers_are_exact() {
        let columns = CsvColumns::parse(&["a", "b.c", "b.\"d e\"", "f"]).expect("columns");
        assert_eq!(text(columns.header().expect("header")), "a,b.c,\"b.\"\"d e\"\"\",f\r\n");
        for (item, expected) in [
            (json!({}), ",,,\r\n"),
            (json!({"a": null, "f": "null"}), "null,,,\"\"\"null\"\"\"\r\n"),
            (
                json!({"a": "", "b": {"c": 18_446_744_073_709_551_615_u64, "d e": 1.0}}),
                "\"\"\"\"\"\",18446744073709551615,1.0,\r\n",
            ),
            (json!({"a": "=cmd", "b": {"c": [1, "x"]}, "f": {}}), "=cmd,\"[1,\"\"x\"\"]\",,{}\r\n"),
            (json!({"a": "one\r\ntwo", "f": true}), "\"one\r\ntwo\",,,true\r\n"),
        ] {
            assert_eq!(text(columns.record(&item).expect("record")), expected, "{item}");
        }
    }

    #[test]
    fn a_property_without_a_column_is_found() {
        let columns = CsvColumns::parse(&["a", "b", "e.f"]).expect("columns");
        assert_eq!(columns.uncovered(&json!({"e": {}})), None);
        assert_eq!(columns.uncovered(&json!({"a": 1, "b": {"c": {"d": []}}})), None);
        assert_eq!(
            columns.uncovered(&json!({"a": 1, "c": {"d": 1}})).map(|path| path.to_string()),
            Some("c.d".to_owned())
        );
    }

    proptest! {
        #[test]
        fn a_cell_is_read_back_as_its_text(cells in proptest::collection::vec(any::<String>(), 1..5)) {
            let line = csv_line(cells.iter().cloned()).expect("a line");
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_slice());
            let record = reader.records().next().expect("a record").expect("readable");
            prop_assert_eq!(record.iter().collect::<Vec<_>>(), cells);
        }
    }
}
