//! The stream around the rows: segment headers, and a record header before each row.

use crate::cursor::Cursor;
use crate::error::{DecodeError, EncodeError};
use crate::row_header::{self, expect_schema, schema_id};

const SEGMENT_SCHEMA: i32 = 2_147_473_648;
const RECORD_SCHEMA: i32 = 2_147_473_649;
/// Version, schema id, presence bits and length.
const SEGMENT_BYTES: usize = 10;
/// The length is present.
const HAS_LENGTH: u8 = 1;
/// The length and a comment are present, which is all that a segment header has.
const SEGMENT_COLUMNS: u8 = 3;

/// The rows of a body, each as a cursor over it.
pub(crate) struct Records<'a> {
    cursor: Cursor<'a>,
    count: usize,
}

impl<'a> Records<'a> {
    /// Reads the segment header at the start.
    pub(crate) fn open(body: &'a [u8]) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::Empty);
        }
        let mut cursor = Cursor::new(body);
        skip_segment(&mut cursor)?;
        Ok(Self { cursor, count: 0 })
    }

    /// The number and the row of the next record.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Cursor<'a>)>, DecodeError> {
        while self.cursor.remaining() > 0 {
            let mut ahead = self.cursor;
            if schema_id(&mut ahead, "a header")? == SEGMENT_SCHEMA {
                skip_segment(&mut self.cursor)?;
            } else {
                return self.record().map(Some);
            }
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<(usize, Cursor<'a>), DecodeError> {
        let cursor = &mut self.cursor;
        let expected = "2147473648 or 2147473649 (a segment header or a record header)";
        expect_schema(cursor, "a record header", RECORD_SCHEMA, expected)?;
        let at = cursor.position();
        let found = cursor.int32("the length of a record")?;
        let expected = cursor.uint32("the CRC-32 of a record")?;
        let length =
            u64::try_from(found).map_err(|_| DecodeError::Length { what: "a record", at, found, minimum: 0 })?;
        let row = cursor.part(length, "the row of a record")?;
        let record = self.count;
        self.count += 1;
        let found = crc32fast::hash(row.peek(row.remaining()));
        if found != expected {
            return Err(DecodeError::Checksum { record, at: row.position(), found, expected });
        }
        Ok((record, row))
    }
}

/// Skips a segment header to its length, whatever comment it has.
fn skip_segment(cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
    const WHAT: &str = "a segment header";
    let start = *cursor;
    expect_schema(cursor, WHAT, SEGMENT_SCHEMA, "2147473648 (a segment header)")?;
    let at = cursor.position();
    let found = cursor.byte(WHAT)?;
    if found & HAS_LENGTH == 0 || found & !SEGMENT_COLUMNS != 0 {
        let expected = "bit 0 (length) must be set, and only bit 1 (comment) may be set besides";
        return Err(DecodeError::Presence { what: WHAT, at, found, expected });
    }
    let at = cursor.position();
    let found = cursor.int32(WHAT)?;
    let length = u64::try_from(found).unwrap_or_default();
    if length < SEGMENT_BYTES as u64 {
        return Err(DecodeError::Length { what: WHAT, at, found, minimum: SEGMENT_BYTES });
    }
    *cursor = start;
    cursor.take(length, WHAT)?;
    Ok(())
}

/// A body of rows.
pub(crate) fn write(rows: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, EncodeError> {
    let mut body = Vec::new();
    row_header::push(&mut body, SEGMENT_SCHEMA);
    body.push(HAS_LENGTH);
    body.extend((SEGMENT_BYTES as i32).to_le_bytes());
    for (index, row) in rows.enumerate() {
        let length = i32::try_from(row.len()).map_err(|_| EncodeError { index, bytes: row.len() })?;
        row_header::push(&mut body, RECORD_SCHEMA);
        body.extend(length.to_le_bytes());
        body.extend(crc32fast::hash(&row).to_le_bytes());
        body.extend(row);
    }
    Ok(body)
}
