//! The handler's output, line by line, and the log level of each line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use log::Level;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Child;

use crate::options::{HandlerOutput, OutputLine};

/// How many error lines are quoted when the process ends.
const QUOTED_LINES: usize = 3;
/// A longer line is emitted in pieces, to bound memory.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Lines with this prefix go to the host's log instead of the app's.
const WORKER_LOG_PREFIX: &str = "LanguageWorkerConsoleLog";

/// The last error lines that a process printed.
#[derive(Clone, Debug, Default)]
pub(super) struct LastErrors(Arc<Mutex<VecDeque<String>>>);

impl LastErrors {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == QUOTED_LINES {
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
    /// Whether every line on stderr is an error, except warnings.
    pub stderr_for_errors_only: bool,
}

impl OutputReader {
    /// Reads both pipes until the process, and any child that inherited them, has ended.
    pub(super) fn read(&self, child: &mut Child) -> LastErrors {
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
            // The receiver may have been dropped.
            HandlerOutput::Channel(channel) => drop(channel.send(OutputLine { level, text })),
        }
    }
}

fn stderr_level(line: &str, errors_only: bool) -> Level {
    let line = line.to_lowercase();
    let reports_error = || ["error", "fail", "severe", "unhandled exception"].iter().any(|word| line.contains(word));
    match () {
        () if line.contains("warn") => Level::Warn,
        () if errors_only || reports_error() => Level::Error,
        () => Level::Info,
    }
}

async fn each_line(pipe: impl AsyncRead + Unpin, emit: impl Fn(String)) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => emit(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                log::warn!("cannot read the handler's output: {error}");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use log::Level;

    use super::{LastErrors, MAX_LINE_BYTES, each_line, stderr_level};

    #[test]
    fn a_line_on_stderr_is_an_error_a_warning_or_info() {
        assert_eq!(stderr_level("all is well", true), Level::Error);
        assert_eq!(stderr_level("[WARNING] low disk", true), Level::Warn);
        assert_eq!(stderr_level("it failed, be warned", false), Level::Warn);
        assert_eq!(stderr_level("it Failed", false), Level::Error);
        assert_eq!(stderr_level("all is well", false), Level::Info);
    }

    async fn lines(output: &[u8]) -> Vec<String> {
        let lines = RefCell::new(Vec::new());
        each_line(output, |line| lines.borrow_mut().push(line)).await;
        lines.into_inner()
    }

    #[tokio::test]
    async fn output_is_split_into_lines_without_their_endings() {
        assert_eq!(lines(b"one\ntwo\r\n\n\xff\nlast").await, ["one", "two", "", "\u{fffd}", "last"]);
        assert!(lines(b"").await.is_empty());
    }

    #[tokio::test]
    async fn a_long_line_is_emitted_in_pieces() {
        let output = "x".repeat(2 * MAX_LINE_BYTES + 1) + "\nnext\n";
        let lengths: Vec<usize> = lines(output.as_bytes()).await.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE_BYTES, MAX_LINE_BYTES, 1, 4]);
    }

    #[test]
    fn the_last_three_error_lines_are_quoted() {
        let errors = LastErrors::default();
        for line in ["one", "two", "", "three"] {
            errors.push(line);
        }
        assert_eq!(errors.joined(), "two,three");
    }
}
