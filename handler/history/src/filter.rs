//! Filters on fields of documents: `city_name=Davidson`, `address.zip>=28000`, `name contains son`.
//!
//! [`Filter::matches`] decides. A query uses the same condition only to find candidates. The name of a field becomes part of
//! the query text, so it is validated when the filter is read; a value is always a parameter.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::{MAX_FILTER_BYTES, MAX_FILTERS};

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    path: Vec<String>,
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
const OPERATORS: [(&str, Operator); 7] = [
    (" contains ", Operator::Contains),
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
        let first = OPERATORS.iter().filter_map(|(sign, operator)| Some((text.find(sign)?, *sign, *operator)));
        let Some((at, sign, operator)) = first.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len()))) else {
            return Err(format!(
                "invalid filter {text:?}; use FIELD, an operator (= != < <= > >= contains) and a value: city_name=Davidson"
            ));
        };
        let path = parse_path(text[..at].trim())?;
        Ok(Self { path, operator, values: parse_value(text[at + sign.len()..].trim()), text: text.to_owned() })
    }

    /// Whether a document meets the condition. A document without the field never does.
    pub(crate) fn matches(&self, document: &Value) -> bool {
        let field = self.path.iter().try_fold(document, |value, name| value.as_object()?.get(name));
        let Some(field) = field else { return false };
        match self.operator {
            Operator::Equal => self.values.iter().any(|value| equal(field, value)),
            Operator::NotEqual => self.values.iter().all(|value| !equal(field, value)),
            Operator::Contains => {
                let within = |value: &Value| Some(field.as_str()?.contains(value.as_str()?));
                self.values.iter().any(|value| within(value).unwrap_or(false))
            }
            Operator::Less => self.ordered(field, Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(field, Ordering::is_le),
            Operator::Greater => self.ordered(field, Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(field, Ordering::is_ge),
        }
    }

    fn ordered(&self, field: &Value, holds: fn(Ordering) -> bool) -> bool {
        self.values.iter().any(|value| order(field, value).is_some_and(holds))
    }

    /// The condition as query text on the document at `root` (`c` or `c.document`). Adds its parameters to `parameters`.
    pub fn condition(&self, root: &str, parameters: &mut Map<String, Value>) -> String {
        let field: String = self.path.iter().map(|name| format!("['{name}']")).collect();
        let conditions: Vec<String> = self
            .values
            .iter()
            .map(|value| {
                let parameter = format!("@filter{}", parameters.len());
                parameters.insert(parameter.clone(), value.clone());
                match self.operator {
                    Operator::Contains => format!("CONTAINS({root}{field}, {parameter})"),
                    // In a query, values of different types are neither equal nor unequal: `matches` decides afterwards.
                    Operator::NotEqual => format!("IS_DEFINED({root}{field})"),
                    operator => format!("{root}{field} {} {parameter}", sign(operator)),
                }
            })
            .collect();
        format!("({})", conditions.join(" OR "))
    }
}

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

fn parse_path(text: &str) -> Result<Vec<String>, String> {
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '$' | '@');
    let names: Vec<String> = text.split('.').map(str::to_owned).collect();
    if names.iter().any(|name| name.is_empty() || !name.chars().all(allowed)) {
        let shown: String = text.chars().take(80).collect();
        return Err(format!(
            "invalid field {shown:?}; use letters, digits, _ - $ @, and dots between nested names: address.city"
        ));
    }
    Ok(names)
}

fn parse_value(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::String(quoted)) => vec![Value::String(quoted)],
        Ok(scalar @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => vec![scalar, Value::String(text.to_owned())],
        _ => vec![Value::String(text.to_owned())],
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
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
    fn hostile_names_are_rejected_and_hostile_values_are_parameters() {
        for filter in ["c.x; DROP=1", "a']=1", "a\"b=1", "a[0]=1", "=1", ".a=1", "a..b=1", "no operator", "a b=1"] {
            assert!(Filter::parse(filter).is_err_and(|error| error.contains("invalid")), "{filter}");
        }
        assert!(Filter::parse(&format!("a={}", "x".repeat(20_000))).is_err());
        let hostile = Filter::parse("name='] OR true --").expect("filter");
        let mut parameters = Map::new();
        assert_eq!(hostile.condition("c.document", &mut parameters), "(c.document['name'] = @filter0)");
        assert_eq!(parameters["@filter0"], "'] OR true --");
    }

    #[test]
    fn a_condition_has_a_parameter_for_each_reading_of_the_value() {
        let mut parameters = Map::new();
        let condition = Filter::parse("zip<=28036").expect("filter").condition("c", &mut parameters);
        assert_eq!(condition, "(c['zip'] <= @filter0 OR c['zip'] <= @filter1)");
        assert_eq!(Value::Object(parameters), json!({"@filter0": 28036, "@filter1": "28036"}));
    }
}
