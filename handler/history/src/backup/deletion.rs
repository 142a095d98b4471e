//! A deleted document in an incremental backup: a line of a segment of deletions, where no document can stand.

use serde::{Deserialize, Serialize};

use crate::cosmos::Key;

/// A document that the earlier backup may hold, and that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    /// Its id.
    pub id: String,
    /// Its partition key.
    pub partition_key: Key,
    /// When it was deleted or expired, in seconds since 1970, if that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted_ts: Option<i64>,
}

impl Deletion {
    pub(crate) fn decode(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| format!("not a deletion: {error}"))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_deletion_is_read_back_as_it_was_written(
            id in any::<String>(), key in any::<String>(), deleted_ts in proptest::option::of(any::<i64>()),
        ) {
            let deletion = Deletion { id, partition_key: Key::text(key), deleted_ts };
            let line = String::from_utf8(deletion.encode().expect("line")).expect("UTF-8");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Deletion::decode(&line).expect("deletion"), deletion);
        }
    }

    #[test]
    fn a_document_is_no_deletion() {
        for line in [r#"{"id":"1","partitionKey":["a"],"_ts":1,"_etag":"e"}"#, r#"{"id":"1"}"#, "[]", ""] {
            assert!(Deletion::decode(line).is_err(), "{line}");
        }
        assert!(Deletion::decode(r#"{"id":"1","partitionKey":["a",{},null]}"#).is_ok());
    }
}
