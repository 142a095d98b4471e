//! The difference between two versions of a document, or between a version and the live document.

use changefeed_cosmos::{DocumentName, Error};
use serde::Serialize;
use serde_json::Value;

use crate::difference::{FieldChange, changes};
use crate::history::History;

/// Stands for the live document in place of the id of a version.
const LIVE: &str = "live";

/// The difference between two states of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The first state: the id of a version, or `live`.
    pub from: String,
    /// The second state.
    pub to: String,
    /// For programs: a JSON Patch (RFC 6902) that turns the first state into the second.
    pub patch: Value,
    /// For display: the fields that differ.
    pub changes: Vec<FieldChange>,
}

impl History {
    /// The difference between two states, each the id of a version or `live`. A state in which the document does not exist is `null`.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when the document has no such version.
    pub async fn difference(&self, document: &DocumentName, from: &str, to: &str) -> Result<Difference, Error> {
        let (before, after) = (self.state(document, from).await?, self.state(document, to).await?);
        let patch = serde_json::to_value(json_patch::diff(&before, &after))
            .map_err(|error| Error::internal("comparing versions", error))?;
        Ok(Difference { from: from.to_owned(), to: to.to_owned(), patch, changes: changes(&before, &after) })
    }

    async fn state(&self, document: &DocumentName, name: &str) -> Result<Value, Error> {
        if name == LIVE {
            return Ok(self.live(document).await?.and_then(|live| live.document).unwrap_or_default());
        }
        Ok(self.version(document, name).await?.document.unwrap_or_default())
    }
}
