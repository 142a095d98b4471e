//! Mathematical functions. They calculate with doubles; a result that is no finite number is undefined.

use std::f64::consts::PI;

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use crate::value::number;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("ABS", 1, 1, |arguments| of_one(arguments, f64::abs)),
    Builtin::new("ACOS", 1, 1, |arguments| of_one(arguments, f64::acos)),
    Builtin::new("ASIN", 1, 1, |arguments| of_one(arguments, f64::asin)),
    Builtin::new("ATAN", 1, 1, |arguments| of_one(arguments, f64::atan)),
    Builtin::new("ATN2", 2, 2, |arguments| of_two(arguments, f64::atan2)),
    Builtin::new("CEILING", 1, 1, |arguments| of_one(arguments, f64::ceil)),
    Builtin::new("COS", 1, 1, |arguments| of_one(arguments, f64::cos)),
    Builtin::new("COT", 1, 1, |arguments| of_one(arguments, |angle| 1.0 / angle.tan())),
    Builtin::new("DEGREES", 1, 1, |arguments| of_one(arguments, |radians| 180.0 / PI * radians)),
    Builtin::new("EXP", 1, 1, |arguments| of_one(arguments, f64::exp)),
    Builtin::new("FLOOR", 1, 1, |arguments| of_one(arguments, f64::floor)),
    Builtin::new("LOG", 1, 2, logarithm),
    Builtin::new("LOG10", 1, 1, |arguments| of_one(arguments, f64::log10)),
    Builtin::new("NUMBERBIN", 1, 2, number_bin),
    Builtin::new("PI", 0, 0, |_| number(PI)),
    Builtin::new("POWER", 2, 2, |arguments| of_two(arguments, f64::powf)),
    Builtin::new("RADIANS", 1, 1, |arguments| of_one(arguments, |degrees| PI * degrees / 180.0)),
    Builtin::new("RAND", 0, 0, |_| number(rand::random())),
    // Away from zero at the midpoint, as documented; so does `f64::round`.
    Builtin::new("ROUND", 1, 1, |arguments| of_one(arguments, f64::round)),
    Builtin::new("SIGN", 1, 1, |arguments| {
        of_one(arguments, |number| if number == 0.0 { 0.0 } else { number.signum() })
    }),
    Builtin::new("SIN", 1, 1, |arguments| of_one(arguments, f64::sin)),
    Builtin::new("SQRT", 1, 1, |arguments| of_one(arguments, f64::sqrt)),
    Builtin::new("SQUARE", 1, 1, |arguments| of_one(arguments, |number| number * number)),
    Builtin::new("TAN", 1, 1, |arguments| of_one(arguments, f64::tan)),
    Builtin::new("TRUNC", 1, 1, |arguments| of_one(arguments, f64::trunc)),
];

fn of_one(arguments: &Arguments<'_>, calculate: fn(f64) -> f64) -> Option<Value> {
    number(calculate(arguments::double(arguments, 0)?))
}

fn of_two(arguments: &Arguments<'_>, calculate: fn(f64, f64) -> f64) -> Option<Value> {
    number(calculate(arguments::double(arguments, 0)?, arguments::double(arguments, 1)?))
}

/// LOG(number [, base]): the natural logarithm without a base.
fn logarithm(arguments: &Arguments<'_>) -> Option<Value> {
    let logarithm = arguments::double(arguments, 0)?.ln();
    match arguments.len() {
        1 => number(logarithm),
        _ => number(logarithm / arguments::double(arguments, 1)?.ln()),
    }
}

/// NUMBERBIN(number [, size]): rounded down to a multiple of the size.
fn number_bin(arguments: &Arguments<'_>) -> Option<Value> {
    let value = arguments::double(arguments, 0)?;
    let size = arguments::optional(arguments, 1, 1.0, arguments::double)?;
    number((value / size).floor() * size)
}

