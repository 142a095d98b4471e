//! The scalar functions that need only their arguments.
//!
//! The functions are those of Microsoft's reference of the query language. One that the reference does not settle is not
//! here, so that a query with it is refused.

mod arguments;
mod arrays;
mod builtin;
mod conversions;
mod date_time;
mod integers;
mod letter_case;
mod logic;
mod math;
mod search;
mod sets;
mod strings;
mod time;
mod types;
mod utf16;

#[cfg(test)]
mod examples;

pub(crate) use builtin::Builtin;

const FAMILIES: &[&[Builtin]] = &[
    arrays::FUNCTIONS,
    conversions::FUNCTIONS,
    integers::FUNCTIONS,
    math::FUNCTIONS,
    search::FUNCTIONS,
    sets::FUNCTIONS,
    strings::FUNCTIONS,
    time::FUNCTIONS,
    types::FUNCTIONS,
];

/// The function of a name, in any letter case.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    FAMILIES.iter().copied().flatten().find(|builtin| builtin.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_in_any_letter_case() {
        for name in ["LENGTH", "length", "StringToArray", "DateTimeAdd", "is_defined"] {
            assert!(find(name).is_some_and(|builtin| builtin.name.eq_ignore_ascii_case(name)), "{name}");
        }
        assert!(find("COALESCE").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn names_are_unique_and_in_capitals() {
        let mut names: Vec<_> = FAMILIES.iter().copied().flatten().map(|builtin| builtin.name).collect();
        assert!(names.iter().all(|name| *name == name.to_ascii_uppercase()));
        assert!(FAMILIES.iter().copied().flatten().all(|builtin| builtin.min <= builtin.max));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
