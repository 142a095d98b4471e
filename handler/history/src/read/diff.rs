//! The difference between two versions of a document, or between a version and the live document.

use changefeed_cosmos::{DocumentName, Error, FieldPath};
use serde::Serialize;
use serde_json::Value;

use crate::difference::{FieldChange, changes};
use crate::history::History;
use crate::omitted_fields::remove_fields;
use crate::version::Version;

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

/// A state of a document.
#[derive(Default)]
struct State {
    document: Value,
    omitted: Vec<FieldPath>,
}

impl History {
    /// The difference between two states, each the id of a version or `live`. A state in which the document does not exist is `null`.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when the document has no such version.
    pub async fn difference(&self, document: &DocumentName, from: &str, to: &str) -> Result<Difference, Error> {
        let (mut before, mut after) = (self.state(document, from).await?, self.state(document, to).await?);
        // What one of them lacks because it is never stored is no difference.
        let omitted = [before.omitted, after.omitted].concat();
        remove_fields(&mut before.document, &omitted);
        remove_fields(&mut after.document, &omitted);
        let (before, after) = (before.document, after.document);
        let patch = serde_json::to_value(json_patch::diff(&before, &after))
            .map_err(|error| Error::internal("comparing versions", error))?;
        Ok(Difference { from: from.to_owned(), to: to.to_owned(), patch, changes: changes(&before, &after) })
    }

    async fn state(&self, document: &DocumentName, name: &str) -> Result<State, Error> {
        let version = match name {
            LIVE => self.live(document).await?.map(|live| self.as_recorded(live)),
            _ => Some(self.version(document, name).await?),
        };
        let state =
            |version: Version| State { document: version.document.unwrap_or_default(), omitted: version.omitted };
        Ok(version.map(state).unwrap_or_default())
    }
}
