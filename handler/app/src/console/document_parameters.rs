//! The parameters of the page of a document.

use changefeed_cosmos::{DocumentName, Key};
use maud::Markup;
use serde::Deserialize;

use super::address::Address;
use super::document_link::named;
use crate::functions::history::document_name;
use crate::http::ApiError;

/// The parameters as they are in the address. An empty one is the same as none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DocumentParameters {
    /// The id of the document.
    pub id: String,
    pk: String,
    partition_key: String,
    version: String,
    with: String,
    view: String,
    layout: String,
    /// Shows the document as of this time.
    pub as_of: String,
    continuation: String,
    line: String,
}

/// How a document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Compared with another version.
    Compare,
    /// As it is.
    Whole,
    /// With the versions that set its fields.
    Blame,
}

/// What a version is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// The version before it.
    Previous,
    /// The live document.
    Live,
    /// The version with this id.
    Version(String),
}

/// What the page shows of a document.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// The document.
    pub document: DocumentName,
    /// The chosen version; `None` for the newest one.
    pub version: Option<String>,
    /// What it is compared with.
    pub with: With,
    /// How it is shown.
    pub view: View,
    /// Whether both sides of a comparison are beside each other.
    pub in_columns: bool,
    /// The continuation of the list of versions.
    pub continuation: Option<String>,
    /// The first line that is shown.
    pub line: usize,
}

impl DocumentParameters {
    /// Whether the key of the document is given.
    pub fn has_key(&self) -> bool {
        !self.pk.is_empty() || !self.partition_key.is_empty()
    }

    /// Checks the parameters of a document with this key, or with the one that they name.
    ///
    /// # Errors
    /// Names the parameter, its value, and what is allowed.
    pub fn read(&self, key: Option<Key>) -> Result<DocumentRequest, ApiError> {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let refused = |name: &str, text: &str, allowed: &str| {
            Err(ApiError::bad_request(format!("{name}: {text:?} is not allowed; use {allowed}")))
        };
        let document = match key {
            Some(partition_key) => DocumentName { id: self.id.clone(), partition_key },
            None => document_name(self.id.clone(), given(&self.pk), given(&self.partition_key))?,
        };
        let view = match self.view.as_str() {
            "" | "compare" => View::Compare,
            "whole" => View::Whole,
            "blame" => View::Blame,
            other => return refused("view", other, "compare, whole or blame"),
        };
        let in_columns = match self.layout.as_str() {
            "" | "inline" => false,
            "columns" => true,
            other => return refused("layout", other, "inline or columns"),
        };
        let line = match self.line.as_str() {
            "" => 0,
            text => match text.parse() {
                Ok(line) => line,
                Err(_) => return refused("line", text, "a whole number"),
            },
        };
        Ok(DocumentRequest {
            document,
            version: given(&self.version),
            with: match self.with.as_str() {
                "" | "previous" => With::Previous,
                "live" => With::Live,
                version => With::Version(version.to_owned()),
            },
            view,
            in_columns,
            continuation: given(&self.continuation),
            line,
        })
    }
}

impl DocumentRequest {
    /// The address of what is shown.
    pub fn address(&self) -> Address {
        let mut address = named(Address::of("document"), &self.document.id, &self.document.partition_key);
        if let Some(version) = &self.version {
            address = address.with("version", version);
        }
        match &self.with {
            With::Previous => {}
            With::Live => address = address.with("with", "live"),
            With::Version(other) => address = address.with("with", other),
        }
        match self.view {
            View::Compare => {}
            View::Whole => address = address.with("view", "whole"),
            View::Blame => address = address.with("view", "blame"),
        }
        if self.in_columns {
            address = address.with("layout", "columns");
        }
        if let Some(continuation) = &self.continuation {
            address = address.with("continuation", continuation);
        }
        address
    }

    /// The same of another version, compared with something.
    pub fn of_version(&self, version: &str, with: With) -> Self {
        Self { version: Some(version.to_owned()), with, line: 0, ..self.clone() }
    }

    /// The same in another view.
    pub fn viewed(&self, view: View) -> Self {
        Self { view, line: 0, ..self.clone() }
    }

    /// The name of the document, as a heading.
    pub fn name(&self) -> Markup {
        super::document_link::document(&self.document.id, &self.document.partition_key)
    }
}
