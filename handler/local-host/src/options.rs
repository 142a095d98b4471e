//! The options of a host.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::newtonsoft::TimeZone;

/// The default of a .NET host.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of [`Host::start`](crate::Host::start). Construct with `..HostOptions::default()`.
#[derive(Clone)]
pub struct HostOptions {
    /// The folder that holds host.json, and one folder with a function.json per function. Default: the current folder.
    pub script_root: PathBuf,
    /// The port on 127.0.0.1 that serves the functions; 0 is any free one. Default: 7071.
    pub port: u16,
    /// App settings. The handler receives them as environment variables, on top of the inherited ones.
    pub settings: BTreeMap<String, String>,
    /// Whether functions of authorization level `function` and `admin` require a key. Default: no, as under Core Tools.
    pub require_keys: bool,
    /// The handler's executable, instead of `customHandler.description.defaultExecutablePath`.
    pub executable: Option<PathBuf>,
    /// The handler's arguments, passed on unchanged, instead of those of `customHandler.description`.
    pub arguments: Option<Vec<String>>,
    /// The time limit of an invocation, instead of `functionTimeout` of host.json.
    pub function_timeout: Option<Duration>,
    /// How the bodies of invocations are framed.
    pub framing: Framing,
    /// The time zone of the host, in which it reads schedules and writes dates that have an offset. Default: UTC, as in Azure.
    pub time_zone: TimeZone,
    /// The folder that stores when timers were called last, so that the next start makes up for a missed call. Default: none; every
    /// start is the first one.
    pub timer_status_folder: Option<PathBuf>,
    /// How long a host that stops waits for calls of triggers in progress, before it kills the handler. Default: 30 seconds.
    pub shutdown_timeout: Duration,
    /// Where the handler's output goes.
    pub handler_output: HandlerOutput,
    /// The number of handler errors, less than half an hour apart, that shuts the host down. Default: 3, as in the real
    /// host. `None` is no limit; a handler that ends before it is ready is then restarted after one second.
    pub restart_limit: Option<u32>,
}

impl fmt::Debug for HostOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any setting can be a secret, and an argument can be the value of a setting.
        let settings: Vec<&String> = self.settings.keys().collect();
        formatter
            .debug_struct("HostOptions")
            .field("script_root", &self.script_root)
            .field("port", &self.port)
            .field("settings", &settings)
            .finish_non_exhaustive()
    }
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
            time_zone: TimeZone::default(),
            timer_status_folder: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            handler_output: HandlerOutput::default(),
            restart_limit: Some(3),
        }
    }
}

/// How the body of an invocation is framed. The real host sends chunks in Azure and a length under Core Tools; a handler
/// must accept both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// `Content-Length`.
    ContentLength,
    /// Alternates between the two, chunked first.
    #[default]
    Alternate,
}

/// Where the handler's output goes, line by line.
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
    /// Info on stdout. On stderr warning if the line contains "warn", and otherwise error, or info where
    /// `useStdErrorStreamForErrorsOnly` is false and the line reports no error.
    pub level: log::Level,
    /// The line without its line ending. A line over 64 KiB arrives in pieces.
    pub text: String,
}
