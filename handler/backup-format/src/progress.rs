//! `progress.json`: how far an unfinished backup is, and where its next writer resumes.
//!
//! It also decides which writer owns the backup. A writer that resumes a backup first replaces this file; an older writer
//! that is still running then finds a file that it did not write, and stops.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::BackupHeader;
use crate::sealed::{FORMAT, Flaw, seal, unseal};
use crate::segment::SegmentRecord;

/// The name of the file.
pub(crate) const PROGRESS: &str = "progress.json";

/// An unfinished backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Progress {
    format: u32,
    pub backup: BackupHeader,
    /// The segments that are part of the backup.
    pub segments: Vec<SegmentRecord>,
    /// Where to resume reading for the next segment, in the form that the caller chose.
    #[serde(default)]
    pub cursor: Value,
    /// A random text, different for each writer.
    pub writer: String,
}

impl Progress {
    pub(crate) fn new(backup: BackupHeader) -> Self {
        Self { format: FORMAT, backup, segments: Vec::new(), cursor: Value::Null, writer: new_writer() }
    }

    /// The same progress, owned by another writer, in the format of this version.
    pub(crate) fn taken_over(self) -> Self {
        Self { format: FORMAT, writer: new_writer(), ..self }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        seal(self).map(|(text, _)| text)
    }

    /// Whether the text is only the beginning of a file, or nothing.
    pub(crate) fn is_half_written(text: &[u8]) -> bool {
        match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
            Ok(_) => false,
            Err(error) => error.is_eof(),
        }
    }

    pub(crate) fn decode(text: &[u8]) -> Result<Self, String> {
        unseal(text).map(|(progress, _)| progress).map_err(|flaw| match flaw {
            Flaw::NotJson(message) | Flaw::Invalid(message) => message,
            Flaw::NewerFormat(found) => {
                format!("it has format {found}; this version reads formats up to {FORMAT}: use a later version")
            }
            Flaw::Changed => "it was changed: its digest does not match its content".into(),
        })
    }
}

fn new_writer() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::header;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn progress_is_read_back_as_it_was_written(cursor in any::<String>(), has_cursor in any::<bool>()) {
            let cursor = if has_cursor { json!({"token": cursor}) } else { Value::Null };
            let progress = Progress { cursor, ..Progress::new(header()) };
            let text = progress.encode().expect("text");
            prop_assert_eq!(Progress::decode(&text), Ok(progress.clone()));
            prop_assert_ne!(progress.taken_over().encode().expect("text"), text);
        }
    }

    #[test]
    fn the_beginning_of_a_file_is_half_written_and_nothing_else_is() {
        let text = Progress::new(header()).encode().expect("text");
        let end = text.len() - 2;
        for half in [&text[..0], &text[..1], &text[..end / 2], &text[..end]] {
            assert!(Progress::is_half_written(half), "{}", String::from_utf8_lossy(half));
        }
        for other in [&text[..], &text[1..], b"{\"format\": 9}", b"\0\0\0"] {
            assert!(!Progress::is_half_written(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn other_texts_are_rejected_with_the_reason() {
        assert!(Progress::decode(b"{").is_err_and(|error| error.contains("EOF")));
        assert!(Progress::decode(br#"{"format": 3}"#).is_err_and(|error| error.contains("format 3")));
        assert!(Progress::decode(br#"{"format": 1}"#).is_err_and(|error| error.contains("digest")));
    }
}
