//! Filters on fields of documents: `city_name=Davidson`, `address."zip code">=28000`, `/name contains son`.
//!
//! Values are compared as the service compares them. A query uses the condition to find candidates, and [`Filter::matches`]
//! decides, with the same result. The field is a [`FieldPath`] in either form, which becomes part of the query text in quotes; a value
//! is always a parameter. A JSON Pointer ends at the first operator, so a name that contains one is written in quotes.
//!
//! Source: "Equality and comparison operators" in the service's reference of its query language. Of two values of different types,
//! neither is less or greater. `false` is less than `true`. Numbers are doubles. Text is ordered by its UTF-16 code units, as in the
//! SDKs, which merge sorted results. Only `!=` is wider than the service's, for which values of different types are not unequal
//! either: here it matches every document that has the field and that `=` does not match.

use std::cmp::Ordering;

use changefeed_cosmos::FieldPath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::limits::{MAX_FILTER_BYTES, MAX_FILTERS};

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    field: FieldPath,
    operator: Operator,
    /// The values that the field is compared with: for text that looks like a number, both readings.
    values: Vec<Value>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

/// Longer operators come first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Filter {
    /// Reads a filter. A value in JSON quotes is a string. Without quotes, a number, `true`, `false` or `null` matches both
    /// that value and the string; any other value is a string.
    ///
    /// # Errors
    /// Says what is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(format!("a filter has {} bytes; the limit is {MAX_FILTER_BYTES}", text.len()));
        }
        let (field, rest) = FieldPath::read(text.trim_start(), |rest| operator_at(rest).is_some())?;
        field.check_queryable()?;
        let Some((operator, value)) = operator_at(rest) else { return Err(without_operator(text, &field)) };
        let mut values = parse_value(value.trim());
        if operator == Operator::Contains {
            values.retain(Value::is_string);
        }
        Ok(Self { field, operator, values, text: text.to_owned() })
    }

    /// Whether a document meets the condition. A document without the field never does.
    pub(crate) fn matches(&self, document: &Value) -> bool {
        let Some(field) = self.field.of(document) else { return false };
        let holds = match self.operator {
            Operator::Contains => {
                let within = |value: &Value| Some(field.as_str()?.contains(value.as_str()?));
                return self.values.iter().any(|value| within(value).unwrap_or(false));
            }
            Operator::NotEqual => {
                return self.values.iter().all(|value| compare(field, value).is_none_or(Ordering::is_ne));
            }
            Operator::Equal => Ordering::is_eq,
            Operator::Less => Ordering::is_lt,
            Operator::LessOrEqual => Ordering::is_le,
            Operator::Greater => Ordering::is_gt,
            Operator::GreaterOrEqual => Ordering::is_ge,
        };
        self.values.iter().any(|value| compare(field, value).is_some_and(holds))
    }

    /// The condition as query text on the document at `root` (`c` or `c.document`). Adds its parameters to `parameters`.
    pub fn condition(&self, root: &str, parameters: &mut Map<String, Value>) -> String {
        let mut condition = |property: &str, operator: Operator, value: Value| {
            let parameter = format!("@filter{}", parameters.len());
            parameters.insert(parameter.clone(), value);
            match operator {
                Operator::Contains => format!("CONTAINS({root}{property}, {parameter})"),
                // `matches` decides which of them are equal.
                Operator::NotEqual => format!("IS_DEFINED({root}{property})"),
                operator => format!("{root}{property} {} {parameter}", sign(operator)),
            }
        };
        let mut conditions = Vec::new();
        for property in self.field.query_properties() {
            for value in &self.values {
                let comparisons =
                    self.comparisons(value).into_iter().map(|(operator, value)| condition(&property, operator, value));
                conditions.push(comparisons.collect::<Vec<_>>().join(" AND "));
            }
        }
        format!("({})", conditions.join(" OR "))
    }

    /// The comparisons that candidates meet, all of them. Where doubles are further apart than integers, the numbers are those beside
    /// the value, so that it does not matter whether a query compares two integers as doubles.
    fn comparisons(&self, value: &Value) -> Vec<(Operator, Value)> {
        let Some(number) = value.as_f64().filter(|number| number.abs() >= SPARSE) else {
            return vec![(self.operator, value.clone())];
        };
        let bound = |number: f64| Number::from_f64(number).map_or_else(|| value.clone(), Value::Number);
        let (at_least, at_most) =
            ((Operator::GreaterOrEqual, bound(number.next_down())), (Operator::LessOrEqual, bound(number.next_up())));
        match self.operator {
            Operator::Equal => vec![at_least, at_most],
            Operator::Less | Operator::LessOrEqual => vec![at_most],
            Operator::Greater | Operator::GreaterOrEqual => vec![at_least],
            Operator::NotEqual | Operator::Contains => vec![(self.operator, value.clone())],
        }
    }
}

