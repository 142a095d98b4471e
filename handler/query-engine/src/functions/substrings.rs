//! The text before or after the first or last occurrence of a delimiter.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::partial::{Partial, Unsettled};

const NO_DELIMITER: Unsettled = "The documentation does not say what SUBSTRINGBEFORE, SUBSTRINGAFTER, LASTSUBSTRINGBEFORE and LASTSUBSTRINGAFTER are for a text \
     without the delimiter, or for an empty delimiter; filter with CONTAINS first, or use IIF.";

pub(super) const PARTIAL: &[Partial] = &[
    Partial::new("LASTSUBSTRINGAFTER", 2, 2, |arguments| {
        part(arguments, |text, delimiter| text.rsplit_once(delimiter).map(|(_, after)| after))
    }),
    Partial::new("LASTSUBSTRINGBEFORE", 2, 2, |arguments| {
        part(arguments, |text, delimiter| text.rsplit_once(delimiter).map(|(before, _)| before))
    }),
    Partial::new("SUBSTRINGAFTER", 2, 2, |arguments| {
        part(arguments, |text, delimiter| text.split_once(delimiter).map(|(_, after)| after))
    }),
    Partial::new("SUBSTRINGBEFORE", 2, 2, |arguments| {
        part(arguments, |text, delimiter| text.split_once(delimiter).map(|(before, _)| before))
    }),
];

fn part(
    arguments: &Arguments<'_>,
    part: for<'a> fn(&'a str, &str) -> Option<&'a str>,
) -> Result<Option<Value>, Unsettled> {
    let (Some(text), Some(delimiter)) = (arguments::text(arguments, 0), arguments::text(arguments, 1)) else {
        return Ok(None);
    };
    if delimiter.is_empty() {
        return Err(NO_DELIMITER);
    }
    part(text, delimiter).map(|part| Some(Value::from(part))).ok_or(NO_DELIMITER)
}
