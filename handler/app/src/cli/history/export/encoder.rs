//! Versions in the format of an export.

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::Version;

use super::arguments::ExportFormat;
use super::csv::CsvVersions;
#[cfg(feature = "parquet")]
use super::parquet::ParquetVersions;
use crate::cli::exit_code::usage;

/// Turns versions into the bytes of a file.
pub struct Encoder {
    form: Form,
    text_bytes: usize,
}

enum Form {
    Jsonl,
    Csv(CsvVersions),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetVersions>),
}

impl Encoder {
    /// An encoder. `fields`: those that become columns instead of the documents.
    pub fn new(format: ExportFormat, fields: Option<&[FieldPath]>, spreadsheet: bool) -> Result<Self> {
        if format == ExportFormat::Jsonl && fields.is_some() {
            return Err(usage("--fields makes columns, which jsonl does not have; use --format csv or parquet"));
        }
        if format != ExportFormat::Csv && spreadsheet {
            return Err(usage("--spreadsheet is for --format csv"));
        }
        let form = match format {
            ExportFormat::Jsonl => Form::Jsonl,
            ExportFormat::Csv => Form::Csv(CsvVersions::new(fields, spreadsheet)?),
            #[cfg(feature = "parquet")]
            ExportFormat::Parquet => Form::Parquet(Box::new(ParquetVersions::new(fields)?)),
            #[cfg(not(feature = "parquet"))]
            ExportFormat::Parquet => {
                return Err(usage("this changefeed was built without the feature parquet; use --format jsonl or csv"));
            }
        };
        Ok(Self { form, text_bytes: 0 })
    }

    /// What stands before the first version.
    pub fn begin(&self) -> Result<Vec<u8>> {
        match &self.form {
            Form::Csv(csv) => csv.header(),
            _ => Ok(Vec::new()),
        }
    }

    /// What can be written after this version was added; empty while more is collected.
    pub fn add(&mut self, version: Version) -> Result<Vec<u8>> {
        let bytes = match &mut self.form {
            Form::Jsonl => {
                let mut line = serde_json::to_vec(&version)?;
                line.push(b'\n');
                line
            }
            Form::Csv(csv) => csv.record(&version)?,
            #[cfg(feature = "parquet")]
            Form::Parquet(parquet) => {
                self.text_bytes += parquet.add(version)?;
                return parquet.take_written();
            }
        };
        self.text_bytes += bytes.len();
        Ok(bytes)
    }

    /// What stands after the last version.
    pub fn end(self) -> Result<Vec<u8>> {
        match self.form {
            #[cfg(feature = "parquet")]
            Form::Parquet(parquet) => parquet.finish(),
            _ => Ok(Vec::new()),
        }
    }

    /// How many bytes the versions had as text.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(format: ExportFormat, fields: Option<&[FieldPath]>, spreadsheet: bool) -> Option<String> {
        Encoder::new(format, fields, spreadsheet).err().map(|error| error.to_string())
    }

    #[test]
    fn a_format_refuses_what_it_does_not_have() {
        let fields = [FieldPath::property("city")];
        for (format, fields, spreadsheet, expected) in [
            (ExportFormat::Jsonl, Some(&fields[..]), false, Some("--fields")),
            (ExportFormat::Jsonl, None, true, Some("--spreadsheet")),
            (ExportFormat::Csv, Some(&fields[..]), true, None),
        ] {
            let found = refusal(format, fields, spreadsheet);
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(found.is_none_or(|found| found.contains(expected.unwrap_or_default())));
        }
        let parquet = refusal(ExportFormat::Parquet, Some(&fields[..]), false);
        let expected = "this changefeed was built without the feature parquet; use --format jsonl or csv";
        assert_eq!(parquet.as_deref(), (!cfg!(feature = "parquet")).then_some(expected));
    }
}
