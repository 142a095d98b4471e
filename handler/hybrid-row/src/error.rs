//! Why a body cannot be decoded or encoded.

/// A body that is not a sound list of rows. Positions count bytes from the start of the body; records count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no byte at all.
    #[error("The body is empty; expected a HybridRow segment header.")]
    Empty,
    /// Something is longer than what follows.
    #[error("The body is cut off: {what} at byte {at} needs {needed} bytes, and {remaining} remain.")]
    Cut {
        /// What is cut off.
        what: &'static str,
        /// Where it starts.
        at: usize,
        /// Its length.
        needed: u64,
        /// The bytes from there to the end of the row or of the body.
        remaining: usize,
    },
    /// A row does not start with the version.
    #[error("Version {found:#04x} of {what} at byte {at}; expected 0x81.")]
    Version {
        /// What starts there.
        what: &'static str,
        /// Where it starts.
        at: usize,
        /// The byte that was found.
        found: u8,
    },
    /// A row has another schema.
    #[error("Schema {found} of {what} at byte {at}; expected {expected}.")]
    Schema {
        /// What starts there.
        what: &'static str,
        /// Where it starts.
        at: usize,
        /// The id that was found.
        found: i32,
        /// The ids that are allowed.
        expected: &'static str,
    },
    /// A row claims columns that its schema does not have, or lacks one that it must have.
    #[error("Presence bits {found:#04x} of {what} at byte {at}; {expected}.")]
    Presence {
        /// What starts there.
        what: &'static str,
        /// Where the byte is.
        at: usize,
        /// The byte that was found.
        found: u8,
        /// What is allowed.
        expected: &'static str,
    },
    /// A length that is negative, or shorter than what it must hold.
    #[error("Length {found} of {what} at byte {at}; at least {minimum} is needed.")]
    Length {
        /// What has the length.
        what: &'static str,
        /// Where the length is.
        at: usize,
        /// The length that was found.
        found: i32,
        /// The shortest that is allowed.
        minimum: usize,
    },
    /// The row of a record was changed.
    #[error("Record {record} at byte {at} has the CRC-32 {found:08x}; its header says {expected:08x}.")]
    Checksum {
        /// Which record.
        record: usize,
        /// Where its row starts.
        at: usize,
        /// The checksum of the row.
        found: u32,
        /// The checksum in the header.
        expected: u32,
    },
    /// A number of variable length that does not fit 64 bits.
    #[error("The variable-length number of {what} at byte {at} is longer than 64 bits.")]
    Number {
        /// What the number belongs to.
        what: &'static str,
        /// Where it starts.
        at: usize,
    },
    /// Text that is not UTF-8.
    #[error("Column {column} at byte {at} is not UTF-8.")]
    Text {
        /// The column.
        column: &'static str,
        /// Where its value starts.
        at: usize,
    },
    /// A path token that is not the number of a sparse column of the schema.
    #[error("Path token {found} at byte {at} of {what}; expected {expected}.")]
    Token {
        /// The schema of the row.
        what: &'static str,
        /// Where the column starts.
        at: usize,
        /// The token that was found.
        found: u64,
        /// The tokens that are allowed.
        expected: &'static str,
    },
    /// A sparse column with a type code of another type.
    #[error("Type code {found:#04x} at byte {at} of {what}; expected {expected}.")]
    Type {
        /// The column, or the row if the column is not known.
        what: &'static str,
        /// Where the code is.
        at: usize,
        /// The code that was found.
        found: u8,
        /// The types that are allowed.
        expected: &'static str,
    },
    /// A sparse column that is in a row twice.
    #[error("Column {column} is in the row twice; the second is at byte {at}.")]
    Repeated {
        /// The column.
        column: &'static str,
        /// Where the second one starts.
        at: usize,
    },
    /// A number that stands for nothing.
    #[error("Value {found} of column {column} in record {record}; expected {expected}.")]
    Value {
        /// The column.
        column: &'static str,
        /// Which record.
        record: usize,
        /// The number that was found.
        found: i32,
        /// The numbers that are allowed.
        expected: &'static str,
    },
}

/// A row that is too large for its record header, whose length is an int32.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Row {index} has {bytes} bytes; the maximum is {max}.", max = i32::MAX)]
pub struct EncodeError {
    /// Which row, counted from 0.
    pub index: usize,
    /// Its length.
    pub bytes: usize,
}
