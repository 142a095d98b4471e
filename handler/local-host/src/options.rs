//! What a host is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

/// The parameters of [`Host::start`](crate::Host::start). Construct with `..HostOptions::default()`.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The folder with host.json and a folder with a function.json for each function. By default the current one.
    pub script_root: PathBuf,
    /// The port on 127.0.0.1 to serve functions on; 0 is any free one. By default 7071.
    pub port: u16,
    /// App settings. The handler sees them as environment variables, on top of the ones that it inherits.
    pub settings: BTreeMap<String, String>,
    /// Whether functions of authorization level `function` and `admin` are called with a key. By default not, as
    /// under Core Tools.
    pub require_keys: bool,
    /// The handler's executable, in place of `customHandler.description.defaultExecutablePath`.
    pub executable: Option<PathBuf>,
    /// The handler's arguments, each passed on as it is, in place of those of `customHandler.description`.
    pub arguments: Option<Vec<String>>,
    /// How long an invocation may take, in place of `functionTimeout` of host.json.
    pub function_timeout: Option<Duration>,
    /// How the bodies of invocations are framed.
    pub framing: Framing,
    /// Where the lines go that the handler prints.
    pub handler_output: HandlerOutput,
    /// How many errors of the handler within half an hour of each other shut the host down: 3 in the real host, which
    /// is the default. `None`: any number; a handler that ends before it is ready is then started again after a second.
    pub restart_limit: Option<u32>,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            script_root: PathBuf::from("."),
            port: 7071,
            settings: BTreeMap::new(),
            require_keys: false,
            executable: None,
            arguments: None,
            function_timeout: None,
            framing: Framing::default(),
            handler_output: HandlerOutput::default(),
            restart_limit: Some(3),
        }
    }
}

/// How the body of an invocation is framed. The host chunks it in Azure and sends its length under Core Tools; a handler
/// has to take both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Content-Length`.
    ContentLength,
    /// The two in turn, from one invocation to the next, chunked first.
    #[default]
    Alternate,
}

/// Where the lines go that the handler prints.
#[derive(Clone, Debug, Default)]
pub enum HandlerOutput {
    /// To the log, with target `handler`.
    #[default]
    Log,
    /// To this channel.
    Channel(UnboundedSender<OutputLine>),
}

/// A line that the handler printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// Info for a line on stdout; for one on stderr error, or warning when it says so.
    pub level: log::Level,
    /// The line without its end.
    pub text: String,
}
