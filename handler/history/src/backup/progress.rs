//! How far an unfinished backup is, in `progress.json`: what its next writer needs.
//!
//! It is the writers' token too. Whoever continues a backup replaces this file first; a writer that was thought dead then
//! finds another one than it has seen, and stops.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::BackupHeader;
use super::sealed::{FORMAT, Flaw, seal, unseal};
use super::segment::SegmentRecord;

/// The name of the file.
pub(crate) const PROGRESS: &str = "progress.json";

/// An unfinished backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    format: u32,
    pub backup: BackupHeader,
    /// The segments written for good.
    pub segments: Vec<SegmentRecord>,
    /// Where to read on for the next segment, in the words of who reads.
    #[serde(default)]
    pub cursor: Value,
    /// Another one for each writer.
    pub writer: String,
}

impl Progress {
    pub(crate) fn new(backup: BackupHeader) -> Self {
        Self { format: FORMAT, backup, segments: Vec::new(), cursor: Value::Null, writer: new_writer() }
    }

    /// The same, in the hands of another writer.
    pub(crate) fn taken_over(self) -> Self {
        Self { writer: new_writer(), ..self }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        seal(self).map(|(text, _)| text)
    }

    pub(crate) fn decode(text: &[u8]) -> Result<Self, String> {
        unseal(text).map(|(progress, _)| progress).map_err(|flaw| match flaw {
            Flaw::NotJson(message) | Flaw::Invalid(message) => message,
            Flaw::NewerFormat(found) => format!("it has format {found}; this program knows {FORMAT}"),
            Flaw::Changed => "it is not what was written: its digest is another one".into(),
        })
    }
}

fn new_writer() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::tests::header;
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
    fn what_is_wrong_with_it_is_told() {
        assert!(Progress::decode(b"{").is_err_and(|error| error.contains("EOF")));
        assert!(Progress::decode(br#"{"format": 2}"#).is_err_and(|error| error.contains("format 2")));
        assert!(Progress::decode(br#"{"format": 1}"#).is_err_and(|error| error.contains("digest")));
    }
}
