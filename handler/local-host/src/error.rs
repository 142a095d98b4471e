//! Why a host does not start, and why a running one shut itself down.

use std::path::PathBuf;
use std::time::Duration;

/// A host could not be started, or was asked for something it does not have.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A value in host.json or a function.json that this host cannot work with.
    #[error("{file}: {field} is {found}; allowed: {allowed}", file = file.display())]
    Configuration {
        /// The file that holds the value.
        file: PathBuf,
        /// The property, with the ones around it: `bindings[0].feedPollDelay`.
        field: String,
        /// What the file says, or `missing`.
        found: String,
        /// What could stand there.
        allowed: String,
    },
    /// A file that cannot be read.
    #[error("{file}: {source}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file that is not JSON.
    #[error("{file}: {source}", file = file.display())]
    NotJson {
        /// The file.
        file: PathBuf,
        /// Where it ceases to be JSON.
        source: serde_json::Error,
    },
    /// The connection that a trigger names cannot be used.
    #[error("function {function}: connection {connection}: {problem}")]
    Connection {
        /// The function's name.
        function: String,
        /// The setting's name, as function.json has it.
        connection: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another program listens on the port.
    #[error("port {port} is in use; choose another, or 0 for any free one")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error("listening on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The handler's executable cannot be started.
    #[error("starting the handler {executable}: {source}", executable = executable.display())]
    Spawn {
        /// The executable.
        executable: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The HTTP client towards the handler cannot be set up.
    #[error("setting up the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// There is no function of that name with a Cosmos DB trigger.
    #[error("there is no function {0} with a Cosmos DB trigger")]
    UnknownFunction(String),
}

/// Why a running host shut itself down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFailure {
    /// The handler ended by itself once too often.
    #[error("the handler ended {errors} times, the last time because: {last}. Shutting down the host")]
    RestartLimit {
        /// How many errors were counted.
        errors: usize,
        /// The last of them.
        last: String,
    },
    /// No handler answered in time while an invocation waited for it.
    #[error("the handler did not answer within {waited:?}. Initialization timed out and host is shutting down")]
    InitializationTimedOut {
        /// How long the invocation waited.
        waited: Duration,
    },
    /// The handler could not be started again.
    #[error("the handler could not be started again: {0}")]
    Spawn(String),
    /// The host was told to stop.
    #[error("the host was stopped")]
    Stopped,
}
