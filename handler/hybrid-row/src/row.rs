//! A row: presence bits, columns of fixed length, columns of variable length, and sparse columns.

use crate::cursor::{Cursor, push_varint};
use crate::error::DecodeError;
use crate::row_header::{self, expect_schema};

/// What a row may hold. Columns are numbered from 1 in the order fixed, variable, sparse; the number is the path token of a sparse
/// column. The bit of a fixed or variable column is its number less 1.
pub(crate) struct Schema {
    pub(crate) id: i32,
    /// The id in words, for errors.
    pub(crate) expected: &'static str,
    /// What a row is, for errors.
    pub(crate) what: &'static str,
    /// The number of fixed and variable columns; fewer than 9, so that the presence bits are a byte.
    pub(crate) columns_with_bits: u8,
    /// The sparse columns, in order.
    pub(crate) sparse: &'static [&'static str],
    /// Their path tokens in words, for errors.
    pub(crate) tokens: &'static str,
}

/// The value of a sparse column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Int32(i32),
    Uint32(u32),
    Float64(f64),
    Text(&'a str),
}

mod code {
    pub(super) const FALSE: u8 = 0x02;
    pub(super) const TRUE: u8 = 0x03;
    pub(super) const INT32: u8 = 0x07;
    pub(super) const UINT32: u8 = 0x0b;
    pub(super) const FLOAT64: u8 = 0x10;
    pub(super) const TEXT: u8 = 0x14;
}

impl Value<'_> {
    fn code(&self) -> u8 {
        match self {
            Self::Bool(false) => code::FALSE,
            Self::Bool(true) => code::TRUE,
            Self::Int32(_) => code::INT32,
            Self::Uint32(_) => code::UINT32,
            Self::Float64(_) => code::FLOAT64,
            Self::Text(_) => code::TEXT,
        }
    }
}

/// A sparse column of a row.
pub(crate) struct SparseColumn<'a> {
    pub(crate) token: u8,
    name: &'static str,
    at: usize,
    value: Value<'a>,
}

impl<'a> SparseColumn<'a> {
    fn wrong_type(&self, expected: &'static str) -> DecodeError {
        DecodeError::Type { what: self.name, at: self.at, found: self.value.code(), expected }
    }

    pub(crate) fn text(&self) -> Result<String, DecodeError> {
        match self.value {
            Value::Text(text) => Ok(text.to_owned()),
            _ => Err(self.wrong_type("0x14 (utf8)")),
        }
    }

    pub(crate) fn bool(&self) -> Result<bool, DecodeError> {
        match self.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.wrong_type("0x02 (false) or 0x03 (true)")),
        }
    }

    pub(crate) fn int32(&self) -> Result<i32, DecodeError> {
        match self.value {
            Value::Int32(number) => Ok(number),
            _ => Err(self.wrong_type("0x07 (int32)")),
        }
    }

    pub(crate) fn uint32(&self) -> Result<u32, DecodeError> {
        match self.value {
            Value::Uint32(number) => Ok(number),
            _ => Err(self.wrong_type("0x0b (uint32)")),
        }
    }

    pub(crate) fn float64(&self) -> Result<f64, DecodeError> {
        match self.value {
            Value::Float64(number) => Ok(number),
            _ => Err(self.wrong_type("0x10 (float64)")),
        }
    }
}

/// Reads the columns of a row in the order of its schema.
pub(crate) struct RowReader<'a> {
    schema: &'static Schema,
    cursor: Cursor<'a>,
    presence: u8,
    presence_at: usize,
    /// The presence bits that were not asked for yet, the next one lowest.
    bits: u8,
    /// The sparse columns that were read, a bit each.
    seen: u32,
}

impl<'a> RowReader<'a> {
    pub(crate) fn open(mut cursor: Cursor<'a>, schema: &'static Schema) -> Result<Self, DecodeError> {
        expect_schema(&mut cursor, schema.what, schema.id, schema.expected)?;
        let presence_at = cursor.position();
        let presence = cursor.byte(schema.what)?;
        let row = Self { schema, cursor, presence, presence_at, bits: presence, seen: 0 };
        if presence >> schema.columns_with_bits != 0 {
            return Err(row.wrong_presence("a bit is set that the schema has no column for"));
        }
        Ok(row)
    }

    /// The error about a column that the row must have.
    pub(crate) fn wrong_presence(&self, expected: &'static str) -> DecodeError {
        DecodeError::Presence { what: self.schema.what, at: self.presence_at, found: self.presence, expected }
    }

