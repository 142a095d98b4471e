//! Numbers: integers are unchanged; others become doubles in .NET's shortest form with at least one decimal place.

use serde_json::Number;

/// .NET uses no exponent up to this many digits before the decimal point.
const POSITIONAL_DIGITS: i32 = 15;

pub(super) fn rewritten(number: &Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() => shortest(double),
        _ => number.to_string(),
    }
}

fn shortest(double: f64) -> String {
    let sign = if double.is_sign_negative() { "-" } else { "" };
    let scientific = format!("{:e}", double.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let before_point = exponent + 1;

    if before_point > count.max(POSITIONAL_DIGITS) || before_point < -3 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}E{exponent_sign}{:02}", exponent.abs());
    }
    if before_point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(before_point.unsigned_abs() as usize));
    }
    let (whole, fraction) = digits.split_at(digits.len().min(before_point.unsigned_abs() as usize));
    let padding = "0".repeat((before_point - count).max(0).unsigned_abs() as usize);
    format!("{sign}{whole}{padding}.{}", if fraction.is_empty() { "0" } else { fraction })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::newtonsoft::TimeZone;

    fn delivered(stored: &str) -> String {
        crate::newtonsoft::to_json(&serde_json::from_str::<Value>(stored).expect("JSON"), TimeZone::default())
    }

    #[test]
    fn integers_are_unchanged() {
        for integer in ["0", "-1", "9223372036854775807", "-9223372036854775808", "12345678901234567890"] {
            assert_eq!(delivered(integer), integer);
        }
    }

    #[test]
    fn doubles_have_a_decimal_place() {
        for (stored, expected) in [
            ("1e2", "100.0"),
            ("1.0", "1.0"),
            ("0.0", "0.0"),
            ("-0.0", "-0.0"),
            ("1.50", "1.5"),
            ("-12.25", "-12.25"),
            ("123456.789", "123456.789"),
            ("0.5", "0.5"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }

    #[test]
    fn doubles_have_the_fewest_digits_that_read_back_the_same() {
        for (stored, expected) in [
            ("0.1234567890123456789", "0.12345678901234568"),
            ("0.1", "0.1"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1.7976931348623157e308", "1.7976931348623157E+308"),
            ("5e-324", "5E-324"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }

    #[test]
    fn an_exponent_is_used_beyond_fifteen_digits_and_below_four_zeros() {
        for (stored, expected) in [
            ("1e14", "100000000000000.0"),
            ("1e15", "1E+15"),
            ("1e20", "1E+20"),
            ("1.5e20", "1.5E+20"),
            ("12345678901234568.0", "12345678901234568.0"),
            ("123456789012345680.0", "1.2345678901234568E+17"),
            ("0.0001", "0.0001"),
            ("0.00012", "0.00012"),
            ("0.00001", "1E-05"),
            ("-1.25e-7", "-1.25E-07"),
            ("1e100", "1E+100"),
        ] {
            assert_eq!(delivered(stored), expected, "{stored}");
        }
    }
}
