//! Starts handler processes: executable, arguments, folder and environment.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use uuid::Uuid;

use super::arguments::{split, without_variables};
use crate::app::{Description, Settings};
use crate::error::HostError;
use crate::options::HostOptions;

#[derive(Debug)]
pub(crate) struct HandlerCommand {
    executable: String,
    arguments: Arguments,
    working_directory: PathBuf,
    script_root: PathBuf,
    settings: Settings,
    port: u16,
}

#[derive(Debug)]
enum Arguments {
    /// Passed on unchanged.
    Verbatim(Vec<String>),
    /// Still to be expanded and split.
    CommandLine(String),
}

impl HandlerCommand {
    /// `script_root` is absolute.
    pub(crate) fn new(
        options: &HostOptions,
        description: &Description,
        script_root: &Path,
        settings: &Settings,
        port: u16,
    ) -> Result<Self, HostError> {
        let executable = match &options.executable {
            Some(executable) => executable.to_string_lossy().into_owned(),
            None => executable(description, script_root, settings)?,
        };
        let arguments = match &options.arguments {
            Some(arguments) => Arguments::Verbatim(arguments.clone()),
            None => Arguments::CommandLine(command_line(description, settings)),
        };
        let directory = description.working_directory.as_deref().unwrap_or_default();
        Ok(Self {
            executable,
            arguments,
            working_directory: script_root.join(directory),
            script_root: script_root.to_owned(),
            settings: settings.clone(),
            port,
        })
    }

    /// Starts a process with piped output. Dropping the returned value kills it.
    pub(crate) fn spawn(&self) -> Result<Child, HostError> {
        let variables = self.variables();
        let replace_variables = |text: &str| {
            variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("%{name}%"), value))
        };
        let executable = replace_variables(&self.executable);
        let arguments = match &self.arguments {
            Arguments::Verbatim(arguments) => arguments.clone(),
            Arguments::CommandLine(line) => split(&without_variables(&replace_variables(line))),
        };
        log::debug!("starting the handler in {}", self.working_directory.display());
        Command::new(&executable)
            .args(arguments)
            .current_dir(&self.working_directory)
            .envs(self.settings.app_settings())
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| HostError::Spawn { executable: PathBuf::from(executable), source })
    }

    /// The five variables that the host adds. Every process has its own worker id.
    fn variables(&self) -> [(&'static str, String); 5] {
        let (port, id) = (self.port.to_string(), Uuid::new_v4().to_string());
        [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.clone()),
            ("FUNCTIONS_HTTPWORKER_PORT", port),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", id.clone()),
            ("FUNCTIONS_HTTPWORKER_ID", id),
            ("FUNCTIONS_APP_ROOT_PATH", self.script_root.display().to_string()),
        ]
    }
}

/// A relative path denotes a file in the worker directory if that exists; otherwise PATH is searched.
fn executable(description: &Description, script_root: &Path, settings: &Settings) -> Result<String, HostError> {
    let configured = description.executable.as_deref().map(|path| settings.expand(path)).unwrap_or_default();
    if configured.is_empty() {
        return Err(HostError::Configuration {
            file: script_root.join("host.json"),
            field: "customHandler.description.defaultExecutablePath".to_owned(),
            found: "missing".to_owned(),
            allowed: "the path of an executable".to_owned(),
        });
    }
    let worker_directory = script_root.join(description.worker_directory.as_deref().unwrap_or_default());
    let path = worker_directory.join(&configured);
    Ok(if path.is_file() { path.to_string_lossy().into_owned() } else { configured })
}

fn command_line(description: &Description, settings: &Settings) -> String {
    let expand = |argument: &String| settings.expand(argument);
    let mut parts: Vec<String> = description.arguments.iter().map(expand).collect();
    parts.extend(description.worker_path.as_ref().map(|path| format!("\"{}\"", settings.expand(path))));
    parts.extend(description.worker_arguments.iter().map(expand));
    parts.join(" ")
}