    fn is_present(&mut self) -> bool {
        let is_present = self.bits & 1 == 1;
        self.bits >>= 1;
        is_present
    }

    /// A fixed column. It takes its space even when it is absent.
    pub(crate) fn fixed_int32(&mut self, column: &'static str) -> Result<Option<i32>, DecodeError> {
        let number = self.cursor.int32(column)?;
        Ok(self.is_present().then_some(number))
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<Option<String>, DecodeError> {
        if self.is_present() { self.cursor.text(column).map(|text| Some(text.to_owned())) } else { Ok(None) }
    }

    pub(crate) fn binary(&mut self, column: &'static str) -> Result<Option<Vec<u8>>, DecodeError> {
        if self.is_present() { self.cursor.sized(column).map(|bytes| Some(bytes.to_vec())) } else { Ok(None) }
    }

    /// The next sparse column, in whatever order they come. Nothing but the end of the row ends them.
    pub(crate) fn sparse(&mut self) -> Result<Option<SparseColumn<'a>>, DecodeError> {
        let Schema { what, sparse, tokens, columns_with_bits, .. } = *self.schema;
        let cursor = &mut self.cursor;
        if cursor.remaining() == 0 {
            return Ok(None);
        }
        let at = cursor.position();
        let code = cursor.byte(what)?;
        let token_at = cursor.position();
        let found = cursor.varint("a path token")?;
        let known = u8::try_from(found).ok().and_then(|token| {
            let index = token.checked_sub(columns_with_bits + 1)?;
            Some((token, *sparse.get(usize::from(index))?))
        });
        let Some((token, name)) = known else {
            return Err(DecodeError::Token { what, at: token_at, found, expected: tokens });
        };
        let value = match code {
            code::FALSE => Value::Bool(false),
            code::TRUE => Value::Bool(true),
            code::INT32 => Value::Int32(cursor.int32(name)?),
            code::UINT32 => Value::Uint32(cursor.uint32(name)?),
            code::FLOAT64 => Value::Float64(cursor.float64(name)?),
            code::TEXT => Value::Text(cursor.text(name)?),
            found => {
                let expected = "0x02 or 0x03 (false, true), 0x07 (int32), 0x0b (uint32), 0x10 (float64) or 0x14 (utf8)";
                return Err(DecodeError::Type { what: name, at, found, expected });
            }
        };
        let bit = 1 << (token - columns_with_bits);
        if self.seen & bit != 0 {
            return Err(DecodeError::Repeated { column: name, at });
        }
        self.seen |= bit;
        Ok(Some(SparseColumn { token, name, at, value }))
    }
}

/// Writes the columns of a row in the order of its schema.
pub(crate) struct RowWriter {
    bytes: Vec<u8>,
    next_bit: u8,
}

/// Where the presence bits are: after the version and the schema id.
const PRESENCE_AT: usize = 5;

impl RowWriter {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut bytes = Vec::new();
        row_header::push(&mut bytes, schema.id);
        bytes.push(0);
        Self { bytes, next_bit: 1 }
    }

    fn mark(&mut self, is_present: bool) {
        if is_present {
            self.bytes[PRESENCE_AT] |= self.next_bit;
        }
        self.next_bit <<= 1;
    }

    pub(crate) fn fixed_int32(&mut self, number: Option<i32>) {
        self.mark(number.is_some());
        self.bytes.extend(number.unwrap_or_default().to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: Option<&str>) {
        self.binary(text.map(str::as_bytes));
    }

    pub(crate) fn binary(&mut self, bytes: Option<&[u8]>) {
        self.mark(bytes.is_some());
        if let Some(bytes) = bytes {
            self.sized(bytes);
        }
    }

    fn sized(&mut self, bytes: &[u8]) {
        push_varint(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    pub(crate) fn sparse(&mut self, token: u8, value: Option<Value<'_>>) {
        let Some(value) = value else { return };
        self.bytes.push(value.code());
        push_varint(&mut self.bytes, u64::from(token));
        match value {
            Value::Bool(_) => {}
            Value::Int32(number) => self.bytes.extend(number.to_le_bytes()),
            Value::Uint32(number) => self.bytes.extend(number.to_le_bytes()),
            Value::Float64(number) => self.bytes.extend(number.to_le_bytes()),
            Value::Text(text) => self.sized(text.as_bytes()),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
