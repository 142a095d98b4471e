//! The binary bodies of batches: HybridRow in RecordIO.
//!
//! The .NET SDK sends transactional batches and bulk operations in this form only, and reads their results in it. A body is a segment
//! header and then, for each operation or result, a record header with the length and the CRC-32 of a row, and the row. There are two
//! schemas of rows, [`Operation`] and [`OperationResult`].
//!
//! A length is compared with the bytes that remain before memory is reserved, so a damaged body costs no more memory than a sound one of
//! its size.

mod cursor;
mod error;
mod operation;
mod operation_result;
mod record_io;
mod row;
mod row_header;

pub use error::{DecodeError, EncodeError};
pub use operation::{Operation, OperationKind, decode_operations, encode_operations};
pub use operation_result::{OperationResult, decode_results, encode_results};

/// Whether a body is HybridRow, from its first byte. JSON never begins with this byte.
pub fn is_hybrid_row(body: &[u8]) -> bool {
    body.first() == Some(&row_header::VERSION)
}
