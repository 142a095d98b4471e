//! The scalar functions that need only their arguments.

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

/// The function of a name, in any letter case.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name.eq_ignore_ascii_case(name))
}

const BUILTINS: &[Builtin] = &[Builtin {
    name: "IS_DEFINED",
    min: 1,
    max: 1,
    call: |arguments| Some(Value::Bool(arguments.first().is_some_and(Option::is_some))),
}];
