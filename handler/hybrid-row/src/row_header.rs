//! The version and the schema id, with which every row and header starts.

use crate::cursor::Cursor;
use crate::error::DecodeError;

/// Version 1 of the row format, the first byte of every row and so of every body.
pub(crate) const VERSION: u8 = 0x81;

/// Reads a version and the schema id after it.
pub(crate) fn schema_id(cursor: &mut Cursor<'_>, what: &'static str) -> Result<i32, DecodeError> {
    let at = cursor.position();
    match cursor.byte(what)? {
        VERSION => cursor.int32(what),
        found => Err(DecodeError::Version { what, at, found }),
    }
}

/// Reads a version and a schema id that must be this one.
pub(crate) fn expect_schema(
    cursor: &mut Cursor<'_>,
    what: &'static str,
    schema: i32,
    expected: &'static str,
) -> Result<(), DecodeError> {
    let at = cursor.position();
    match schema_id(cursor, what)? {
        found if found == schema => Ok(()),
        found => Err(DecodeError::Schema { what, at, found, expected }),
    }
}

/// Starts a row.
pub(crate) fn push(bytes: &mut Vec<u8>, schema: i32) {
    bytes.push(VERSION);
    bytes.extend(schema.to_le_bytes());
}
