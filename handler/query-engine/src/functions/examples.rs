//! Tables of examples in tests: `LENGTH("abc") => 3;`.

use serde_json::Value;

use super::find;
use crate::value::equal;

/// Undefined, as an argument and as a result of an example.
#[expect(non_upper_case_globals, reason = "written as in a query")]
pub(super) const undefined: &str = "\u{0}undefined";

/// The result of a function by name.
pub(super) fn call(name: &str, arguments: &Value) -> Option<Value> {
    let arguments = arguments.as_array().expect("an array of arguments");
    let arguments: Vec<Option<&Value>> =
        arguments.iter().map(|argument| (argument.as_str() != Some(undefined)).then_some(argument)).collect();
    let builtin = find(name).unwrap_or_else(|| panic!("no function {name}"));
    assert!((builtin.min..=builtin.max).contains(&arguments.len()), "{name} has {} arguments", arguments.len());
    (builtin.call)(&arguments)
}

/// Checks one example. Numbers may differ in the last digits, which documentation rounds.
pub(super) fn check(name: &str, arguments: &Value, expected: &Value) {
    let result = call(name, arguments);
    let expected = (expected.as_str() != Some(undefined)).then_some(expected);
    let matches = match (&result, expected) {
        (None, None) => true,
        (Some(Value::Number(a)), Some(Value::Number(b))) if a.is_f64() || b.is_f64() => {
            match (a.as_f64(), b.as_f64()) {
                (Some(a), Some(b)) => a == b || (a - b).abs() <= 2e-14 * b.abs(),
                _ => false,
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) => a == b,
        (Some(a), Some(b)) => equal(a, b),
        _ => false,
    };
    assert!(matches, "{name}({arguments}) is {result:?}, not {expected:?}");
}

/// Checks examples, each `NAME(arguments) => result;`. A negative result is in parentheses.
macro_rules! examples {
    ($($name:ident($($argument:tt)*) => $expected:tt;)*) => {
        $($crate::functions::examples::check(
            stringify!($name),
            &serde_json::json!([$($argument)*]),
            &serde_json::json!($expected),
        );)*
    };
}
pub(super) use examples;
