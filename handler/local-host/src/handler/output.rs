//! The lines that the handler prints, and at what level they are logged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use log::Level;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use crate::options::{HandlerOutput, OutputLine};

/// How many lines of stderr explain an exit.
const EXPLAINING_LINES: usize = 3;
/// Lines of a handler that speaks to the host's own log rather than to the app's.
const WORKER_LOG_PREFIX: &str = "LanguageWorkerConsoleLog";

/// The last errors that a process printed.
#[derive(Clone, Debug, Default)]
pub(super) struct LastErrors(Arc<Mutex<VecDeque<String>>>);

impl LastErrors {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == EXPLAINING_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(super) fn joined(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join(",")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct OutputReader {
    pub destination: HandlerOutput,
    /// Whether a line on stderr is an error whatever it says.
    pub stderr_for_errors_only: bool,
}

impl OutputReader {
    /// Reads both pipes until the process, and whatever inherited them, is gone.
    pub(super) fn drain(&self, child: &mut Child) -> LastErrors {
        let errors = LastErrors::default();
        if let Some(stdout) = child.stdout.take() {
            let reader = self.clone();
            tokio::spawn(each_line(stdout, move |line| reader.emit(Level::Info, line)));
        }
        if let Some(stderr) = child.stderr.take() {
            let (reader, errors) = (self.clone(), errors.clone());
            tokio::spawn(each_line(stderr, move |line| {
                let level = stderr_level(&line, reader.stderr_for_errors_only);
                if level == Level::Error {
                    errors.push(&line);
                }
                reader.emit(level, line);
            }));
        }
        errors
    }

    fn emit(&self, level: Level, text: String) {
        match &self.destination {
            HandlerOutput::Log => match text.strip_prefix(WORKER_LOG_PREFIX) {
                Some(text) => log::log!(target: "worker", level, "{text}"),
                None => log::log!(target: "handler", level, "{text}"),
            },
            // Nobody listens any more.
            HandlerOutput::Channel(channel) => drop(channel.send(OutputLine { level, text })),
        }
    }
}

fn stderr_level(line: &str, errors_only: bool) -> Level {
    let line = line.to_lowercase();
    let says_error = || ["error", "fail", "severe", "unhandled exception"].iter().any(|word| line.contains(word));
    match () {
        () if line.contains("warn") => Level::Warn,
        () if errors_only || says_error() => Level::Error,
        () => Level::Info,
    }
}

async fn each_line(pipe: impl AsyncRead + Unpin, emit: impl Fn(String)) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let text = String::from_utf8_lossy(&line);
        emit(text.trim_end_matches('\r').to_owned());
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::{LastErrors, stderr_level};

    #[test]
    fn stderr_is_an_error_or_a_warning() {
        assert_eq!(stderr_level("all is well", true), Level::Error);
        assert_eq!(stderr_level("[WARNING] low disk", true), Level::Warn);
        assert_eq!(stderr_level("it failed, be warned", false), Level::Warn);
        assert_eq!(stderr_level("it Failed", false), Level::Error);
        assert_eq!(stderr_level("all is well", false), Level::Info);
    }

    #[test]
    fn an_exit_is_explained_by_the_last_three_lines() {
        let errors = LastErrors::default();
        for line in ["one", "two", "", "three"] {
            errors.push(line);
        }
        assert_eq!(errors.joined(), "two,three");
    }
}
