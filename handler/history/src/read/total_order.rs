//! The total order of versions across documents: `sourceTs`, `pk`, `sourceId`, `lsn`, `id`. Values of one column are ordered as a query
//! orders them: undefined, null, booleans, numbers, texts.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::version_id::VersionId;

/// The columns of the order, the first one first.
pub(super) const COLUMNS: [&str; 5] = ["sourceTs", "pk", "sourceId", "lsn", "id"];
/// The column of the time of the change.
pub(super) const TIME: usize = 0;
/// The columns that order the versions of one document within a second.
pub(super) const WITHIN_SECOND_OF_DOCUMENT: [usize; 2] = [3, 4];

/// The column of the id of the record.
const ID: usize = 4;
/// The columns that name a document, after that of the time.
pub(super) const DOCUMENT_COLUMNS: usize = 3;

/// The direction in which versions are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOrder {
    /// The newest version first.
    #[default]
    Newest,
    /// The oldest version first.
    Oldest,
}

impl ChangeOrder {
    /// The direction in query text.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Newest => "DESC",
            Self::Oldest => "ASC",
        }
    }
}

/// The place of a version in the order: the values of [`COLUMNS`]. The empty object stands for an undefined one, as in partition keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Place([Value; COLUMNS.len()]);

impl Place {
    /// The place of a record of the changes container.
    pub(super) fn of(record: &Value) -> Self {
        Self(COLUMNS.map(|column| {
            let value = record.get(column).filter(|value| !value.is_array() && !value.is_object());
            value.cloned().unwrap_or_else(undefined)
        }))
    }

    /// The value in a column.
    pub(super) fn column(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    /// The second since 1970 of the change.
    pub(super) fn second(&self) -> i64 {
        self.column(TIME).as_i64().unwrap_or_default()
    }

    /// Whether both have the same values in the first columns.
    pub(super) fn has_same_start(&self, other: &Self, columns: usize) -> bool {
        (0..columns).all(|column| compare(self.column(column), other.column(column)).is_eq())
    }

    /// Whether this is the place of the exact record of a version, and `other` that of the record of the same version that is not exact.
    pub(super) fn is_exact_record_of(&self, other: &Self) -> bool {
        let id = |place: &Self| VersionId::from(place.column(ID).as_str().unwrap_or_default());
        let (exact, inexact) = (id(self), id(other));
        exact != inexact && exact == inexact.exact() && self.has_same_start(other, DOCUMENT_COLUMNS)
    }

    /// The order of two places.
    pub(super) fn compare(&self, other: &Self, order: ChangeOrder) -> Ordering {
        let columns = self.0.iter().zip(&other.0);
        let oldest_first = columns.map(|(one, other)| compare(one, other)).find(|order| order.is_ne());
        let oldest_first = oldest_first.unwrap_or(Ordering::Equal);
        match order {
            ChangeOrder::Oldest => oldest_first,
            ChangeOrder::Newest => oldest_first.reverse(),
        }
    }

    /// The condition for versions that have the same value in a column. Adds its parameter to `parameters`.
    pub(super) fn same(&self, column: usize, parameters: &mut Map<String, Value>) -> String {
        let (name, value) = (COLUMNS[column], self.column(column));
        if value.is_object() {
            return format!("NOT IS_DEFINED(c.{name})");
        }
        format!("c.{name} = {}", parameter(value, parameters))
    }

    /// The condition for versions that come after this place by these columns, the first of them first. Adds its parameters to
    /// `parameters`.
    pub(super) fn after(&self, columns: &[usize], order: ChangeOrder, parameters: &mut Map<String, Value>) -> String {
        let Some((column, others)) = columns.split_first() else { return "false".to_owned() };
        let after = self.after_in(*column, order, parameters);
        if others.is_empty() {
            return after;
        }
        let same = self.same(*column, parameters);
        format!("({after} OR ({same} AND {}))", self.after(others, order, parameters))
    }

    /// The condition for versions that come after this place by one column.
    fn after_in(&self, column: usize, order: ChangeOrder, parameters: &mut Map<String, Value>) -> String {
        let (name, value) = (COLUMNS[column], self.column(column));
        let mut conditions = Vec::new();
        if !value.is_object() && !value.is_null() {
            let sign = if order == ChangeOrder::Oldest { ">" } else { "<" };
            conditions.push(format!("c.{name} {sign} {}", parameter(value, parameters)));
        }
        let types = ["NOT IS_DEFINED", "IS_NULL", "IS_BOOL", "IS_NUMBER", "IS_STRING"].into_iter().enumerate();
        let is_later = |number: usize| match order {
            ChangeOrder::Oldest => number > rank(value),
            ChangeOrder::Newest => number < rank(value),
        };
        let later = types.filter(|(number, _)| is_later(*number) && types_of(column).contains(number));
        conditions.extend(later.map(|(_, is_type)| format!("{is_type}(c.{name})")));
        if conditions.is_empty() { "false".to_owned() } else { format!("({})", conditions.join(" OR ")) }
    }
}

fn parameter(value: &Value, parameters: &mut Map<String, Value>) -> String {
    let name = format!("@place{}", parameters.len());
    parameters.insert(name.clone(), value.clone());
    name
}

fn undefined() -> Value {
    json!({})
}

/// The types of the values in a column, by their [`rank`].
fn types_of(column: usize) -> &'static [usize] {
    match COLUMNS[column] {
        "sourceTs" => &[3],
        "pk" => &[0, 1, 2, 3, 4],
        "lsn" => &[0, 3],
        _ => &[4],
    }
}

