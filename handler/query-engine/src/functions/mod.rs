//! The scalar functions that need only their arguments.
//!
//! The functions are those of Microsoft's reference of the query language. One that the reference does not settle is not
//! here, so that a query with it is refused; one that it settles for some arguments is refused for the others.

mod arguments;
mod arrays;
mod builtin;
mod conversions;
mod date_format;
mod date_time;
mod full_text;
mod integers;
mod letter_case;
mod logic;
mod math;
mod partial;
mod regex;
mod search;
mod sets;
mod spatial;
mod strings;
mod substrings;
mod time;
mod types;
mod utf16;

#[cfg(test)]
mod examples;

pub(crate) use builtin::Builtin;
pub(crate) use partial::Partial;
pub(crate) use time::{date_time_text, shifted};

const FAMILIES: &[&[Builtin]] = &[
    arrays::FUNCTIONS,
    conversions::FUNCTIONS,
    full_text::FUNCTIONS,
    integers::FUNCTIONS,
    math::FUNCTIONS,
    regex::FUNCTIONS,
    search::FUNCTIONS,
    sets::FUNCTIONS,
    spatial::FUNCTIONS,
    strings::FUNCTIONS,
    time::FUNCTIONS,
    types::FUNCTIONS,
];

const PARTIAL: &[&[Partial]] = &[date_format::PARTIAL, full_text::PARTIAL, regex::PARTIAL, substrings::PARTIAL];

/// Names in the service's own parser, in the .NET SDK, of functions that the reference names differently.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("CONTAINSALLCI", "CONTAINS_ALL_CI"),
    ("CONTAINSALLCS", "CONTAINS_ALL_CS"),
    ("CONTAINSANYCI", "CONTAINS_ANY_CI"),
    ("CONTAINSANYCS", "CONTAINS_ANY_CS"),
    ("INTBITWISEAND", "INTBITAND"),
    ("INTBITWISELEFTSHIFT", "INTBITLEFTSHIFT"),
    ("INTBITWISENOT", "INTBITNOT"),
    ("INTBITWISEOR", "INTBITOR"),
    ("INTBITWISERIGHTSHIFT", "INTBITRIGHTSHIFT"),
    ("INTBITWISEXOR", "INTBITXOR"),
    // In the filter by which the .NET SDK resumes a sort.
    ("IS_BOOLEAN", "IS_BOOL"),
];

/// The function of a name, in any letter case.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    let name = other.map_or(name, |(_, name)| name);
    FAMILIES.iter().copied().flatten().find(|builtin| builtin.name.eq_ignore_ascii_case(name))
}

