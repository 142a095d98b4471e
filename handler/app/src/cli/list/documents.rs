//! Prints documents, whose properties are not known before.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use anyhow::{Context, Result, bail};
use changefeed_cosmos::FieldPath;
use serde_json::{Map, Value};

use super::arguments::ListFormat;
use super::csv::{CsvColumns, leaves};
use super::standard_output::{Reader, print_bytes};
use super::writer::{ItemsWriter, JsonDocument, print_json_line};
use crate::cli::output::{cell, print_table};

/// The most columns of CSV.
const MAX_COLUMNS: usize = 10_000;

/// Prints documents. The columns of a table are the properties; those of CSV are all leaves that any document has, in the order in which
/// they first appear.
pub struct DocumentsWriter(Form);

enum Form {
    Table(Vec<Value>),
    Json(JsonDocument),
    Jsonl,
    Csv(Spool),
}

impl DocumentsWriter {
    /// Starts a list.
    ///
    /// # Errors
    /// When there is no place for a temporary file, which CSV needs.
    pub fn new(format: ListFormat) -> Result<Self> {
        Ok(Self(match format {
            ListFormat::Table => Form::Table(Vec::new()),
            ListFormat::Json => Form::Json(JsonDocument::default()),
            ListFormat::Jsonl => Form::Jsonl,
            ListFormat::Csv => Form::Csv(Spool::new()?),
        }))
    }
}

impl ItemsWriter<Value> for DocumentsWriter {
    fn add(&mut self, item: &Value) -> Result<Reader> {
        match &mut self.0 {
            Form::Table(items) => items.push(item.clone()),
            Form::Json(document) => return document.add(item),
            Form::Jsonl => return print_json_line(item),
            Form::Csv(spool) => spool.add(item)?,
        }
        Ok(Reader::Reads)
    }

    fn finish(self, rest: &Value) -> Result<()> {
        match self.0 {
            Form::Table(items) => print_documents(&items),
            Form::Json(document) => document.finish(rest),
            Form::Jsonl => Ok(()),
            Form::Csv(spool) => spool.print(),
        }
    }
}

/// Documents in a temporary file without a name, until all their columns are known. The documents are read only once.
struct Spool {
    file: BufWriter<File>,
    columns: Map<String, Value>,
    paths: Vec<FieldPath>,
}

impl Spool {
    fn new() -> Result<Self> {
        let file = tempfile::tempfile().context("creating a temporary file for the items of CSV")?;
        Ok(Self { file: BufWriter::new(file), columns: Map::new(), paths: Vec::new() })
    }

    fn add(&mut self, item: &Value) -> Result<()> {
        for (path, _) in leaves(item) {
            if self.columns.insert(path.pointer(), Value::Null).is_none() {
                self.paths.push(path);
            }
        }
        if self.paths.len() > MAX_COLUMNS {
            bail!("the items have more than {MAX_COLUMNS} different fields; use --output jsonl");
        }
        serde_json::to_writer(&mut self.file, item)?;
        self.file.write_all(b"\n").context("writing a temporary file for the items of CSV")
    }

    fn print(self) -> Result<()> {
        let columns = CsvColumns::of(self.paths);
        let mut file = self.file.into_inner().context("writing a temporary file for the items of CSV")?;
        file.rewind()?;
        if print_bytes(&columns.header()?)? == Reader::Gone {
            return Ok(());
        }
        for line in BufReader::new(file).lines() {
            if print_bytes(&columns.record(&serde_json::from_str(&line?)?)?)? == Reader::Gone {
                break;
            }
        }
        Ok(())
    }
}

/// Objects become rows. Every property becomes a column, in the order in which properties first appear.
fn print_documents(items: &[Value]) -> Result<()> {
    let mut columns: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return print_table(&["Value"], items.iter().map(|item| vec![cell(item)]));
    }
    let row = |item: &Value| columns.iter().map(|name| item.get(name).map(cell).unwrap_or_default()).collect();
    print_table(&columns, items.iter().map(row))
}
