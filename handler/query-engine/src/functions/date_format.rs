//! DATETIMEFORMAT.
//!
//! The reference has no list of the format specifiers. Its examples have `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`, `fff` and `FFF`, letters that
//! stand for themselves (`T`, `a`, `i`, `o`), and a backslash before letters that would not.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::date_time::{DateTime, TICKS_PER_SECOND};
use super::partial::{Partial, Unsettled};

/// Letters that stand for themselves.
const PLAIN_LETTERS: [char; 4] = ['T', 'a', 'i', 'o'];

const OTHER_SPECIFIER: Unsettled = "The documentation settles these specifiers of DATETIMEFORMAT only: yyyy, MM, dd, HH, mm, ss, fff and FFF; write \
     a backslash before other letters.";

pub(super) const PARTIAL: &[Partial] = &[Partial::new("DATETIMEFORMAT", 2, 2, format)];

/// DATETIMEFORMAT(time, format).
fn format(arguments: &Arguments<'_>) -> Result<Option<Value>, Unsettled> {
    let (Some(time), Some(format)) = (arguments::text(arguments, 0), arguments::text(arguments, 1)) else {
        return Ok(None);
    };
    let Some(time) = DateTime::parse(time) else { return Ok(None) };
    let mut text = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if first == '\\' {
            let mut escaped = rest[1..].chars();
            text.push(escaped.next().ok_or(OTHER_SPECIFIER)?);
            rest = escaped.as_str();
        } else if first.is_alphabetic() && !PLAIN_LETTERS.contains(&first) {
            let end = rest.find(|other| other != first).unwrap_or(rest.len());
            text.push_str(&specified(time, &rest[..end]).ok_or(OTHER_SPECIFIER)?);
            rest = &rest[end..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(Some(Value::from(text)))
}

fn specified(time: DateTime, specifier: &str) -> Option<String> {
    let seconds = time.ticks_of_day() / TICKS_PER_SECOND;
    let milliseconds = time.ticks_of_day() % TICKS_PER_SECOND * 1000 / TICKS_PER_SECOND;
    Some(match specifier {
        "yyyy" => format!("{:04}", time.date().year()),
        "MM" => format!("{:02}", time.date().month()),
        "dd" => format!("{:02}", time.date().day()),
        "HH" => format!("{:02}", seconds / 3600),
        "mm" => format!("{:02}", seconds / 60 % 60),
        "ss" => format!("{:02}", seconds % 60),
        "fff" => format!("{milliseconds:03}"),
        "FFF" => format!("{milliseconds:03}").trim_end_matches('0').to_owned(),
        _ => return None,
    })
}
