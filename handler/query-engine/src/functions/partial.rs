//! Functions whose results the reference settles for some arguments only. For others the query is refused, because an answer would be a
//! guess.

use serde_json::Value;

/// What the reference does not settle.
pub(super) type Unsettled = &'static str;

/// The value of a function, where `None` is undefined.
type Settled = Result<Option<Value>, Unsettled>;

/// A function that the reference settles in part.
pub(crate) struct Partial {
    /// The documented name, in capitals.
    pub name: &'static str,
    /// The fewest arguments.
    pub min: usize,
    /// The most arguments.
    pub max: usize,
    /// Computes the value. The error says what is not settled.
    pub call: fn(&[Option<&Value>]) -> Settled,
}

impl Partial {
    pub(super) const fn new(
        name: &'static str,
        min: usize,
        max: usize,
        call: fn(&[Option<&Value>]) -> Settled,
    ) -> Self {
        Self { name, min, max, call }
    }
}