#[cfg(test)]
#[expect(clippy::approx_constant, reason = "the documented digits")]
mod tests {
    use super::super::examples::{call, examples, undefined};
    use serde_json::json;

    #[test]
    fn documented_examples() {
        examples! {
            ABS((-1)) => 1;
            ABS(0) => 0;
            ABS(1) => 1;
            ACOS((-1)) => 3.141592653589793;
            ATAN((-45.01)) => (-1.5485826962062663);
            ATN2(35.175643, 129.44) => 0.265344532064832;
            CEILING(123.45) => 124;
            CEILING((-45.72)) => (-45);
            CEILING(0) => 0;
            COS(14.78) => (-0.5994654261946543);
            COT(124.1332) => (-0.040311998371148884);
            DEGREES(1.5707963267948966) => 90;
            DEGREES(4.71238898038469) => 270;
            DEGREES(6.283185307179586) => 360;
            EXP(0) => 1;
            EXP(10) => 22026.465794806718;
            EXP(20) => 485165195.4097903;
            FLOOR(62.6) => 62;
            FLOOR((-145.12)) => (-146);
            FLOOR(0.2989) => 0;
            FLOOR(null) => undefined;
            LOG(5) => 1.6094379124341003;
            LOG(2, 10) => 0.3010299956639812;
            LOG10(5) => 0.6989700043360189;
            LOG10(100) => 2;
            NUMBERBIN(37.752, (-100)) => 100;
            NUMBERBIN(37.752, 10) => 30;
            NUMBERBIN(37.752, 1) => 37;
            NUMBERBIN(37.752) => 37;
            NUMBERBIN(37.752, 0) => undefined;
            NUMBERBIN(37.752, 0.1) => 37.7;
            NUMBERBIN(37.752, 0.01) => 37.75;
            PI() => 3.141592653589793;
            POWER(1, 1) => 1;
            POWER(5, 5) => 3125;
            POWER(0, 2) => 0;
            POWER(null, 3) => undefined;
            POWER(2, null) => undefined;
            RADIANS(90) => 1.5707963267948966;
            RADIANS(270) => 4.71238898038469;
            RADIANS(360) => 6.283185307179586;
            ROUND(2.4) => 2;
            ROUND(2.6) => 3;
            ROUND(2.5) => 3;
            ROUND((-2.4)) => (-2);
            ROUND((-2.6)) => (-3);
            ROUND((-6.5)) => (-7);
            ROUND((-0.5)) => (-1);
            ROUND(0.5) => 1;
            SIGN((-2)) => (-1);
            SIGN(0) => 0;
            SIGN(2) => 1;
            SIN(45.175643) => 0.929607286611012;
            SQRT(17) => 4.123105625617661;
            SQRT(25) => 5;
            SQUARE(3) => 9;
            SQUARE(null) => undefined;
            TAN(1.5707963267948966) => (16_331_239_353_195_370_i64);
            TAN(124.1332) => (-24.80651023035602);
            TRUNC(2.37) => 2;
            TRUNC((-2.78)) => (-2);
            TRUNC(0.0000714) => 0;
        }
    }

    #[test]
    fn no_result_is_undefined() {
        examples! {
            SQRT((-1)) => undefined;
            ACOS(2) => undefined;
            LOG(0) => undefined;
            LOG(2, 1) => undefined;
            COT(0) => undefined;
            EXP(1000) => undefined;
            POWER((-1), 0.5) => undefined;
            ABS("1") => undefined;
            ABS(true) => undefined;
            ABS(undefined) => undefined;
            LOG(2, undefined) => undefined;
            NUMBERBIN(1, "1") => undefined;
            ATN2(1, undefined) => undefined;
        }
    }

    #[test]
    fn random_numbers_are_from_zero_to_one() {
        for _ in 0..100 {
            let random = call("RAND", &json!([])).and_then(|random| random.as_f64()).expect("a number");
            assert!((0.0..1.0).contains(&random));
        }
    }
}
