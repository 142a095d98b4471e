//! The arguments of `changefeed history export`.

use changefeed_cosmos::{DocumentName, Key};
use clap::{Args, ValueEnum};

use crate::cli::document_arguments::parse_key;
use crate::cli::field_arguments::{FieldList, parse_fields};
use crate::cli::history::selection_arguments::{OrderName, SelectionArguments};

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// Only versions of the document with this id; needs --pk or --partition-key
    #[arg(long, requires = "key")]
    id: Option<String>,
    /// Partition key value, if it is a single string
    #[arg(long, requires = "id", group = "key")]
    pk: Option<String>,
    /// Partition key value as a JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = parse_key, requires = "id", group = "key")]
    partition_key: Option<Key>,
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Which versions come first
    #[arg(long, value_enum, default_value = "newest")]
    pub order: OrderName,
    /// File, folder or blob URL to write; default: standard output
    #[arg(long, value_name = "LOCATION")]
    pub file: Option<String>,
    /// Format; default: by the ending of the file's name, or jsonl
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// With csv and parquet: columns for these fields, such as city_name,address.zip, instead of the whole document
    #[arg(long, value_name = "FIELDS", value_parser = parse_fields)]
    pub fields: Option<FieldList>,
    /// With csv: put an apostrophe before texts that a spreadsheet would run as a formula
    #[arg(long)]
    pub spreadsheet: bool,
    /// Replace an existing file
    #[arg(long)]
    pub overwrite: bool,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    // Without doc comments, so that the help stays in its short form.
    Jsonl,
    Csv,
    Parquet,
}

impl ExportFormat {
    /// The ending of a file's name, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// The format of a file with this name.
    fn of_name(name: &str) -> Option<Self> {
        let name = name.split(['?', '#']).next().unwrap_or_default().to_lowercase();
        let all = [Self::Jsonl, Self::Csv, Self::Parquet];
        all.into_iter().find(|format| name.ends_with(&format!(".{}", format.ending())))
    }
}

impl ExportArguments {
    /// The document that was named; `None`: all documents.
    pub fn document(&self) -> Option<DocumentName> {
        let key = self.pk.as_ref().map(Key::text).or_else(|| self.partition_key.clone());
        Some(DocumentName { id: self.id.clone()?, partition_key: key? })
    }

    /// The format that was asked for, or that of the file's name.
    pub fn format(&self) -> ExportFormat {
        let of_name = || self.file.as_deref().and_then(ExportFormat::of_name);
        self.format.or_else(of_name).unwrap_or(ExportFormat::Jsonl)
    }
}