/// The function of a name, in any letter case, that the reference settles in part.
pub(crate) fn find_partial(name: &str) -> Option<&'static Partial> {
    PARTIAL.iter().copied().flatten().find(|partial| partial.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn functions_are_found_in_any_letter_case() {
        for name in ["LENGTH", "length", "StringToArray", "DateTimeAdd", "is_defined"] {
            assert!(find(name).is_some_and(|builtin| builtin.name.eq_ignore_ascii_case(name)), "{name}");
        }
        assert!(OTHER_NAMES.iter().all(|(other, name)| find(other).is_some_and(|builtin| builtin.name == *name)));
        assert!(find("COALESCE").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn names_are_unique_and_in_capitals() {
        let mut names: Vec<_> = FAMILIES.iter().copied().flatten().map(|builtin| builtin.name).collect();
        assert!(names.iter().all(|name| *name == name.to_ascii_uppercase()));
        assert!(FAMILIES.iter().copied().flatten().all(|builtin| builtin.min <= builtin.max));
        let partial = PARTIAL.iter().copied().flatten();
        assert!(
            partial
                .clone()
                .all(|partial| partial.name == partial.name.to_ascii_uppercase() && partial.min <= partial.max)
        );
        names.extend(partial.map(|partial| partial.name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    fn any_number() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -3_i64..12,
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
            1 => Just(-116_444_736_000_000_001),
            1 => any::<i64>(),
        ]
    }

    /// Values that functions take apart: texts that are times, JSON and expressions, extreme numbers, shapes.
    fn any_argument() -> impl Strategy<Value = Option<Value>> {
        let double = prop_oneof![Just(0.5), Just(-0.0), Just(1e300), Just(-1e-300), any::<f64>()];
        let text = prop_oneof![
            "[a-cé😀\"\\\\(\\[ ]{0,4}",
            "(0001|1970|2024|9999)-(01|02|12)-(01|29|31)( 23:59:59(\\.9999999)?Z?)?",
            prop::sample::select(vec!["yyyy", "mm", "dd", "hh", "ns", "i", "x", "[1,{}]", "null", "-1e5", "(a|b)*c"])
                .prop_map(str::to_owned),
        ];
        let position = prop::array::uniform2(-91.0..91.0).prop_map(|position: [f64; 2]| json!(position));
        let ring = prop::collection::vec(position.clone(), 3..6).prop_map(|mut ring| {
            ring.push(ring[0].clone());
            Value::from(ring)
        });
        let shape = prop_oneof![
            position.clone().prop_map(|position| json!({"type": "Point", "coordinates": position})),
            prop::collection::vec(position, 0..4)
                .prop_map(|positions| json!({"type": "LineString", "coordinates": positions})),
            ring.prop_map(|ring| json!({"type": "Polygon", "coordinates": [ring]})),
        ];
        let primitive = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any_number().prop_map(Value::from),
            double.prop_map(Value::from),
            text.prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
        ];
        let value = prop_oneof![
            4 => primitive.clone(),
            1 => prop::collection::vec(primitive.clone(), 0..4).prop_map(Value::from),
            1 => prop::collection::vec(("[a-c]", primitive), 0..3)
                .prop_map(|properties| Value::Object(properties.into_iter().collect())),
            2 => shape,
        ];
        prop_oneof![1 => Just(None), 9 => value.prop_map(Some)]
    }

    fn call_all(arguments: &[Option<Value>]) {
        for builtin in FAMILIES.iter().copied().flatten() {
            let count = arguments.len().min(builtin.max);
            if count >= builtin.min {
                let arguments: Vec<Option<&Value>> = arguments.iter().take(count).map(Option::as_ref).collect();
                (builtin.call)(&arguments);
            }
        }
        for partial in PARTIAL.iter().copied().flatten() {
            let count = arguments.len().min(partial.max);
            if count >= partial.min {
                let arguments: Vec<Option<&Value>> = arguments.iter().take(count).map(Option::as_ref).collect();
                let _ = (partial.call)(&arguments);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_function_takes_any_arguments(arguments in prop::collection::vec(any_argument(), 0..8)) {
            call_all(&arguments);
        }

        #[test]
        fn every_function_takes_any_numbers(numbers in prop::collection::vec(any_number(), 0..8)) {
            call_all(&numbers.into_iter().map(|number| Some(Value::from(number))).collect::<Vec<_>>());
        }

        #[test]
        fn every_function_of_a_time_takes_any_number(
            part in prop::sample::select(vec!["yyyy", "mm", "dd", "hh", "ns"]),
            numbers in prop::array::uniform2(any_number()),
            times in prop::array::uniform2(-621_355_968_000_000_000_i64..2_534_023_008_000_000_000),
        ) {
            let [part, number, size] = [json!(part), json!(numbers[0]), json!(numbers[1])];
            let [start, end] = times.map(|ticks| json!(date_time::DateTime::of_ticks(ticks).expect("in range").to_string()));
            for arguments in [[&part, &number, &start, &end], [&part, &start, &end, &size], [&start, &part, &size, &end]] {
                call_all(&arguments.map(|argument| Some(argument.clone())));
            }
        }
    }
}
