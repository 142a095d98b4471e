//! Versions as Parquet: typed columns for what a version says of itself, and documents as JSON text.
//!
//! A row group is written when it has enough rows or bytes, and then its versions are no longer in memory. What stays is a description of
//! each row group, which Parquet needs at the end of the file: a few kilobytes.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow};
use changefeed_cosmos::FieldPath;
use changefeed_history::Version;
use chrono::DateTime;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type};
use serde_json::Value;

use super::csv::within_document;
use crate::cli::list::cell_text;

/// The most rows of a row group.
const MAX_ROWS: usize = 10_000;
/// The bytes of text after which a row group ends.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What the file was written to and not taken from yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The values of a column, and for each row whether it has one.
struct Values<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Values<T> {
    fn new() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }

    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.levels.clear();
    }
}

enum Data {
    Text(Values<ByteArray>),
    /// Microseconds since 1970.
    Time(Values<i64>),
    Long(Values<i64>),
    Int(Values<i32>),
    Flag(Values<bool>),
}

/// What a column has of a version.
enum Cell {
    Text(Option<String>),
    Long(Option<i64>),
    Int(i32),
    Flag(bool),
}

struct Column {
    name: String,
    is_required: bool,
    data: Data,
}

impl Column {
    fn new(name: impl Into<String>, is_required: bool, data: Data) -> Self {
        Self { name: name.into(), is_required, data }
    }

    fn text(name: impl Into<String>, is_required: bool) -> Self {
        Self::new(name, is_required, Data::Text(Values::new()))
    }

    fn schema(&self) -> Result<Type> {
        let (physical, logical) = match self.data {
            Data::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Data::Time(_) => {
                let micros = LogicalType::timestamp(true, TimeUnit::MICROS);
                (PhysicalType::INT64, Some(micros))
            }
            Data::Long(_) => (PhysicalType::INT64, None),
            Data::Int(_) => (PhysicalType::INT32, None),
            Data::Flag(_) => (PhysicalType::BOOLEAN, None),
        };
        let repetition = if self.is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let column = Type::primitive_type_builder(&self.name, physical).with_logical_type(logical);
        Ok(column.with_repetition(repetition).build()?)
    }

    /// Adds the value of a version; returns its bytes.
    fn push(&mut self, cell: Cell) -> Result<usize> {
        match (&mut self.data, cell) {
            (Data::Text(values), Cell::Text(text)) => {
                let bytes = text.as_ref().map_or(0, String::len);
                values.push(text.map(|text| ByteArray::from(text.into_bytes())));
                return Ok(bytes);
            }
            (Data::Time(values) | Data::Long(values), Cell::Long(number)) => values.push(number),
            (Data::Int(values), Cell::Int(number)) => values.push(Some(number)),
            (Data::Flag(values), Cell::Flag(flag)) => values.push(Some(flag)),
            _ => return Err(anyhow!("column {} has another type", self.name)),
        }
        Ok(size_of::<i64>())
    }
}

/// Writes versions as Parquet.
pub struct ParquetVersions {
    file: SerializedFileWriter<Written>,
    written: Written,
    columns: Vec<Column>,
    fields: Option<Vec<FieldPath>>,
    rows: usize,
    bytes: usize,
}

