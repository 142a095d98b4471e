//! A filter as the condition of a query.
//!
//! The query finds every document that the filter matches, and few others: those for numbers beyond 2^53.

use changefeed_cosmos::FieldPath;
use serde_json::{Map, Number, Value};

use super::expression::{Condition, Expression, Operator, SIGNS, Test};

/// From here on, not every integer is a double: 2^53.
const SPARSE: f64 = 9_007_199_254_740_992.0;
/// From this many values on, a test for equality is an `IN`.
const MANY_VALUES: usize = 3;

/// Where a query finds the fields of a document.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In the document at this root, such as `c.document`.
    Document(&'a str),
    /// In these columns. A test on a field without one is taken as true.
    Columns(&'a dyn Fn(&FieldPath) -> Option<&'static str>),
}

/// The condition on a document, in brackets. Adds its parameters to `parameters`.
pub(super) fn condition(expression: &Expression, place: Place<'_>, parameters: &mut Map<String, Value>) -> String {
    let mut joined = |list: &[Expression], connective: &str| {
        let parts: Vec<String> = list.iter().map(|expression| condition(expression, place, parameters)).collect();
        format!("({})", parts.join(connective))
    };
    match expression {
        Expression::All(all) => joined(all, " AND "),
        Expression::Any(any) => joined(any, " OR "),
        Expression::Test(test) => test_text(test, place, parameters),
    }
}

fn test_text(Test { field, condition }: &Test, place: Place<'_>, parameters: &mut Map<String, Value>) -> String {
    let column = match place {
        Place::Document(_) => None,
        Place::Columns(columns) => match field.path().and_then(columns) {
            None => return "true".to_owned(),
            column => column,
        },
    };
    let on = |test: &mut dyn FnMut(&str) -> String| match (place, column) {
        (Place::Document(root), _) => field.condition(root, test),
        (Place::Columns(_), column) => test(column.unwrap_or_default()),
    };
    let mut is_defined = |place: &str| format!("IS_DEFINED({place})");
    match condition {
        Condition::Exists => format!("({})", on(&mut is_defined)),
        Condition::Missing => format!("(NOT ({}))", on(&mut is_defined)),
        Condition::Compare(Operator::NotEqual, values) => {
            format!("({})", on(&mut |place| difference(place, values, parameters)))
        }
        Condition::Compare(operator, values) => {
            format!("({})", on(&mut |place| comparison(place, *operator, values, parameters)))
        }
    }
}

/// That there is a value at a place of the document, and that it is none of these. A comparison of two values of different types is
/// undefined in a query, so the type is tested first.
fn difference(place: &str, values: &[Value], parameters: &mut Map<String, Value>) -> String {
    let mut parts = vec![format!("IS_DEFINED({place})")];
    for value in values {
        let is_type = match value {
            Value::Null => {
                parts.push(format!("NOT IS_NULL({place})"));
                continue;
            }
            Value::Bool(_) => "IS_BOOL",
            // Evaluation decides which of these are equal.
            Value::Number(_) if as_sparse(value).is_some() => continue,
            Value::Number(_) => "IS_NUMBER",
            Value::String(_) => "IS_STRING",
            Value::Array(_) | Value::Object(_) => continue,
        };
        let name = format!("@filter{}", parameters.len());
        parts.push(format!("(NOT {is_type}({place}) OR {place} != {name})"));
        parameters.insert(name, value.clone());
    }
    format!("({})", parts.join(" AND "))
}

/// The comparison of the value at a place of the document with each of the values.
fn comparison(place: &str, operator: Operator, values: &[Value], parameters: &mut Map<String, Value>) -> String {
    let mut parameter = |value: Value| {
        let name = format!("@filter{}", parameters.len());
        parameters.insert(name.clone(), value);
        name
    };
    let is_sparse = |value: &&Value| as_sparse(value).is_some();
    let (sparse, dense): (Vec<&Value>, Vec<&Value>) = values.iter().partition(is_sparse);
    if operator == Operator::Equal && dense.len() >= MANY_VALUES {
        let names: Vec<String> = dense.into_iter().map(|value| parameter(value.clone())).collect();
        let mut parts = vec![format!("{place} IN ({})", names.join(", "))];
        parts.extend(sparse.into_iter().map(|value| one(place, operator, value, &mut parameter)));
        return parts.join(" OR ");
    }
    values.iter().map(|value| one(place, operator, value, &mut parameter)).collect::<Vec<_>>().join(" OR ")
}

/// The comparison with one value. Where doubles are further apart than integers, the numbers are those beside the value, so that it
/// does not matter whether a query compares two integers as doubles.
fn one(place: &str, operator: Operator, value: &Value, parameter: &mut impl FnMut(Value) -> String) -> String {
    let function = match operator {
        Operator::Contains => Some("CONTAINS"),
        Operator::StartsWith => Some("STARTSWITH"),
        _ => None,
    };
    if let Some(function) = function {
        return format!("{function}({place}, {})", parameter(value.clone()));
    }
    let Some(number) = as_sparse(value) else {
        return format!("{place} {} {}", sign(operator), parameter(value.clone()));
    };
    let bound = |number: f64| Number::from_f64(number).map_or_else(|| value.clone(), Value::Number);
    let (above, below) = (bound(number.next_down()), bound(number.next_up()));
    match operator {
        Operator::Less | Operator::LessOrEqual => format!("{place} <= {}", parameter(below)),
        Operator::Greater | Operator::GreaterOrEqual => format!("{place} >= {}", parameter(above)),
        _ => format!("{place} >= {} AND {place} <= {}", parameter(above), parameter(below)),
    }
}

/// The value as a number beyond which doubles are further apart than integers.
fn as_sparse(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.abs() >= SPARSE)
}

fn sign(operator: Operator) -> &'static str {
    SIGNS.iter().find(|(_, other)| *other == operator).map_or("=", |(sign, _)| sign)
}
