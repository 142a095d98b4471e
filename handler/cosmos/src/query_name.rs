//! Names of properties in the text of a query.

/// The path of names within a query: `['a']['b']`.
pub(crate) fn query_property(names: &[String]) -> String {
    names.iter().map(|name| query_name(name)).collect()
}

/// A step to the property of this name: `['a']`. A character that the service, the planner of the SDK and the embedded endpoint
/// could read in different ways is written as a code: one of them doubles a quote where another escapes it.
pub(crate) fn query_name(name: &str) -> String {
    let mut step = String::from("['");
    for character in name.chars() {
        if matches!(character, '\'' | '\\') || character.is_control() {
            step.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            step.push(character);
        }
    }
    step.push_str("']");
    step
}
