//! The ids of records of this program: jobs and dead letters. Callers name them in paths, bodies and arguments.

use crate::error::Error;

/// The longest id of a record, in characters.
const MAX_CHARACTERS: usize = 255;

/// Checks an id that a caller gave. `noun` is what it names: *job*, *dead letter*.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) with what is allowed, when no record of this program can have the id.
pub fn check_record_id(noun: &str, id: &str) -> Result<(), Error> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
    if (1..=MAX_CHARACTERS).contains(&id.len()) && id.chars().all(is_allowed) {
        return Ok(());
    }
    let message = format!("invalid id {id:?}; an id has 1 to {MAX_CHARACTERS} characters: ASCII letters, digits and -");
    Err(Error::invalid(format!("reading a {noun}"), message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item_address::ItemAddress;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_of_a_record_can_be_in_a_path(id in "[a-zA-Z0-9./%\\\\-]{0,4}") {
            if check_record_id("job", &id).is_ok() {
                prop_assert!(matches!(ItemAddress::of(&id), ItemAddress::Path(_)));
            }
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_is_allowed() {
        check_record_id("job", "1764267000-0a1b2c3d").expect("a job");
        check_record_id("dead letter", &"0a".repeat(32)).expect("a digest");
        for id in ["", "..", "../..", "a/b", "a b", "a\tb", "%2e", "ü", &"a".repeat(256)] {
            let message = check_record_id("job", id).expect_err(id).to_string();
            assert!(message.contains("reading a job: invalid id") && message.contains("digits and -"), "{message}");
        }
    }
}