/// The most characters of a filter that a message shows.
const SHOWN_CHARACTERS: usize = 80;

/// From here on, not every integer is a double: 2^53.
const SPARSE: f64 = 9_007_199_254_740_992.0;

/// Whether a document meets every condition.
pub fn matches_all(filters: &[Filter], document: &Value) -> bool {
    filters.iter().all(|filter| filter.matches(document))
}

/// Checks the number of filters.
///
/// # Errors
/// Names the limit.
pub fn check_filter_count(filters: &[Filter]) -> Result<(), String> {
    if filters.len() > MAX_FILTERS {
        Err(format!("{} filters; the limit is {MAX_FILTERS}", filters.len()))
    } else {
        Ok(())
    }
}

fn sign(operator: Operator) -> &'static str {
    OPERATORS.iter().find(|(_, other)| *other == operator).map_or("=", |(sign, _)| sign)
}

/// The operator at the start of a text, perhaps after spaces, and the text of the value.
fn operator_at(text: &str) -> Option<(Operator, &str)> {
    let trimmed = text.trim_start();
    let after_space = Some(trimmed).filter(|trimmed| trimmed.len() < text.len());
    if let Some(value) = after_space.and_then(|trimmed| trimmed.strip_prefix("contains ")) {
        return Some((Operator::Contains, value));
    }
    OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, trimmed.strip_prefix(sign)?)))
}

/// The error for a filter whose field is not followed by an operator: the field is wrong if there is an operator further on.
fn without_operator(text: &str, field: &FieldPath) -> String {
    let has_operator = text.char_indices().any(|(at, _)| operator_at(&text[at..]).is_some());
    if has_operator {
        let text: String = text.chars().take(SHOWN_CHARACTERS).collect();
        return format!(
            "invalid field in {text:?}: no operator after {field}; a name with other characters is in double quotes: address.\"zip code\""
        );
    }
    format!("invalid filter {text:?}; use FIELD, an operator (= != < <= > >= contains) and a value: city_name=Davidson")
}

fn parse_value(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::String(quoted)) => vec![Value::String(quoted)],
        Ok(scalar @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => vec![scalar, Value::String(text.to_owned())],
        _ => vec![Value::String(text.to_owned())],
    }
}

