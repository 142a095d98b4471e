//! The header `x-ms-documentdb-partitionkey`: a JSON array in ASCII, `{}` for a value that an item does not have, `[]` for no key.

use std::fmt::Write;

use serde_json::Value;

use super::definition::KeyDefinition;
use super::value::KeyValue;

/// The key that a request names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GivenKey {
    /// `[]`: no key.
    None,
    /// The first components of a hierarchical key.
    Prefix(Vec<KeyValue>),
    /// As many components as the definition has paths.
    Complete(Vec<KeyValue>),
}

impl GivenKey {
    /// Reads the header of a request to a container with this definition. The error is a message for the client of a 400.
    pub(crate) fn parse(header: &str, definition: &KeyDefinition) -> Result<Self, String> {
        let components: Vec<Value> = serde_json::from_str(header)
            .map_err(|problem| format!("Partition key {header} is invalid: it is not a JSON array ({problem})."))?;
        let values = components.iter().map(KeyValue::from_json).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(|problem| format!("Partition key {} is invalid: {problem}.", shortened(header)))?;
        let paths = definition.paths.len();
        match values.len() {
            0 => Ok(Self::None),
            given if given == paths => Ok(Self::Complete(values)),
            given if given > paths => Err(format!(
                "The partition key supplied in x-ms-partitionkey header has more components than defined in the collection: \
                 {given} instead of {paths}."
            )),
            _ if definition.is_hierarchical() => Ok(Self::Prefix(values)),
            given => Err(fewer_components(given, paths)),
        }
    }

    /// The complete key, as operations on one item require. The error is a message for the client of a 400.
    pub(crate) fn complete(self, definition: &KeyDefinition) -> Result<Vec<KeyValue>, String> {
        match self {
            Self::Complete(values) => Ok(values),
            Self::Prefix(values) => Err(fewer_components(values.len(), definition.paths.len())),
            Self::None => Err(fewer_components(0, definition.paths.len())),
        }
    }
}

/// Writes a key in the form of the header, in ASCII.
pub(crate) fn header_text(values: &[KeyValue]) -> String {
    let mut text = String::from("[");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let json = value.to_json().map_or_else(|| "{}".to_owned(), |value| value.to_string());
        for character in json.chars() {
            match character.is_ascii() && character != '\x7f' {
                true => text.push(character),
                false => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to a text cannot fail.
                        let _ = write!(text, "\\u{unit:04x}");
                    }
                }
            }
        }
    }
    text.push(']');
    text
}

fn fewer_components(given: usize, paths: usize) -> String {
    format!(
        "The partition key supplied in x-ms-partitionkey header has fewer components than defined in the collection: {given} \
         instead of {paths}."
    )
}

fn shortened(header: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    match header.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &header[..end]),
        None => header.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(paths: &[&str]) -> KeyDefinition {
        let kind = if paths.len() > 1 { "MultiHash" } else { "Hash" };
        KeyDefinition::from_json(&json!({"paths": paths, "kind": kind, "version": 2}))
    }

    fn parse(header: &str, paths: &[&str]) -> Result<GivenKey, String> {
        GivenKey::parse(header, &definition(paths))
    }

    #[test]
    fn each_kind_of_component_is_read() {
        for (header, value) in [
            (r#"["a"]"#, KeyValue::Text("a".into())),
            (r#"["\u00fc\ud83d\ude00"]"#, KeyValue::Text("ü😀".into())),
            ("[7.0]", KeyValue::Number(7.0)),
            ("[7]", KeyValue::Number(7.0)),
            ("[ null ]", KeyValue::Null),
            ("[true]", KeyValue::Bool(true)),
            ("[{}]", KeyValue::Undefined),
        ] {
            assert_eq!(parse(header, &["/pk"]), Ok(GivenKey::Complete(vec![value])), "{header}");
        }
        assert_eq!(parse("[]", &["/pk"]), Ok(GivenKey::None));
    }

    #[test]
    fn only_a_hierarchical_key_can_be_given_in_part() {
        let prefix = parse(r#"["t1",7.0]"#, &["/t", "/u", "/s"]).expect("a prefix");
        assert_eq!(prefix, GivenKey::Prefix(vec![KeyValue::Text("t1".into()), KeyValue::Number(7.0)]));
        let message = prefix.complete(&definition(&["/t", "/u", "/s"])).expect_err("refused");
        assert!(message.contains("fewer components") && message.contains("2 instead of 3"), "{message}");
        let message = parse(r#"["a","b"]"#, &["/pk"]).expect_err("refused");
        assert!(message.contains("more components"), "{message}");
        let message = GivenKey::None.complete(&definition(&["/pk"])).expect_err("refused");
        assert!(message.contains("fewer components"), "{message}");
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_was_found() {
        for header in ["", "a", "\"a\"", "[1e400]", r#"["\ud800"]"#, "[[1]]", r#"[{"a":1}]"#, "{}"] {
            let message = parse(header, &["/pk"]).expect_err(header);
            assert!(message.starts_with(&format!("Partition key {header} is invalid")), "{message}");
        }
        let message = parse(&json!(["x".repeat(2049)]).to_string(), &["/pk"]).expect_err("refused");
        assert!(message.len() < 300 && message.contains("2049"), "{message}");
    }

    #[test]
    fn a_key_is_written_in_ascii_and_read_again() {
        let values = [
            KeyValue::Text("ü\"😀\u{7f}\n".into()),
            KeyValue::Number(7.0),
            KeyValue::Number(0.5),
            KeyValue::Null,
            KeyValue::Bool(false),
            KeyValue::Undefined,
        ];
        let text = header_text(&values);
        assert_eq!(text, r#"["\u00fc\"\ud83d\ude00\u007f\n",7,0.5,null,false,{}]"#);
        let paths: Vec<String> = (0..values.len()).map(|index| format!("/{index}")).collect();
        let definition = KeyDefinition::from_json(&json!({"paths": paths, "kind": "MultiHash", "version": 2}));
        assert_eq!(GivenKey::parse(&text, &definition), Ok(GivenKey::Complete(values.to_vec())));
        assert_eq!(header_text(&[]), "[]");
    }
}
