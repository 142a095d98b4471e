//! Type checks. They are defined for undefined too.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::date_time::DateTime;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("IS_ARRAY", 1, 1, |arguments| check(arguments, Value::is_array)),
    Builtin::new("IS_BOOL", 1, 1, |arguments| check(arguments, Value::is_boolean)),
    Builtin::new("IS_DATETIME", 1, 1, |arguments| {
        check(arguments, |value| value.as_str().is_some_and(|text| DateTime::parse(text).is_some()))
    }),
    Builtin::new("IS_DEFINED", 1, 1, |arguments| check(arguments, |_| true)),
    // A value that is no finite number never gets here: JSON has none, and a calculation that yields one is undefined.
    Builtin::new("IS_FINITE_NUMBER", 1, 1, |arguments| check(arguments, Value::is_number)),
    Builtin::new("IS_INTEGER", 1, 1, |arguments| check(arguments, |value| arguments::as_integer(value).is_some())),
    Builtin::new("IS_NULL", 1, 1, |arguments| check(arguments, Value::is_null)),
    Builtin::new("IS_NUMBER", 1, 1, |arguments| check(arguments, Value::is_number)),
    Builtin::new("IS_OBJECT", 1, 1, |arguments| check(arguments, Value::is_object)),
    Builtin::new("IS_PRIMITIVE", 1, 1, |arguments| check(arguments, |value| !value.is_array() && !value.is_object())),
    Builtin::new("IS_STRING", 1, 1, |arguments| check(arguments, Value::is_string)),
];

fn check(arguments: &Arguments<'_>, is: fn(&Value) -> bool) -> Option<Value> {
    Some(Value::Bool(arguments::any(arguments, 0).is_some_and(is)))
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples() {
        examples! {
            IS_ARRAY(true) => false;
            IS_ARRAY([25344, 82947]) => true;
            IS_ARRAY(undefined) => false;
            IS_BOOL(true) => true;
            IS_BOOL(null) => false;
            IS_BOOL("true") => false;
            IS_BOOL(undefined) => false;
            IS_DEFINED(5) => true;
            IS_DEFINED(null) => true;
            IS_DEFINED(undefined) => false;
            IS_FINITE_NUMBER(1234.567) => true;
            IS_FINITE_NUMBER(undefined) => false;
            IS_FINITE_NUMBER("1") => false;
            IS_INTEGER(3454.123) => false;
            IS_INTEGER(5523432) => true;
            IS_INTEGER(2.0) => true;
            IS_INTEGER((i64::MIN)) => true;
            IS_INTEGER((i64::MAX)) => true;
            IS_INTEGER((u64::MAX)) => false;
            IS_INTEGER("1") => false;
            IS_NULL(null) => true;
            IS_NULL(15) => false;
            IS_NULL(undefined) => false;
            IS_NUMBER(1) => true;
            IS_NUMBER("value") => false;
            IS_NUMBER(undefined) => false;
            IS_OBJECT({"name": "Tecozow coat"}) => true;
            IS_OBJECT(["green"]) => false;
            IS_OBJECT(undefined) => false;
            IS_PRIMITIVE(true) => true;
            IS_PRIMITIVE(1) => true;
            IS_PRIMITIVE("value") => true;
            IS_PRIMITIVE(null) => true;
            IS_PRIMITIVE([]) => false;
            IS_PRIMITIVE({}) => false;
            IS_PRIMITIVE(undefined) => false;
            IS_STRING("value") => true;
            IS_STRING(1) => false;
            IS_STRING(undefined) => false;
            IS_DATETIME("2024-12-12") => true;
            IS_DATETIME("2024-12-12Z") => true;
            IS_DATETIME("2024-12-12 20:21:25") => true;
            IS_DATETIME("2024-12-12T20:21:25Z") => true;
            IS_DATETIME("2024-12-12T20:21:25.123") => true;
            IS_DATETIME("2024-12-12 20:21:25.123Z") => true;
            IS_DATETIME("2024-12-12T20Z") => false;
            IS_DATETIME("2024-12-12 20:21:25.") => false;
            IS_DATETIME(20241212) => false;
            IS_DATETIME(undefined) => false;
        }
    }
}
