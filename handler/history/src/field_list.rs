//! Fields with commas between them, as settings have them.

use changefeed_cosmos::FieldPath;

/// Reads fields with commas between them: `city_name, address."zip code", /tags/0`. A JSON Pointer ends at a comma; a name with a
/// comma is in quotes.
///
/// # Errors
/// Says which field is wrong, and what is allowed.
pub fn parse_field_list(text: &str) -> Result<Vec<FieldPath>, String> {
    let mut fields = Vec::new();
    let is_between = |character: char| character == ',' || character.is_whitespace();
    let mut rest = text.trim_start_matches(is_between);
    while !rest.is_empty() {
        let (field, after) =
            FieldPath::read(rest, |rest| rest.trim_start().starts_with(',') || rest.trim().is_empty())?;
        fields.push(field);
        let after = after.trim_start();
        if !after.is_empty() && !after.starts_with(',') {
            return Err(format!(
                "no comma before {after:?}; a name with other characters is in double quotes: address.\"zip code\""
            ));
        }
        rest = after.trim_start_matches(is_between);
    }
    Ok(fields)
}
