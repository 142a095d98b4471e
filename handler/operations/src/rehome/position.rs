//! The position within a part of the other container. It is stored as the continuation of the part.

use changefeed_cosmos::{DocumentName, Error};
use changefeed_history::LastVersion;
use serde::{Deserialize, Serialize};

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Position {
    /// The continuation of the query for documents; `None` at the start, and after the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether the query has no further page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_last: bool,
    /// The documents of the page before that have further versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<DocumentPosition>,
}

/// A document, and which of its versions are next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocumentPosition {
    /// The document in the other history.
    pub document: DocumentName,
    /// Its versions up to this second are done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second: Option<i64>,
    /// The last of these versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<LastVersion>,
}

impl DocumentPosition {
    /// The first version of a document.
    pub(super) fn first(document: DocumentName) -> Self {
        Self { document, second: None, last: None }
    }
}

impl DocumentPosition {
    /// The names of the document: in the other history, and in this one.
    pub(super) fn names(&self) -> Vec<DocumentName> {
        let here =
            self.last.as_ref().map(|last| DocumentName { partition_key: last.key.clone(), ..self.document.clone() });
        std::iter::once(self.document.clone()).chain(here).collect()
    }
}

impl Position {
    /// Reads a continuation; without one, the start.
    ///
    /// # Errors
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when it is none of a move.
    pub(super) fn read(continuation: Option<&str>) -> Result<Self, Error> {
        let Some(text) = continuation else { return Ok(Self::default()) };
        serde_json::from_str(text).map_err(|error| Error::corrupt("reading the position of a move", error))
    }

    /// The continuation; `None` at the end of the part.
    ///
    /// # Errors
    /// [`Internal`](changefeed_cosmos::ErrorKind::Internal) when it is not JSON.
    pub(super) fn write(&self) -> Result<Option<String>, Error> {
        if self.is_last && self.unfinished.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_string(self).map_err(|error| Error::internal("saving the position of a move", error));
        text.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::Key;
    use changefeed_history::VersionId;

    #[test]
    fn a_position_is_read_back_as_it_was_written_until_nothing_follows() {
        let document = DocumentName { id: "1".into(), partition_key: Key::text("a") };
        let last = LastVersion { id: VersionId::from("v"), key: Key::text("b"), lsn: Some(7), exists: true };
        let unfinished = DocumentPosition { document, second: Some(5), last: Some(last) };
        let position = Position { next: None, is_last: true, unfinished: vec![unfinished] };
        let text = position.write().expect("text").expect("more");
        assert_eq!(Position::read(Some(&text)).expect("position"), position);
        let done = Position { unfinished: Vec::new(), ..position };
        assert_eq!(done.write().expect("text"), None);
        assert_eq!(Position::read(None).expect("position"), Position::default());
        assert!(Position::default().write().expect("text").is_some());
        assert!(Position::read(Some("7")).is_err());
    }
}
