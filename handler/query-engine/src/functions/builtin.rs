//! What a built-in function is.

use serde_json::Value;

/// A built-in function.
pub(crate) struct Builtin {
    /// The documented name, in capitals.
    pub name: &'static str,
    /// The fewest arguments.
    pub min: usize,
    /// The most arguments.
    pub max: usize,
    /// Computes the value; `None` is undefined, in arguments too.
    pub call: fn(&[Option<&Value>]) -> Option<Value>,
}

impl Builtin {
    pub(super) const fn new(
        name: &'static str,
        min: usize,
        max: usize,
        call: fn(&[Option<&Value>]) -> Option<Value>,
    ) -> Self {
        Self { name, min, max, call }
    }
}
