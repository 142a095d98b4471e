//! Whether a document meets a filter, by the rules of the service.

use std::cmp::Ordering;

use serde_json::Value;

use super::expression::{Condition, Expression, Operator, Test};

/// Whether a document meets an expression.
pub(super) fn holds(expression: &Expression, document: &Value) -> bool {
    match expression {
        Expression::All(all) => all.iter().all(|expression| holds(expression, document)),
        Expression::Any(any) => any.iter().any(|expression| holds(expression, document)),
        Expression::Test(Test { field, condition }) => match condition {
            Condition::Exists => field.any(document, &mut |_| true),
            Condition::Missing => !field.any(document, &mut |_| true),
            Condition::Compare(operator, values) => {
                field.any(document, &mut |found| compares(found, *operator, values))
            }
        },
    }
}

/// Whether the value of a field compares with one of the values as the operator says.
fn compares(found: &Value, operator: Operator, values: &[Value]) -> bool {
    let texts = |test: fn(&str, &str) -> bool| {
        let of = |value: &Value| Some(test(found.as_str()?, value.as_str()?));
        values.iter().any(|value| of(value).unwrap_or(false))
    };
    let holds = match operator {
        Operator::Contains => return texts(|found, value| found.contains(value)),
        Operator::StartsWith => return texts(|found, value| found.starts_with(value)),
        Operator::NotEqual => return values.iter().all(|value| compare(found, value).is_none_or(Ordering::is_ne)),
        Operator::Equal => Ordering::is_eq,
        Operator::Less => Ordering::is_lt,
        Operator::LessOrEqual => Ordering::is_le,
        Operator::Greater => Ordering::is_gt,
        Operator::GreaterOrEqual => Ordering::is_ge,
    };
    values.iter().any(|value| compare(found, value).is_some_and(holds))
}

/// The order of two values; `None` if they have different types, or a type without an order. The value of a filter is no array
/// and no object.
fn compare(field: &Value, value: &Value) -> Option<Ordering> {
    match (field, value) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(field), Value::Bool(value)) => Some(field.cmp(value)),
        (Value::Number(field), Value::Number(value)) => field.as_f64()?.partial_cmp(&value.as_f64()?),
        (Value::String(field), Value::String(value)) => Some(field.encode_utf16().cmp(value.encode_utf16())),
        _ => None,
    }
}
