//! Letter case of texts, character by character as .NET's invariant culture has it: a character whose other case is more
//! than one character, such as `ß`, stays as it is.

pub(super) fn upper(text: &str) -> String {
    text.chars().map(|character| single(character, character.to_uppercase())).collect()
}

pub(super) fn lower(text: &str) -> String {
    text.chars().map(|character| single(character, character.to_lowercase())).collect()
}

fn single(character: char, mut converted: impl Iterator<Item = char>) -> char {
    match (converted.next(), converted.next()) {
        (Some(converted), None) => converted,
        _ => character,
    }
}