/// The order of two values; `None` if they have different types, or a type without an order. The value of a filter is no array
/// and no object.
fn compare(field: &Value, value: &Value) -> Option<Ordering> {
    match (field, value) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(field), Value::Bool(value)) => Some(field.cmp(value)),
        (Value::Number(field), Value::Number(value)) => field.as_f64()?.partial_cmp(&value.as_f64()?),
        (Value::String(field), Value::String(value)) => Some(field.encode_utf16().cmp(value.encode_utf16())),
        _ => None,
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(filter: &str, document: Value) -> bool {
        Filter::parse(filter).expect("filter").matches(&document)
    }

    #[test]
    fn fields_are_compared_by_value_and_type() {
        let document =
            json!({"city_name": "Davidson", "zip": "28036", "seq": 7, "a": {"b": true}, "n": null, "eq": "a=b"});
        for filter in [
            "city_name=Davidson",
            "city_name = Davidson",
            "city_name!=Charlotte",
            "zip=28036",
            "zip=\"28036\"",
            "seq=7",
            "seq=7.0",
            "seq<8",
            "seq<=7",
            "seq>6.5",
            "seq>=7",
            "a.b=true",
            "n=null",
            "city_name contains avid",
            "zip>28000",
            "eq=a=b",
            "city_name>C",
        ] {
            assert!(matches(filter, document.clone()), "{filter}");
        }
        for filter in [
            "city_name=davidson",
            "seq=\"7\"",
            "seq<7",
            "missing=1",
            "missing!=1",
            "a=1",
            "a.b.c=1",
            "seq contains 7",
            "n=0",
        ] {
            assert!(!matches(filter, document.clone()), "{filter}");
        }
    }

    #[test]
    fn values_are_compared_as_the_service_compares_them() {
        let document = json!({"big": 9_007_199_254_740_993_u64, "zero": -0.0, "off": false, "none": null, "list": [1], "o": {},
            "seven": "7", "smile": "\u{1f600}", "e1": 10.0});
        for filter in [
            "big=9007199254740992",
            "big=9007199254740993",
            "big=9.007199254740992e15",
            "big<=9007199254740992",
            "big!=9007199254740995",
            "zero=0",
            "zero=-0",
            "e1=1e1",
            "e1=10",
            "off<true",
            "off!=true",
            "off!=7",
            "none!=7",
            "list!=1",
            "o!=1",
            "off>=false",
            "none>=null",
            "seven!=8",
            "seven contains 7",
            // In UTF-16, characters of two code units come before the last ones of one.
            "smile<\u{fffd}",
        ] {
            assert!(matches(filter, document.clone()), "{filter}");
        }
        for filter in [
            "big!=9007199254740992",
            "big>9007199254740992",
            "zero<0",
            "off!=false",
            "none!=null",
            "list=1",
            "list<=1",
            "o=1",
            "off<7",
            "none<=7",
            "seven=\"7.0\"",
            "seven!=7",
            "e1=1e400",
        ] {
            assert!(!matches(filter, document.clone()), "{filter}");
        }
    }

    #[test]
    fn a_query_finds_every_integer_that_is_the_same_double() {
        let condition = |filter: &str| {
            let mut parameters = Map::new();
            let condition = Filter::parse(filter).expect("filter").condition("c", &mut parameters);
            (condition, Value::Object(parameters).to_string())
        };
        let (equal, parameters) = condition("n=9007199254740993");
        assert_eq!(equal, "(c['n'] >= @filter0 AND c['n'] <= @filter1 OR c['n'] = @filter2)");
        assert_eq!(
            parameters,
            r#"{"@filter0":9007199254740991.0,"@filter1":9007199254740994.0,"@filter2":"9007199254740993"}"#
        );
        assert_eq!(condition("n<-9007199254740992").0, "(c['n'] <= @filter0 OR c['n'] < @filter1)");
        assert_eq!(condition("n=9007199254740991").0, "(c['n'] = @filter0 OR c['n'] = @filter1)");
        assert_eq!(condition("n!=9007199254740993").0, "(IS_DEFINED(c['n']) OR IS_DEFINED(c['n']))");
        assert_eq!(condition("n contains 1").0, "(CONTAINS(c['n'], @filter0))");
        assert!(condition(&format!("n<={}", f64::MAX)).1.contains("1.7976931348623157e+308"));
    }

    #[test]
    fn hostile_names_are_rejected_and_hostile_values_are_parameters() {
        for filter in [
            "c.x; DROP=1",
            "a']=1",
            "a\"b=1",
            "a[0]=1",
            "=1",
            ".a=1",
            "a..b=1",
            "no operator",
            "a b=1",
            "tags[]=1",
            "/a~=1",
            "\"a=1",
            "/a",
        ] {
            assert!(Filter::parse(filter).is_err_and(|error| error.contains("invalid")), "{filter}");
        }
        for filter in ["a.1.2.3.4=1", &format!("a={}", "x".repeat(20_000))] {
            assert!(Filter::parse(filter).is_err());
        }
        Filter::parse(&format!("a{}=1", ".a".repeat(127))).expect("as deep as an item can be");
        let message = Filter::parse(&format!("a{}=1", ".a".repeat(128))).expect_err("too deep");
        assert!(message.contains("129 names; at most 128"), "{message}");
        let hostile = Filter::parse("name='] OR true --").expect("filter");
        let mut parameters = Map::new();
        assert_eq!(hostile.condition("c.document", &mut parameters), "(c.document['name'] = @filter0)");
        assert_eq!(parameters["@filter0"], "'] OR true --");
    }

    #[test]
    fn a_field_of_any_name_is_named_in_quotes_or_by_a_pointer() {
        let document = json!({"zip code": "28036", "a.b": {"c/d": 1, "e~f": 2}, "": {"=": 3}, "x contains y": "xy",
            "lines": [{"text": "first"}, "last"], "0": {"1": true}, "n contains": "z", " ": 4});
        for filter in [
            "\"zip code\"=28036",
            "/zip code = 28036",
            "\"a.b\".\"c/d\"=1",
            "/a.b/c~1d<2",
            " /a.b/e~0f >=2",
            "\"\".\"=\"=3",
            "\"x contains y\" contains xy",
            "/x contains xy",
            "lines.0.text=first",
            "/lines/1 contains as",
            "/lines/1=last",
            "0.1=true",
            "\"n contains\"=z",
            "\" \"=4",
        ] {
            assert_eq!(matches(filter, document.clone()), filter != "/x contains xy", "{filter}");
        }
        let condition = |filter: &str| Filter::parse(filter).expect("filter").condition("c", &mut Map::new());
        assert_eq!(condition("\"it's\".\"\\\\\"=\"x\""), r"(c['it\u0027s']['\u005c'] = @filter0)");
        assert_eq!(condition("lines.0!=\"x\""), "(IS_DEFINED(c['lines']['0']) OR IS_DEFINED(c['lines'][0]))");
    }

    #[test]
    fn a_condition_has_a_parameter_for_each_reading_of_the_value() {
        let mut parameters = Map::new();
        let condition = Filter::parse("zip<=28036").expect("filter").condition("c", &mut parameters);
        assert_eq!(condition, "(c['zip'] <= @filter0 OR c['zip'] <= @filter1)");
        assert_eq!(Value::Object(parameters), json!({"@filter0": 28036, "@filter1": "28036"}));
    }
}
