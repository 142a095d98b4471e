//! The parameters of the page of a document.

use std::fmt::{self, Display, Formatter};

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::VersionId;
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
    list: String,
    line: String,
    fold: String,
    value: String,
    character: String,
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

/// The part of a long document that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From this line on.
    Lines(usize),
    /// The folded lines of a comparison from this one on.
    Fold(usize),
    /// A value of which its line has only the beginning: the line, and the first character of the value.
    Value(usize, usize),
}

/// The first version of a list of versions: its second and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStart {
    /// Seconds since 1970.
    pub second: i64,
    /// The id of the version.
    pub id: String,
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
    /// Where the list of versions begins; `None` for the newest one.
    pub list: Option<ListStart>,
    /// The part that is shown.
    pub part: Part,
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
        let whole_number = |name: &str, text: &String| match text.as_str() {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => refused(name, text, "a whole number"),
            },
        };
        let part = match (whole_number("fold", &self.fold)?, whole_number("value", &self.value)?) {
            (Some(line), _) => Part::Fold(line),
            (_, Some(line)) => Part::Value(line, whole_number("character", &self.character)?.unwrap_or_default()),
            (None, None) => Part::Lines(whole_number("line", &self.line)?.unwrap_or_default()),
        };
        let list = match ListStart::read(&self.list) {
            None if !self.list.is_empty() => {
                return refused("list", &self.list, "a second, a colon and the id of a version");
            }
            list => list,
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
            list,
            part,
        })
    }
}

/// The error about a parameter.
fn refused<T>(name: &str, text: &str, allowed: &str) -> Result<T, ApiError> {
    Err(ApiError::bad_request(format!("{name}: {text:?} is not allowed; use {allowed}")))
}

impl ListStart {
    /// The start of a list at a version.
    pub fn at(second: i64, id: &VersionId) -> Self {
        Self { second, id: id.to_string() }
    }

    fn read(text: &str) -> Option<Self> {
        let (second, id) = text.split_once(':')?;
        Some(Self { second: second.parse().ok()?, id: id.to_owned() })
    }
}

impl Display for ListStart {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.second, self.id)
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
        if let Some(start) = &self.list {
            address = address.with("list", start.to_string());
        }
        match self.part {
            Part::Lines(0) => address,
            Part::Lines(line) => address.with("line", line.to_string()),
            Part::Fold(line) => address.with("fold", line.to_string()),
            Part::Value(line, 0) => address.with("value", line.to_string()),
            Part::Value(line, character) => {
                address.with("value", line.to_string()).with("character", character.to_string())
            }
        }
    }

    /// The address of another part.
    pub fn part(&self, part: Part) -> Address {
        Self { part, ..self.clone() }.address()
    }

    /// The same of another version, compared with something.
    pub fn of_version(&self, version: &str, with: With) -> Self {
        Self { version: Some(version.to_owned()), with, part: Part::Lines(0), ..self.clone() }
    }

    /// The same in another view.
    pub fn viewed(&self, view: View) -> Self {
        Self { view, part: Part::Lines(0), ..self.clone() }
    }

    /// The name of the document, as a heading.
    pub fn name(&self) -> Markup {
        super::document_link::document(&self.document.id, &self.document.partition_key)
    }
}