impl ParquetVersions {
    /// Starts a file. `fields`: those that become columns of text instead of the documents.
    pub fn new(fields: Option<&[FieldPath]>) -> Result<Self> {
        let mut columns = vec![
            Column::text("id", true),
            Column::text("pk", false),
            Column::text("sourceId", true),
            Column::text("partitionKey", true),
            Column::text("operation", true),
            Column::new("sourceTs", true, Data::Time(Values::new())),
            Column::new("lsn", false, Data::Long(Values::new())),
            Column::text("etag", false),
            Column::text("actor", false),
            Column::new("expiresAt", false, Data::Time(Values::new())),
            Column::new("capturedAt", false, Data::Time(Values::new())),
            Column::text("capturedBy", true),
            Column::new("exact", true, Data::Flag(Values::new())),
            Column::new("inferred", true, Data::Flag(Values::new())),
            Column::text("omitted", false),
            Column::new("schema", true, Data::Int(Values::new())),
        ];
        match fields {
            None => columns.extend(["document", "previous"].map(|name| Column::text(name, false))),
            Some(fields) => {
                columns.extend(fields.iter().map(|field| Column::text(within_document(field).to_string(), false)));
            }
        }
        let types = columns.iter().map(|column| column.schema().map(Arc::new)).collect::<Result<_>>()?;
        let schema = Type::group_type_builder("version").with_fields(types).build()?;
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("changefeed ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for body in ["document", "previous"] {
            properties = properties
                .set_column_dictionary_enabled(ColumnPath::from(body), false)
                .set_column_statistics_enabled(ColumnPath::from(body), EnabledStatistics::None);
        }
        let written = Written::default();
        let file = SerializedFileWriter::new(written.clone(), Arc::new(schema), Arc::new(properties.build()))?;
        Ok(Self { file, written, columns, fields: fields.map(<[FieldPath]>::to_vec), rows: 0, bytes: 0 })
    }

    /// Adds a version; returns how many bytes it has.
    pub fn add(&mut self, version: Version) -> Result<usize> {
        let cells = self.cells(version);
        let mut bytes = 0;
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            bytes += column.push(cell)?;
        }
        self.rows += 1;
        self.bytes += bytes;
        if self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES {
            self.write_row_group()?;
        }
        Ok(bytes)
    }

    /// The cells of a version, in the order of the columns.
    fn cells(&self, version: Version) -> Vec<Cell> {
        let time = |second: i64| Cell::Long(Some(second.saturating_mul(1_000_000)));
        let captured = DateTime::parse_from_rfc3339(&version.captured_at).ok().map(|time| time.timestamp_micros());
        let omitted: Vec<String> = version.omitted.iter().map(FieldPath::pointer).collect();
        let omitted = (!omitted.is_empty()).then(|| Value::from(omitted).to_string());
        let mut cells = vec![
            Cell::Text(Some(version.id.to_string())),
            Cell::Text(version.pk.as_ref().map(cell_text)),
            Cell::Text(Some(version.source_id)),
            Cell::Text(Some(version.partition_key.to_string())),
            Cell::Text(Some(version.operation.name().to_owned())),
            time(version.source_ts),
            Cell::Long(version.lsn),
            Cell::Text(version.etag),
            Cell::Text(version.actor),
            version.expires_at.map_or(Cell::Long(None), time),
            Cell::Long(captured),
            Cell::Text(Some(version.captured_by)),
            Cell::Flag(version.exact),
            Cell::Flag(version.inferred),
            Cell::Text(omitted),
            Cell::Int(i32::try_from(version.schema).unwrap_or(i32::MAX)),
        ];
        match &self.fields {
            None => cells
                .extend([version.document, version.previous].map(|body| Cell::Text(body.map(|body| body.to_string())))),
            Some(fields) => {
                let document = version.document.unwrap_or(Value::Null);
                cells.extend(fields.iter().map(|field| Cell::Text(field.of(&document).map(cell_text))));
            }
        }
        cells
    }

    fn write_row_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.ok_or_else(|| anyhow!("Parquet has no column {}", column.name))?;
            let is_required = column.is_required;
            macro_rules! write {
                ($type:ty, $values:expr) => {{
                    let levels = (!is_required).then_some($values.levels.as_slice());
                    writer.typed::<$type>().write_batch(&$values.values, levels, None)?;
                    $values.clear();
                }};
            }
            match &mut column.data {
                Data::Text(values) => write!(ByteArrayType, values),
                Data::Time(values) | Data::Long(values) => write!(Int64Type, values),
                Data::Int(values) => write!(Int32Type, values),
                Data::Flag(values) => write!(BoolType, values),
            }
            writer.close()?;
        }
        group.close()?;
        self.file.flush()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// What was written since the last call.
    pub fn take_written(&self) -> Result<Vec<u8>> {
        Ok(self.written.take())
    }

    /// The rest of the file.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        if self.rows > 0 {
            self.write_row_group()?;
        }
        self.file.close()?;
        Ok(self.written.take())
    }
}
