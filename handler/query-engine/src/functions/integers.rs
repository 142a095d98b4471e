//! Functions of 64-bit integers. They wrap around on overflow, as documented; an argument that is no integer makes them
//! undefined.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("INTADD", 2, 2, |arguments| of_two(arguments, |a, b| Some(a.wrapping_add(b)))),
    Builtin::new("INTBITAND", 2, 2, |arguments| of_two(arguments, |a, b| Some(a & b))),
    Builtin::new("INTBITLEFTSHIFT", 2, 2, |arguments| of_two(arguments, |a, b| Some(a << bits(b)?))),
    Builtin::new("INTBITNOT", 1, 1, |arguments| Some(Value::from(!arguments::integer(arguments, 0)?))),
    Builtin::new("INTBITOR", 2, 2, |arguments| of_two(arguments, |a, b| Some(a | b))),
    Builtin::new("INTBITRIGHTSHIFT", 2, 2, |arguments| of_two(arguments, |a, b| Some(a >> bits(b)?))),
    Builtin::new("INTBITXOR", 2, 2, |arguments| of_two(arguments, |a, b| Some(a ^ b))),
    Builtin::new("INTDIV", 2, 2, |arguments| of_two(arguments, |a, b| (b != 0).then(|| a.wrapping_div(b)))),
    Builtin::new("INTMOD", 2, 2, |arguments| of_two(arguments, |a, b| (b != 0).then(|| a.wrapping_rem(b)))),
    Builtin::new("INTMUL", 2, 2, |arguments| of_two(arguments, |a, b| Some(a.wrapping_mul(b)))),
    Builtin::new("INTSUB", 2, 2, |arguments| of_two(arguments, |a, b| Some(a.wrapping_sub(b)))),
];

fn of_two(arguments: &Arguments<'_>, calculate: fn(i64, i64) -> Option<i64>) -> Option<Value> {
    calculate(arguments::integer(arguments, 0)?, arguments::integer(arguments, 1)?).map(Value::from)
}

/// How far a shift goes. C++, to which the documentation refers, leaves others undefined.
fn bits(count: i64) -> Option<u32> {
    u32::try_from(count).ok().filter(|count| *count < i64::BITS)
}

#[cfg(test)]
mod tests {
    use super::super::examples::{examples, undefined};

    #[test]
    fn documented_examples() {
        examples! {
            INTADD(20, 10) => 30;
            INTADD(20, 0) => 20;
            INTADD(20, 0.10) => undefined;
            INTBITAND(15, 25) => 9;
            INTBITAND(15, 0) => 0;
            INTBITAND(15, 1.5) => undefined;
            INTBITLEFTSHIFT(16, 4) => 256;
            INTBITLEFTSHIFT(16, 0.4) => undefined;
            INTBITNOT(65) => (-66);
            INTBITNOT(0) => (-1);
            INTBITNOT(0.1) => undefined;
            INTBITOR(56, 100) => 124;
            INTBITOR(56, 0.1) => undefined;
            INTBITRIGHTSHIFT(16, 4) => 1;
            INTBITRIGHTSHIFT(16, 0.4) => undefined;
            INTBITXOR(56, 100) => 92;
            INTBITXOR(56, 56) => 0;
            INTDIV(10, 2) => 5;
            INTDIV(10, (-2)) => (-5);
            INTDIV((-10), (-2)) => 5;
            INTDIV(10, 0) => undefined;
            INTDIV(10, 0.1) => undefined;
            INTMOD(12, 5) => 2;
            INTMOD(12, (-5)) => 2;
            INTMOD((-12), (-5)) => (-2);
            INTMOD(15, 5) => 0;
            INTMOD(12, 0) => undefined;
            INTMUL(5, (-2)) => (-10);
            INTMUL(5, 25) => 125;
            INTMUL(5, 0.5) => undefined;
            INTSUB(25, 50) => (-25);
            INTSUB(25, 2.5) => undefined;
        }
    }

    #[test]
    fn all_64_bits_count_and_overflow_wraps_around() {
        examples! {
            INTADD((i64::MAX), 1) => (i64::MIN);
            INTSUB((i64::MIN), 1) => (i64::MAX);
            INTMUL((i64::MAX), 2) => (-2);
            INTDIV((i64::MIN), (-1)) => (i64::MIN);
            INTMOD((i64::MIN), (-1)) => 0;
            INTADD((9_007_199_254_740_993_i64), 2) => (9_007_199_254_740_995_i64);
            INTADD((u64::MAX), 0) => undefined;
            INTADD(2.0, 1) => 3;
            INTADD("2", 1) => undefined;
            INTADD(2, undefined) => undefined;
            INTBITLEFTSHIFT(1, 63) => (i64::MIN);
            INTBITLEFTSHIFT(1, 64) => undefined;
            INTBITLEFTSHIFT(1, (-1)) => undefined;
            INTBITRIGHTSHIFT((-16), 2) => (-4);
        }
    }
}
