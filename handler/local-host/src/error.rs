//! Why a host does not start, and why a running host shuts itself down.

use std::path::PathBuf;
use std::time::Duration;

/// A host could not be started, or has no such function.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A value in host.json or a function.json is invalid or not supported.
    #[error("{file}: {field} is {found}; allowed: {allowed}", file = file.display())]
    Configuration {
        /// The file that holds the value.
        file: PathBuf,
        /// The path of the property: `bindings[0].feedPollDelay`.
        field: String,
        /// The value as JSON, or `missing`.
        found: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {file}: {source}", file = file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file is not JSON.
    #[error("{file} is not valid JSON: {source}", file = file.display())]
    NotJson {
        /// The file.
        file: PathBuf,
        /// The syntax error and its position.
        source: serde_json::Error,
    },
    /// The connection of a trigger cannot be used.
    #[error("function {function}: connection {connection}: {problem}")]
    Connection {
        /// The function's name.
        function: String,
        /// The connection's name in function.json.
        connection: String,
        /// The problem and its remedy.
        problem: String,
    },
    /// Another program listens on the port.
    #[error("port {port} is in use; choose another port, or 0 for any free one")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The host cannot listen on the port.
    #[error("cannot listen on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The handler's executable cannot be started.
    #[error("cannot start the handler {executable}: {source}", executable = executable.display())]
    Spawn {
        /// The executable.
        executable: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// No function of this name has a Cosmos DB trigger.
    #[error("there is no function {0} with a Cosmos DB trigger")]
    UnknownFunction(String),
}

/// Why a running host shut itself down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFailure {
    /// The handler failed too often.
    #[error("the handler failed {errors} times; the last time it {last}. The host is shutting down")]
    RestartLimit {
        /// How many errors were counted.
        errors: usize,
        /// The last error: `ended with code 1`.
        last: String,
    },
    /// An invocation waited too long for the handler to become ready.
    #[error("the handler did not become ready within {waited:?}. The host is shutting down")]
    InitializationTimedOut {
        /// How long the invocation waited.
        waited: Duration,
    },
    /// The handler could not be restarted.
    #[error("the handler could not be restarted: {0}")]
    Spawn(String),
    /// The host was stopped.
    #[error("the host was stopped")]
    Stopped,
}

/// The error followed by its causes, because the message of an HTTP client's error omits them.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
