//! The operations of a batch request.

use crate::cursor::Cursor;
use crate::error::{DecodeError, EncodeError};
use crate::record_io::{self, Records};
use crate::row::{RowReader, RowWriter, Schema, Value};

static SCHEMA: Schema = Schema {
    id: 2_145_473_648,
    expected: "2145473648 (an operation)",
    what: "an operation",
    columns_with_bits: 7,
    sparse: &["indexingDirective", "ifMatch", "ifNoneMatch", "timeToLiveInSeconds", "minimalReturnPreference"],
    tokens: "8 to 12",
};

/// The sparse columns.
mod token {
    pub(super) const INDEXING_DIRECTIVE: u8 = 8;
    pub(super) const IF_MATCH: u8 = 9;
    pub(super) const IF_NONE_MATCH: u8 = 10;
    pub(super) const TIME_TO_LIVE: u8 = 11;
    pub(super) const MINIMAL_RETURN: u8 = 12;
}

/// The resource type of an item, the only one that batches have.
const DOCUMENT: i32 = 2;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Creates an item.
    Create,
    /// Changes an item by a patch document.
    Patch,
    /// Reads an item.
    Read,
    /// Deletes an item.
    Delete,
    /// Replaces an item.
    Replace,
    /// Creates or replaces an item.
    Upsert,
}

impl OperationKind {
    fn code(self) -> i32 {
        match self {
            Self::Create => 0,
            Self::Patch => 1,
            Self::Read => 2,
            Self::Delete => 4,
            Self::Replace => 5,
            Self::Upsert => 20,
        }
    }

    fn from_code(code: i32) -> Option<Self> {
        [Self::Create, Self::Patch, Self::Read, Self::Delete, Self::Replace, Self::Upsert]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// An operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// The JSON text of the partition key, as the header `x-ms-documentdb-partitionkey` has it. In bulk requests only.
    pub partition_key: Option<String>,
    /// The effective partition key, if the caller gave it.
    pub effective_partition_key: Option<Vec<u8>>,
    /// The id of the item. A create and an upsert have it in the body.
    pub id: Option<String>,
    /// The id as bytes, if the caller gave it.
    pub binary_id: Option<Vec<u8>>,
    /// The JSON text of the item, or the patch document. A read and a delete have none.
    pub body: Option<Vec<u8>>,
    /// `Default`, `Include` or `Exclude`.
    pub indexing_directive: Option<String>,
    /// The etag that the item must have.
    pub if_match: Option<String>,
    /// The etag that the item must not have.
    pub if_none_match: Option<String>,
    /// The time to live in seconds, if the caller gave it.
    pub time_to_live_seconds: Option<i32>,
    /// The result of a write has no body.
    pub minimal_return: bool,
}

impl Operation {
    /// An operation with nothing but its kind.
    pub fn new(kind: OperationKind) -> Self {
        Self {
            kind,
            partition_key: None,
            effective_partition_key: None,
            id: None,
            binary_id: None,
            body: None,
            indexing_directive: None,
            if_match: None,
            if_none_match: None,
            time_to_live_seconds: None,
            minimal_return: false,
        }
    }
}

/// Reads the body of a batch request.
///
/// # Errors
/// When the body is damaged, or is not a list of operations on items.
pub fn decode_operations(body: &[u8]) -> Result<Vec<Operation>, DecodeError> {
    let mut records = Records::open(body)?;
    let mut operations = Vec::new();
    while let Some((record, row)) = records.next()? {
        operations.push(decode(record, row)?);
    }
    Ok(operations)
}

fn decode(record: usize, row: Cursor<'_>) -> Result<Operation, DecodeError> {
    let mut row = RowReader::open(row, &SCHEMA)?;
    let (kind, resource_type) = (row.fixed_int32("operationType")?, row.fixed_int32("resourceType")?);
    let (Some(code), Some(resource_type)) = (kind, resource_type) else {
        return Err(row.wrong_presence("bits 0 and 1 (operationType and resourceType) must be set"));
    };
    let kind = OperationKind::from_code(code).ok_or(DecodeError::Value {
        column: "operationType",
        record,
        found: code,
        expected: "0 (create), 1 (patch), 2 (read), 4 (delete), 5 (replace) or 20 (upsert)",
    })?;
    if resource_type != DOCUMENT {
        let (column, expected) = ("resourceType", "2 (document)");
        return Err(DecodeError::Value { column, record, found: resource_type, expected });
    }
    let mut operation = Operation {
        partition_key: row.text("partitionKey")?,
        effective_partition_key: row.binary("effectivePartitionKey")?,
        id: row.text("id")?,
        binary_id: row.binary("binaryId")?,
        body: row.binary("resourceBody")?,
        ..Operation::new(kind)
    };
    while let Some(column) = row.sparse()? {
        match column.token {
            token::INDEXING_DIRECTIVE => operation.indexing_directive = Some(column.text()?),
            token::IF_MATCH => operation.if_match = Some(column.text()?),
            token::IF_NONE_MATCH => operation.if_none_match = Some(column.text()?),
            token::TIME_TO_LIVE => operation.time_to_live_seconds = Some(column.int32()?),
            _ => operation.minimal_return = column.bool()?,
        }
    }
    Ok(operation)
}

/// Writes the body of a batch request.
///
/// # Errors
/// When an operation is larger than 2 GiB.
pub fn encode_operations(operations: &[Operation]) -> Result<Vec<u8>, EncodeError> {
    record_io::write(operations.iter().map(encode))
}

fn encode(operation: &Operation) -> Vec<u8> {
    let mut row = RowWriter::new(&SCHEMA);
    row.fixed_int32(Some(operation.kind.code()));
    row.fixed_int32(Some(DOCUMENT));
    row.text(operation.partition_key.as_deref());
    row.binary(operation.effective_partition_key.as_deref());
    row.text(operation.id.as_deref());
    row.binary(operation.binary_id.as_deref());
    row.binary(operation.body.as_deref());
    row.sparse(token::INDEXING_DIRECTIVE, operation.indexing_directive.as_deref().map(Value::Text));
    row.sparse(token::IF_MATCH, operation.if_match.as_deref().map(Value::Text));
    row.sparse(token::IF_NONE_MATCH, operation.if_none_match.as_deref().map(Value::Text));
    row.sparse(token::TIME_TO_LIVE, operation.time_to_live_seconds.map(Value::Int32));
    row.sparse(token::MINIMAL_RETURN, operation.minimal_return.then_some(Value::Bool(true)));
    row.finish()
}
