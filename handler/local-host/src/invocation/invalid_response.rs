//! A response that the host cannot read, in the words of the real host's libraries.

use std::fmt;

/// The type that the whole response is read as.
pub(super) const RESULT_TYPE: &str = "Microsoft.Azure.WebJobs.Script.Workers.Http.HttpScriptInvocationResult";
pub(super) const OUTPUTS_TYPE: &str = "System.Collections.Generic.IDictionary`2[System.String,System.Object]";
pub(super) const LOGS_TYPE: &str = "System.Collections.Generic.List`1[System.String]";

/// A response with a status of success that is not a JSON object of the expected shape.
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidResponse {
    /// The status line and the headers, as .NET displays them.
    pub head: String,
    /// The response body.
    pub body: String,
    /// What is wrong with the response.
    pub problem: Problem,
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n {}", self.head, self.body)
    }
}

/// Why the host cannot read a response.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// It is not declared as JSON.
    #[error(
        "No MediaTypeFormatter is available to read an object of type 'HttpScriptInvocationResult' from content with media type '{media_type}'."
    )]
    MediaType {
        /// The declared media type, or the one that is assumed.
        media_type: String,
        /// The declared character set.
        charset: Option<String>,
    },
    /// The JSON ends too early.
    #[error("Unexpected end when reading JSON. Path '', {0}.")]
    UnexpectedEnd(Position),
    /// A value that is neither an array nor an object stands in place of one.
    #[error("Error converting value {value} to type '{to}'. Path '{path}', {position}.")]
    Conversion {
        /// The value, as .NET displays it.
        value: String,
        /// Its .NET type.
        from: &'static str,
        /// The expected .NET type.
        to: &'static str,
        /// The member.
        path: &'static str,
        /// Where the value ends.
        position: Position,
    },
    /// An array stands in place of an object, or an object in place of an array.
    #[error("{0}")]
    Array(String),
    /// It is not JSON, or an element of an array cannot be a text.
    #[error("{0}")]
    Syntax(String),
}

/// A position in a text. Lines count from 1, and characters from the beginning of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    line: usize,
    column: usize,
}

impl Position {
    /// The position after this text.
    pub(super) fn after(text: &str) -> Self {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        Self { line: text.matches('\n').count() + 1, column: last_line.chars().count() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, position {}", self.line, self.column)
    }
}
