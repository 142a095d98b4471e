//! Prints items in a format, one by one.

use std::marker::PhantomData;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::ListFormat;
use super::csv::CsvColumns;
use super::item::ListItem;
use super::standard_output::{Reader, print_bytes};
use crate::cli::harmless::harmless;
use crate::cli::output::{print_json, print_table};
use crate::cli::table::Cell;

/// Prints the items of a list.
pub trait ItemsWriter<T> {
    /// Adds an item. Except in a table, it is printed at once.
    ///
    /// # Errors
    /// When it cannot be printed.
    fn add(&mut self, item: &T) -> Result<Reader>;

    /// Ends the list. `rest` is an object with the other properties of the answer, which JSON has.
    ///
    /// # Errors
    /// When it cannot be printed.
    fn finish(self, rest: &Value) -> Result<()>;
}

/// One JSON document with the property `items`, printed item by item.
#[derive(Debug, Default)]
pub(super) struct JsonDocument {
    has_items: bool,
}

impl JsonDocument {
    pub(super) fn add(&mut self, item: &impl Serialize) -> Result<Reader> {
        let before = if self.has_items { "," } else { r#"{"items":["# };
        self.has_items = true;
        print_bytes(&[before.as_bytes(), harmless(&serde_json::to_string(item)?).as_bytes()].concat())
    }

    pub(super) fn finish(self, rest: &Value) -> Result<()> {
        let mut end = if self.has_items { "]" } else { r#"{"items":[]"# }.to_owned();
        for (name, value) in rest.as_object().into_iter().flatten() {
            end.push_str(&format!(",{}:{value}", Value::from(name.as_str())));
        }
        _ = print_bytes(format!("{end}}}\n").as_bytes())?;
        Ok(())
    }
}

/// A line of JSON.
pub(super) fn print_json_line(item: &impl Serialize) -> Result<Reader> {
    let line = format!("{}\n", harmless(&serde_json::to_string(item)?));
    print_bytes(line.as_bytes())
}

/// Prints the items of a list whose columns are known.
pub struct ListWriter<T> {
    form: Form,
    of: PhantomData<T>,
}

enum Form {
    Table(Vec<Vec<Cell>>),
    Json(JsonDocument),
    Jsonl,
    Csv(CsvColumns),
}

impl<T: ListItem> ListWriter<T> {
    /// Starts a list; CSV begins with the names of the columns.
    ///
    /// # Errors
    /// When they cannot be printed.
    pub fn new(format: ListFormat) -> Result<Self> {
        let form = match format {
            ListFormat::Table => Form::Table(Vec::new()),
            ListFormat::Json => Form::Json(JsonDocument::default()),
            ListFormat::Jsonl => Form::Jsonl,
            ListFormat::Csv => {
                let columns = CsvColumns::parse(T::CSV)?;
                _ = print_bytes(&columns.header()?)?;
                Form::Csv(columns)
            }
        };
        Ok(Self { form, of: PhantomData })
    }
}

impl<T: ListItem> ItemsWriter<T> for ListWriter<T> {
    fn add(&mut self, item: &T) -> Result<Reader> {
        match &mut self.form {
            Form::Table(rows) => {
                rows.push(item.cells());
                Ok(Reader::Reads)
            }
            Form::Json(document) => document.add(item),
            Form::Jsonl => print_json_line(item),
            Form::Csv(columns) => {
                let item = serde_json::to_value(item)?;
                debug_assert_eq!(columns.uncovered(&item), None, "a property of {item} has no column");
                print_bytes(&columns.record(&item)?)
            }
        }
    }

    fn finish(self, rest: &Value) -> Result<()> {
        match self.form {
            Form::Table(rows) => print_table(&T::columns(), rows),
            Form::Json(document) => document.finish(rest),
            Form::Jsonl | Form::Csv(_) => Ok(()),
        }
    }
}

/// Prints a list that has no pages. `answer` is its JSON document.
///
/// # Errors
/// When it cannot be printed.
pub fn print_list<'i, T: ListItem + 'i>(
    format: ListFormat,
    answer: &impl Serialize,
    items: impl IntoIterator<Item = &'i T>,
) -> Result<()> {
    if format == ListFormat::Json {
        return print_json(answer);
    }
    let mut writer = ListWriter::new(format)?;
    for item in items {
        if writer.add(item)? == Reader::Gone {
            return Ok(());
        }
    }
    writer.finish(&json!({}))
}
