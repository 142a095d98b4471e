//! The documents that a payload names, as it was delivered: whatever else is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use changefeed_cosmos::{DocumentName, Key, KeyComponent, KeyPath};
use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::observed::Observed;

/// A document in a payload.
#[derive(Debug, PartialEq)]
pub(crate) struct Image {
    pub id: String,
    /// `None` where it cannot be read.
    pub partition_key: Option<Key>,
}

/// The documents that a payload names: of an envelope, those of its images and of its metadata.
pub(crate) fn images(payload: &str, key_paths: &[KeyPath]) -> Vec<Image> {
    if let Ok(observed) = Observed::parse(payload, key_paths) {
        return vec![Image { id: observed.id, partition_key: Some(observed.partition_key) }];
    }
    let Some(top) = properties(payload) else { return Vec::new() };
    let mut images: Vec<Image> = image(&top, key_paths).into_iter().collect();
    for name in ["current", "previous"] {
        let part = top.get(name).and_then(|part| properties(part.get()));
        images.extend(part.and_then(|part| image(&part, key_paths)));
    }
    if let Some(metadata) = top.get("metadata").and_then(|part| properties(part.get())) {
        images.extend(text(metadata.get("id").copied()).map(|id| Image { id, partition_key: None }));
    }
    images
}

type Properties<'p> = BTreeMap<Cow<'p, str>, &'p RawValue>;

/// The properties of an object, of which none is parsed: a payload may be nested deeper than a parser reads.
fn properties(json: &str) -> Option<Properties<'_>> {
    serde_json::from_str(json).ok()
}

fn image(document: &Properties<'_>, key_paths: &[KeyPath]) -> Option<Image> {
    let id = text(document.get("id").copied())?;
    let components: Option<Vec<KeyComponent>> = key_paths.iter().map(|path| component(document, path)).collect();
    Some(Image { id, partition_key: components.map(Key::new) })
}

/// A component of the key; `None` where it cannot be one.
fn component(document: &Properties<'_>, path: &KeyPath) -> Option<KeyComponent> {
    let (last, parents) = path.segments().split_last()?;
    let mut value = None;
    let mut within = Some(document.clone());
    for name in parents {
        within = within.and_then(|object| object.get(name.as_str()).and_then(|value| properties(value.get())));
    }
    if let Some(object) = &within {
        value = object.get(last.as_str()).copied();
    }
    let Some(value) = value else { return Some(KeyComponent::Undefined) };
    if value.get().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<Value>(value.get()).ok()?.try_into().ok()
}

fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// A name in which each time is replaced by the instant that it stands for, because the Functions host writes an instant in another
/// form; `None` if the name has no time.
pub(super) fn canonical(document: &DocumentName) -> Option<DocumentName> {
    let mut has_time = false;
    let mut replaced = |text: &str| {
        let instant = instant(text);
        has_time |= instant.is_some();
        instant.unwrap_or_else(|| text.to_owned())
    };
    let id = replaced(&document.id);
    let components = document.partition_key.components().iter().map(|component| match component {
        KeyComponent::Text(text) => KeyComponent::Text(replaced(text)),
        other => other.clone(),
    });
    let partition_key = Key::new(components.collect());
    has_time.then_some(DocumentName { id, partition_key })
}

/// The instant of a text that the host reads as a time.
fn instant(text: &str) -> Option<String> {
    if let Some(milliseconds) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let end = milliseconds.char_indices().skip(1).find(|(_, sign)| "+-".contains(*sign));
        let number: i64 = milliseconds[..end.map_or(milliseconds.len(), |(end, _)| end)].parse().ok()?;
        return Some(format!("instant {}", number.checked_mul(1_000_000)?));
    }
    let upper = text.to_ascii_uppercase();
    if let Ok(time) = DateTime::parse_from_rfc3339(&upper) {
        return Some(format!("instant {}", time.timestamp_nanos_opt()?));
    }
    let time = NaiveDateTime::parse_from_str(&upper, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(format!("local {}", time.and_utc().timestamp_nanos_opt()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(payload: &str) -> Vec<(String, Option<String>)> {
        let paths = ["/pk", "/a/b"].map(|path| path.parse::<KeyPath>().expect("a path"));
        images(payload, &paths)
            .into_iter()
            .map(|image| (image.id, image.partition_key.map(|key| key.to_string())))
            .collect()
    }

    #[test]
    fn a_payload_names_its_document_whatever_is_wrong_with_it() {
        let expected = vec![("1".to_owned(), Some("[\"x\",2]".to_owned()))];
        let whole = json!({"id": "1", "pk": "x", "a": {"b": 2}, "_etag": "e", "_ts": 1});
        assert_eq!(named(&whole.to_string()), expected);
        assert_eq!(named(&json!({"id": "1", "pk": "x", "a": {"b": 2}}).to_string()), expected);
        let deep = format!(r#"{{"id":"1","pk":"x","a":{{"b":2}},"deep":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(named(&deep), expected);
        let envelope = json!({"current": {}, "previous": {"id": "1", "pk": "x", "a": {"b": 2}}, "metadata": {"operationType": "delete"}});
        assert_eq!(named(&envelope.to_string()), expected);
        assert_eq!(named(r#"{"id":"1","pk":[1],"a":{"b":2}}"#), [("1".to_owned(), None)]);
        assert_eq!(named("[1]"), []);
    }

    #[test]
    fn texts_that_the_host_may_write_for_each_other_are_one_instant() {
        for (one, other) in [
            ("2024-01-01T10:00:00+02:00", "2024-01-01T03:00:00-05:00"),
            ("2024-01-01T00:00:00.120Z", "2024-01-01T00:00:00.12Z"),
            ("2024-01-01T00:00:00z", "2024-01-01T00:00:00Z"),
            ("2024-01-01T00:00:00.000", "2024-01-01T00:00:00"),
            ("/Date(1)/", "1970-01-01T00:00:00.001Z"),
            ("/Date(-1000+0100)/", "1969-12-31T23:59:59Z"),
        ] {
            assert!(instant(one).is_some());
            assert_eq!(instant(one), instant(other), "{one}");
        }
        assert_eq!(instant("2024-01-01"), None);
        assert_eq!(instant("/Date(x)/"), None);
    }
}
