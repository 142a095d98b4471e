//! The results in a batch response.

use crate::cursor::Cursor;
use crate::error::{DecodeError, EncodeError};
use crate::record_io::{self, Records};
use crate::row::{RowReader, RowWriter, Schema, Value};

static SCHEMA: Schema = Schema {
    id: 2_145_473_649,
    expected: "2145473649 (a result)",
    what: "a result",
    columns_with_bits: 4,
    sparse: &["retryAfterMilliseconds", "requestCharge"],
    tokens: "5 or 6",
};

/// The sparse columns.
mod token {
    pub(super) const RETRY_AFTER: u8 = 5;
    pub(super) const REQUEST_CHARGE: u8 = 6;
}

/// The result of an operation of a batch. A response has one for each operation, in the order of the operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationResult {
    /// The HTTP status.
    pub status: i32,
    /// The sub-status. The service sends 0 where there is none.
    pub substatus: Option<i32>,
    /// The etag of the item.
    pub etag: Option<String>,
    /// The JSON text of the item or of the error.
    pub body: Option<Vec<u8>>,
    /// How long to wait before the operation is sent again, under status 429.
    pub retry_after_milliseconds: Option<u32>,
    /// The charge in request units.
    pub request_charge: Option<f64>,
}

/// Reads the body of a batch response.
///
/// # Errors
/// When the body is damaged, or is not a list of results.
pub fn decode_results(body: &[u8]) -> Result<Vec<OperationResult>, DecodeError> {
    let mut records = Records::open(body)?;
    let mut results = Vec::new();
    while let Some((_, row)) = records.next()? {
        results.push(decode(row)?);
    }
    Ok(results)
}

fn decode(row: Cursor<'_>) -> Result<OperationResult, DecodeError> {
    let mut row = RowReader::open(row, &SCHEMA)?;
    let (status, substatus) = (row.fixed_int32("statusCode")?, row.fixed_int32("subStatusCode")?);
    let Some(status) = status else {
        return Err(row.wrong_presence("bit 0 (statusCode) must be set"));
    };
    let mut result = OperationResult {
        status,
        substatus,
        etag: row.text("eTag")?,
        body: row.binary("resourceBody")?,
        ..OperationResult::default()
    };
    while let Some(column) = row.sparse()? {
        match column.token {
            token::RETRY_AFTER => result.retry_after_milliseconds = Some(column.uint32()?),
            _ => result.request_charge = Some(column.float64()?),
        }
    }
    Ok(result)
}

/// Writes the body of a batch response.
///
/// # Errors
/// When a result is larger than 2 GiB.
pub fn encode_results(results: &[OperationResult]) -> Result<Vec<u8>, EncodeError> {
    record_io::write(results.iter().map(encode))
}

fn encode(result: &OperationResult) -> Vec<u8> {
    let mut row = RowWriter::new(&SCHEMA);
    row.fixed_int32(Some(result.status));
    row.fixed_int32(result.substatus);
    row.text(result.etag.as_deref());
    row.binary(result.body.as_deref());
    row.sparse(token::RETRY_AFTER, result.retry_after_milliseconds.map(Value::Uint32));
    row.sparse(token::REQUEST_CHARGE, result.request_charge.map(Value::Float64));
    row.finish()
}
