//! JSON files that contain a digest of their own content.
//!
//! The text is a JSON object over several lines whose last property is `digest`: the SHA-256 of everything before the
//! comma that precedes it. A reader detects any changed byte, and the digest identifies the content of the file.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The format that is written.
pub(crate) const FORMAT: u32 = 2;
/// The oldest format that can be read.
pub(crate) const OLDEST_FORMAT: u32 = 1;

const BEFORE: &str = ",\n  \"digest\": \"";
const DIGITS: usize = 64;
const AFTER: &str = "\"\n}\n";

/// Why a sealed file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotJson(String),
    NewerFormat(u64),
    Changed,
    Invalid(String),
}

/// Ignores all other properties.
#[derive(Deserialize)]
struct FormatOnly {
    format: Option<u64>,
}

pub(crate) fn seal<T: Serialize>(content: &T) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let mut text = serde_json::to_vec_pretty(content)?;
    text.truncate(text.len() - "\n}".len());
    let digest = Digest::of(&text);
    text.extend_from_slice(format!("{BEFORE}{digest}{AFTER}").as_bytes());
    Ok((text, digest))
}

pub(crate) fn unseal<T: DeserializeOwned>(text: &[u8]) -> Result<(T, Digest), Flaw> {
    let format: FormatOnly = serde_json::from_slice(text).map_err(|error| {
        let flaw = if error.is_data() { Flaw::Invalid } else { Flaw::NotJson };
        flaw(error.to_string())
    })?;
    match format.format {
        Some(found) if found > u64::from(FORMAT) => return Err(Flaw::NewerFormat(found)),
        Some(found) if found >= u64::from(OLDEST_FORMAT) => (),
        _ => return Err(Flaw::Invalid("`format` is missing or unknown".into())),
    }
    let (mut content, digest) = open(text).ok_or(Flaw::Changed)?;
    content.extend_from_slice(b"\n}");
    let content = serde_json::from_slice(&content).map_err(|error| Flaw::Invalid(error.to_string()))?;
    Ok((content, digest))
}

fn open(text: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let text = text.strip_suffix(AFTER.as_bytes())?;
    let (text, digits) = text.split_at_checked(text.len().checked_sub(DIGITS)?)?;
    let content = text.strip_suffix(BEFORE.as_bytes())?;
    let digest: Digest = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (Digest::of(content) == digest).then(|| (content.to_vec(), digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_sealed_object_is_read_back_and_is_plain_json() {
        let content = json!({"format": 1, "a": {"b": [1, "x"]}});
        let (text, digest) = seal(&content).expect("sealed");
        assert_eq!(unseal::<Value>(&text), Ok((content, digest)));
        let plain: Value = serde_json::from_slice(&text).expect("json");
        assert_eq!(plain["digest"], digest.to_string());
    }

    #[test]
    fn every_changed_bit_is_detected() {
        let (text, _) = seal(&json!({"format": 1, "a": "b"})).expect("sealed");
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                assert!(unseal::<Value>(&changed).is_err(), "bit {bit} of byte {at}");
            }
            assert!(unseal::<Value>(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn newer_formats_and_other_texts_are_rejected_with_the_reason() {
        let newer = br#"{"anything": [], "format": 3}"#;
        assert_eq!(unseal::<Value>(newer), Err(Flaw::NewerFormat(3)));
        assert!(matches!(unseal::<Value>(b"{\"format\": 0}"), Err(Flaw::Invalid(_))));
        assert!(matches!(unseal::<Value>(b"{}"), Err(Flaw::Invalid(_))));
        assert!(matches!(unseal::<Value>(b""), Err(Flaw::NotJson(_))));
        assert!(matches!(unseal::<Value>(b"{\"a\": 1"), Err(Flaw::NotJson(_))));
        assert!(matches!(unseal::<Value>(b"\"text\""), Err(Flaw::Invalid(_))));
        assert_eq!(unseal::<Value>(br#"{"format": 1}"#), Err(Flaw::Changed));
        assert!(unseal::<Value>("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