/// The position of the type of a value in the order of a query.
fn rank(value: &Value) -> usize {
    match value {
        Value::Object(_) | Value::Array(_) => 0,
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    rank(one).cmp(&rank(other)).then_with(|| match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
        },
        // The order of UTF-8 bytes is that of code points.
        (Value::String(one), Value::String(other)) => one.cmp(other),
        _ => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(ts: i64, pk: Option<Value>, id: &str, lsn: Option<i64>) -> Place {
        let mut record = json!({"sourceTs": ts, "sourceId": id, "id": format!("{ts}-{id}")});
        if let Some(pk) = pk {
            record["pk"] = pk;
        }
        if let Some(lsn) = lsn {
            record["lsn"] = json!(lsn);
        }
        Place::of(&record)
    }

    #[test]
    fn places_are_ordered_by_each_column_and_by_type() {
        let places = [
            place(1, Some(json!("z")), "z", Some(9)),
            place(2, None, "a", None),
            place(2, None, "a", Some(1)),
            place(2, Some(json!(null)), "a", None),
            place(2, Some(json!(false)), "a", None),
            place(2, Some(json!(true)), "a", None),
            place(2, Some(json!(-1.5)), "a", None),
            place(2, Some(json!(7)), "a", None),
            place(2, Some(json!("A")), "a", Some(2)),
            place(2, Some(json!("A")), "a", Some(10)),
            place(2, Some(json!("A")), "b", Some(1)),
            place(2, Some(json!("a")), "a", None),
        ];
        for (number, one) in places.iter().enumerate() {
            for (other_number, other) in places.iter().enumerate() {
                assert_eq!(one.compare(other, ChangeOrder::Oldest), number.cmp(&other_number), "{one:?} {other:?}");
                assert_eq!(one.compare(other, ChangeOrder::Newest), other_number.cmp(&number), "{one:?} {other:?}");
            }
            let read: Place = serde_json::from_str(&serde_json::to_string(one).expect("JSON")).expect("a place");
            assert_eq!(&read, one);
        }
    }

    #[test]
    fn a_condition_selects_what_comes_after_a_place() {
        let condition = |place: &Place, columns: &[usize], order| {
            let mut parameters = Map::new();
            let text = place.after(columns, order, &mut parameters);
            (text, Value::Object(parameters))
        };
        let of_text = place(2, Some(json!("A")), "a", Some(2));
        let (text, parameters) = condition(&of_text, &[1, 2], ChangeOrder::Newest);
        let types = "NOT IS_DEFINED(c.pk) OR IS_NULL(c.pk) OR IS_BOOL(c.pk) OR IS_NUMBER(c.pk)";
        assert_eq!(text, format!("((c.pk < @place0 OR {types}) OR (c.pk = @place1 AND (c.sourceId < @place2)))"));
        assert_eq!(parameters, json!({"@place0": "A", "@place1": "A", "@place2": "a"}));
        let without = place(2, None, "a", None);
        assert_eq!(condition(&without, &[3], ChangeOrder::Oldest).0, "(IS_NUMBER(c.lsn))");
        assert_eq!(condition(&without, &[3], ChangeOrder::Newest).0, "false");
    }
}
