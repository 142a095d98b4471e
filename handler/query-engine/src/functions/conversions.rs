//! Conversions between texts and other values.

use serde_json::{Map, Value};

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use crate::value::number;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("STRINGTOARRAY", 1, 1, |arguments| parse(arguments, Value::is_array)),
    Builtin::new("STRINGTOBOOLEAN", 1, 1, |arguments| parse(arguments, Value::is_boolean)),
    Builtin::new("STRINGTONULL", 1, 1, |arguments| parse(arguments, Value::is_null)),
    Builtin::new("STRINGTONUMBER", 1, 1, |arguments| parse(arguments, Value::is_number)),
    Builtin::new("STRINGTOOBJECT", 1, 1, |arguments| parse(arguments, Value::is_object)),
    Builtin::new("TOSTRING", 1, 1, to_string),
];

/// The JSON value that a text is, if it is of the type.
fn parse(arguments: &Arguments<'_>, is_of_type: fn(&Value) -> bool) -> Option<Value> {
    let value: Value = serde_json::from_str(arguments::text(arguments, 0)?.trim()).ok()?;
    is_of_type(&value).then_some(value)
}

/// TOSTRING(value): a text as it is, another value as JSON.
fn to_string(arguments: &Arguments<'_>) -> Option<Value> {
    Some(match arguments::any(arguments, 0)? {
        Value::String(text) => Value::from(text.as_str()),
        other => Value::from(plain_numbers(other).to_string()),
    })
}

/// The value with `2` in place of `2.0`, which is the same number.
fn plain_numbers(value: &Value) -> Value {
    match value {
        Value::Number(double) if double.is_f64() => double.as_f64().and_then(number).unwrap_or(Value::Null),
        Value::Array(elements) => elements.iter().map(plain_numbers).collect(),
        Value::Object(properties) => {
            let properties = properties.iter().map(|(name, value)| (name.clone(), plain_numbers(value)));
            Value::Object(properties.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
#[expect(clippy::approx_constant, reason = "the documented digits")]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples() {
        examples! {
            STRINGTOARRAY("[]") => [];
            STRINGTOARRAY("[ \"coats\", \"gloves\", \"hats\" ]") => ["coats", "gloves", "hats"];
            STRINGTOARRAY("[ { \"types\": [ \"coats\", \"gloves\" ] }, [ \"hats\" ], 76, false, null ]")
                => [{"types": ["coats", "gloves"]}, ["hats"], 76, false, null];
            STRINGTOARRAY("[ 'coats', 'gloves', 'hats' ]") => undefined;
            STRINGTOARRAY(undefined) => undefined;
            STRINGTOARRAY(null) => undefined;
            STRINGTOBOOLEAN("true") => true;
            STRINGTOBOOLEAN("true  ") => true;
            STRINGTOBOOLEAN("  false") => false;
            STRINGTOBOOLEAN(true) => undefined;
            STRINGTOBOOLEAN(null) => undefined;
            STRINGTONULL("null") => null;
            STRINGTONULL("  null  ") => null;
            STRINGTONULL("NULL") => undefined;
            STRINGTONULL("Null") => undefined;
            STRINGTONULL(null) => undefined;
            STRINGTONUMBER("100") => 100;
            STRINGTONUMBER("3.14") => 3.14;
            STRINGTONUMBER("   60   ") => 60;
            STRINGTONUMBER("-1.79769e+308") => (-1.79769e+308);
            STRINGTONUMBER("Hello") => undefined;
            STRINGTONUMBER(null) => undefined;
            STRINGTOOBJECT("{}") => {};
            STRINGTOOBJECT("{\"division\": {\"name\": \"Sales\"}}") => {"division": {"name": "Sales"}};
            STRINGTOOBJECT("{'price': 27.55}") => undefined;
            TOSTRING(125) => "125";
            TOSTRING(0.1234) => "0.1234";
            TOSTRING(false) => "false";
            TOSTRING([1, 2, 3]) => "[1,2,3]";
            TOSTRING({"department": "Bicycles"}) => "{\"department\":\"Bicycles\"}";
            TOSTRING("Hello World") => "Hello World";
            TOSTRING(undefined) => undefined;
        }
    }

    #[test]
    fn a_text_of_another_type_is_undefined() {
        examples! {
            STRINGTOARRAY("{}") => undefined;
            STRINGTOBOOLEAN("True") => undefined;
            STRINGTOBOOLEAN("1") => undefined;
            STRINGTONUMBER("") => undefined;
            STRINGTONUMBER("0x10") => undefined;
            STRINGTONUMBER("1e400") => undefined;
            STRINGTONUMBER("\"1\"") => undefined;
            STRINGTONUMBER("1 2") => undefined;
            STRINGTOOBJECT("[]") => undefined;
            TOSTRING(null) => "null";
            TOSTRING(2.0) => "2";
            TOSTRING({"a": [1.0, -0.5]}) => "{\"a\":[1,-0.5]}";
        }
    }
}
