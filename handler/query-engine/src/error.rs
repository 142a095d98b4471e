//! Why a query is refused, in the words of the service where they are known.

use serde::Serialize;

/// What kind of answer a refused query gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text or its parameters are invalid: status 400.
    Invalid,
    /// The service has it, this engine does not: status 501.
    NotSupported,
}

/// A query that is not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Which answer the client gets: 400 or 501.
    pub kind: ErrorKind,
    /// The service's code, such as `SC1001`; `None` where the service has none.
    pub code: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// Where, as offsets in UTF-16 code units, which is how the service counts; the end is exclusive.
    pub location: Option<(usize, usize)>,
}

/// The bytes of the text that something was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

impl QueryError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        let location = Some((span.start, span.end));
        Self { kind: ErrorKind::Invalid, code: Some(code), message: message.into(), location }
    }

    pub(crate) fn syntax(near: &str, span: Span) -> Self {
        Self::new("SC1001", format!("Syntax error, incorrect syntax near '{near}'."), span)
    }

    /// An error whose code in the service is not known.
    pub(crate) fn located(message: impl Into<String>, span: Span) -> Self {
        Self { location: Some((span.start, span.end)), ..Self::general(message) }
    }

    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, code: None, message: message.into(), location: None }
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::NotSupported, ..Self::general(message) }
    }

    /// Turns offsets in bytes of the text into offsets in UTF-16 code units.
    pub(crate) fn located_in(mut self, text: &str) -> Self {
        let units = |offset: usize| text.get(..offset).unwrap_or(text).encode_utf16().count();
        self.location = self.location.map(|(start, end)| (units(start), units(end)));
        self
    }

    /// The error as the service writes it into the message of its answer.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Location {
            start: usize,
            end: usize,
        }
        /// The service has texts and numbers for codes.
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Code {
            Number(u32),
            Text(&'static str),
        }
        #[derive(Serialize)]
        struct Detail<'a> {
            severity: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            location: Option<Location>,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<Code>,
            message: &'a str,
        }
        #[derive(Serialize)]
        struct Errors<'a> {
            errors: [Detail<'a>; 1],
        }
        // Errors without a place have another form.
        if self.code.is_none() && self.location.is_none() {
            return serde_json::json!({ "Errors": [self.message] }).to_string();
        }
        let location = self.location.map(|(start, end)| Location { start, end });
        let code = self.code.map(|code| code.parse().map_or(Code::Text(code), Code::Number));
        let detail = Detail { severity: "Error", location, code, message: &self.message };
        serde_json::to_string(&Errors { errors: [detail] }).unwrap_or_else(|_| self.message.clone())
    }
}
