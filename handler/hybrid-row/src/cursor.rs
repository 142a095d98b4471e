//! Reads little-endian values from a part of a body.

use crate::error::DecodeError;

/// The longest number of variable length: 64 bits in groups of 7.
const MAX_VARINT_BYTES: usize = 10;

/// A position in a body, and where the part that may be read ends. Positions in errors count from the start of the body.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    body: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.body.len() - self.position
    }

    /// The next bytes, without moving. Fewer if fewer remain.
    pub(crate) fn peek(&self, length: usize) -> &'a [u8] {
        &self.body[self.position..self.position + length.min(self.remaining())]
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, length: u64, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let remaining = self.remaining();
        match usize::try_from(length) {
            Ok(length) if length <= remaining => {
                let taken = self.peek(length);
                self.position += length;
                Ok(taken)
            }
            _ => Err(DecodeError::Cut { what, at: self.position, needed: length, remaining }),
        }
    }

    /// A cursor over the next bytes only.
    pub(crate) fn part(&mut self, length: u64, what: &'static str) -> Result<Self, DecodeError> {
        let position = self.position;
        self.take(length, what)?;
        Ok(Self { body: &self.body[..self.position], position })
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn int32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(crate) fn uint32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn float64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        self.array(what).map(f64::from_le_bytes)
    }

    /// A number in groups of 7 bits, the lowest first; the high bit of a byte says that another follows.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let at = self.position;
        let mut number = 0_u64;
        for group in 0..MAX_VARINT_BYTES {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * group as u32;
            if (bits << shift) >> shift != bits {
                return Err(DecodeError::Number { what, at });
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Number { what, at })
    }

    /// Bytes after their length.
    pub(crate) fn sized(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.varint(what)?;
        self.take(length, what)
    }

    /// Text after its length.
    pub(crate) fn text(&mut self, column: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.sized(column)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Text { column, at: self.position - bytes.len() })
    }
}

/// Writes what [`Cursor::varint`] reads.
pub(crate) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_variable_length_is_read_as_it_was_written() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint("a number"), Ok(number));
            assert_eq!(cursor.remaining(), 0);
        }
        let mut bytes = Vec::new();
        push_varint(&mut bytes, 300);
        assert_eq!(bytes, [0xac, 0x02]);
    }

    #[test]
    fn a_number_beyond_64_bits_is_refused() {
        let too_long = DecodeError::Number { what: "a number", at: 0 };
        assert_eq!(Cursor::new(&[0xff; 11]).varint("a number"), Err(too_long.clone()));
        let overflow = [[0xff; 9].as_slice(), &[0x02]].concat();
        assert_eq!(Cursor::new(&overflow).varint("a number"), Err(too_long));
    }
}
