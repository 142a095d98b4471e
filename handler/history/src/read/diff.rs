//! What differs between two versions of a document, or a version and the live document.

use serde::Serialize;
use serde_json::Value;

use super::versions::DocumentName;
use crate::cosmos::{Error, ErrorKind};
use crate::difference::{FieldChange, changes};
use crate::store::Store;

/// Names the live document in place of a version.
const LIVE: &str = "live";

/// The difference of two states of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where it starts: a version's id or `live`.
    pub from: String,
    /// Where it leads.
    pub to: String,
    /// For programs: a JSON Patch (RFC 6902) that makes the second of the first.
    pub patch: Value,
    /// For people: field by field.
    pub changes: Vec<FieldChange>,
}

impl Store {
    /// The difference between two states, each a version's id or `live`. A document that is not there is `null`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the document has no such version.
    pub async fn difference(&self, document: &DocumentName, from: &str, to: &str) -> Result<Difference, Error> {
        let (before, after) = (self.state(document, from).await?, self.state(document, to).await?);
        let patch = serde_json::to_value(json_patch::diff(&before, &after))
            .map_err(|error| Error::new(ErrorKind::Invalid, "comparing versions", error.to_string()))?;
        Ok(Difference { from: from.to_owned(), to: to.to_owned(), patch, changes: changes(&before, &after) })
    }

    async fn state(&self, document: &DocumentName, name: &str) -> Result<Value, Error> {
        if name == LIVE {
            return Ok(self.live(document).await?.and_then(|live| live.document).unwrap_or_default());
        }
        Ok(self.version(document, name).await?.document.unwrap_or_default())
    }
}
