//! The operators for numbers and texts.

use serde_json::Value;

use crate::syntax::{Binary, Unary};
use crate::value::number;

/// The value of an operator that is no comparison; undefined for operands of the wrong type.
pub(super) fn binary(operator: Binary, left: &Value, right: &Value) -> Option<Value> {
    if operator == Binary::Concat {
        let (left, right) = (left.as_str()?, right.as_str()?);
        return Some(Value::String([left, right].concat()));
    }
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    let (left, right) = (left.as_f64()?, right.as_f64()?);
    // Shifts count modulo 32, as in JavaScript.
    let bits = integer(right).cast_unsigned() & 31;
    number(match operator {
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::Modulo => left % right,
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::ShiftLeft => f64::from(integer(left) << bits),
        Binary::ShiftRight => f64::from(integer(left) >> bits),
        Binary::ShiftRightZeroFill => f64::from(integer(left).cast_unsigned() >> bits),
        Binary::BitAnd => f64::from(integer(left) & integer(right)),
        Binary::BitXor => f64::from(integer(left) ^ integer(right)),
        Binary::BitOr => f64::from(integer(left) | integer(right)),
        _ => return None,
    })
}

/// The value of an operator that is not NOT.
pub(super) fn unary(operator: Unary, operand: &Value) -> Option<Value> {
    let Value::Number(operand) = operand else { return None };
    let operand = operand.as_f64()?;
    number(match operator {
        Unary::Minus => -operand,
        Unary::Plus => operand,
        Unary::BitNot => f64::from(!integer(operand)),
        Unary::Not => return None,
    })
}

/// The 32 bits of a number that bitwise operators use, as in JavaScript: without the fraction, modulo 2^32.
fn integer(number: f64) -> i32 {
    const RANGE: f64 = 4_294_967_296.0;
    let positive = number.trunc().rem_euclid(RANGE);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of u32")]
    let bits = positive as u32;
    bits.cast_signed()
}
