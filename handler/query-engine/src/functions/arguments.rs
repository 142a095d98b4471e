//! Arguments of a function by position. A missing, undefined or differently typed one is `None`, which makes nearly every
//! function undefined.

use serde_json::{Map, Value};

use crate::value::whole_number;

pub(super) type Arguments<'a> = [Option<&'a Value>];

/// The value of an argument.
pub(super) fn any<'a>(arguments: &Arguments<'a>, index: usize) -> Option<&'a Value> {
    arguments.get(index).copied().flatten()
}

/// A text.
pub(super) fn text<'a>(arguments: &Arguments<'a>, index: usize) -> Option<&'a str> {
    any(arguments, index)?.as_str()
}

/// A number.
pub(super) fn double(arguments: &Arguments<'_>, index: usize) -> Option<f64> {
    any(arguments, index)?.as_f64()
}

/// A number that is a 64-bit integer, in any notation: `2` and `2.0`.
pub(super) fn integer(arguments: &Arguments<'_>, index: usize) -> Option<i64> {
    as_integer(any(arguments, index)?)
}

/// The 64-bit integer that a value is.
pub(super) fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole_number(number.as_f64()?)),
        _ => None,
    }
}

/// A boolean.
pub(super) fn boolean(arguments: &Arguments<'_>, index: usize) -> Option<bool> {
    any(arguments, index)?.as_bool()
}

/// An array.
pub(super) fn array<'a>(arguments: &Arguments<'a>, index: usize) -> Option<&'a Vec<Value>> {
    any(arguments, index)?.as_array()
}

/// An object.
pub(super) fn object<'a>(arguments: &Arguments<'a>, index: usize) -> Option<&'a Map<String, Value>> {
    any(arguments, index)?.as_object()
}

/// An argument that a query may omit. One that is given has to be of the right type.
pub(super) fn optional<'a, T>(
    arguments: &Arguments<'a>,
    index: usize,
    default: T,
    read: fn(&Arguments<'a>, usize) -> Option<T>,
) -> Option<T> {
    if index < arguments.len() { read(arguments, index) } else { Some(default) }
}
