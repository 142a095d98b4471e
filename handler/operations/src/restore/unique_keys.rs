//! The unique keys of a container, and which of them refuse a document.

use changefeed_cosmos::{Container, Error, FieldPath, Key, KeyComponent, KeyNumber, KeyPath, display_key_paths};
use changefeed_history::OmittedFields;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

/// The values of a document at the paths of each unique key. A missing value is null, and a number is the double that it stands for.
pub(super) type UniqueValues = Vec<Vec<Value>>;

/// The values of a document at the paths of each unique key.
pub(super) fn unique_values(unique_keys: &[Vec<KeyPath>], document: &Value) -> UniqueValues {
    let value = |path: &KeyPath| match path.of(document) {
        // Every spelling of a number is the same value for the service.
        Some(Value::Number(number)) => {
            let double = number.as_f64().and_then(KeyNumber::new);
            double.map_or(Value::Null, |number| Value::from(KeyComponent::Number(number)))
        }
        value => value.cloned().unwrap_or_default(),
    };
    unique_keys.iter().map(|paths| paths.iter().map(value).collect()).collect()
}

/// Why a unique key refuses a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// Names the unique key, the document that has the value, and the value.
    pub reason: String,
    /// The id of that document; `None` if it was not found.
    pub holder: Option<String>,
}

impl Refusal {
    /// The reason, and what to do when this restore does not write the other document.
    pub(super) fn message(&self) -> String {
        match self.holder {
            Some(_) => format!("{}; change or restore that document first", self.reason),
            None => self.reason.clone(),
        }
    }

    /// Two documents of one restore are to have the same value of the unique key of this number.
    pub(super) fn of_rivals(
        unique_keys: &[Vec<KeyPath>],
        number: usize,
        wanted: &UniqueValues,
        other: &str,
        hidden: &OmittedFields,
    ) -> Self {
        let (names, values) = match (unique_keys.get(number), wanted.get(number)) {
            (Some(paths), Some(values)) => (display_key_paths(paths), display(paths, values, hidden)),
            _ => Default::default(),
        };
        Self {
            reason: format!(
                "unique key {names}: document {other:?} of this restore is to have the same value, {values}"
            ),
            holder: None,
        }
    }
}

/// The values of a unique key, without those of fields that are never stored: a message becomes part of a record.
fn display(paths: &[KeyPath], values: &[Value], hidden: &OmittedFields) -> String {
    let shown = |(path, value): (&KeyPath, &Value)| {
        let field = path.segments().iter().fold(FieldPath::default(), |path, name| path.child(name));
        let is_hidden = hidden.fields().iter().any(|hidden| field.segments().starts_with(hidden.segments()));
        if is_hidden { "a value that is not shown".to_owned() } else { value.to_string() }
    };
    paths.iter().zip(values).map(shown).collect::<Vec<_>>().join(", ")
}

/// Why unique keys refuse a document: one refusal for each document of the partition key value that has a value of it. One without a
/// holder if none is found; none when the container has no unique keys.
///
/// # Errors
/// When the container cannot be read.
pub(super) async fn refusals(
    container: &Container,
    key: &Key,
    id: &str,
    document: &Value,
    hidden: &OmittedFields,
) -> Result<Vec<Refusal>, Error> {
    let unique_keys = &container.definition().unique_keys;
    let mut refusals = Vec::new();
    for (paths, values) in unique_keys.iter().zip(unique_values(unique_keys, document)) {
        let mut parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
        let mut conditions = vec!["c.id != @id".to_owned()];
        for (number, (path, value)) in paths.iter().zip(&values).enumerate() {
            let property = format!("c{}", path.query_property());
            // A missing value is the same as null.
            conditions.push(if value.is_null() {
                format!("(NOT IS_DEFINED({property}) OR IS_NULL({property}))")
            } else {
                parameters.insert(format!("@value{number}"), value.clone());
                format!("{property} = @value{number}")
            });
        }
        let query = format!("SELECT VALUE c.id FROM c WHERE {}", conditions.join(" AND "));
        let mut others = container.select_few::<String>(&query, &parameters, Some(key), 1).await?;
        if let Some(other) = others.try_next().await? {
            let (paths, values) = (display_key_paths(paths), display(paths, &values, hidden));
            refusals.push(Refusal {
                reason: format!(
                    "unique key {paths}: document {other:?} of the same partition key has the same value, {values}"
                ),
                holder: Some(other),
            });
        }
    }
    if refusals.is_empty() && !unique_keys.is_empty() {
        let all: Vec<String> = unique_keys.iter().map(|paths| display_key_paths(paths)).collect();
        let reason = format!("a unique key of the container refuses it: {}", all.join("; "));
        refusals.push(Refusal { reason, holder: None });
    }
    Ok(refusals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_number_is_the_same_unique_value() {
        let unique_keys = [vec![KeyPath::property("n")]];
        let values = |text: &str| {
            let document = serde_json::from_str(&format!("{{\"n\": {text}}}")).expect("JSON");
            unique_values(&unique_keys, &document)
        };
        for spelling in ["10.0", "1e1", "100e-1"] {
            assert_eq!(values(spelling), values("10"), "{spelling}");
        }
        assert_ne!(values("\"10\""), values("10"));
        assert_eq!(values("null"), unique_values(&unique_keys, &json!({})));
    }
}
