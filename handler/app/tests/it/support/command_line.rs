//! `changefeed`, as a person or a script calls it.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::World;

/// The command line with the settings of a world.
pub struct CommandLine {
    connection: String,
    settings: Vec<(&'static str, &'static str)>,
}

impl CommandLine {
    pub fn new(world: &World) -> Self {
        Self { connection: world.endpoint.connection_string(), settings: Vec::new() }
    }

    /// The same command line with a further setting.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    fn with_settings(&self, mut command: Command) -> Command {
        command.env("CosmosDB", &self.connection).env("USER", "tester").envs(self.settings.iter().copied());
        command
    }

    /// Runs a command without a terminal.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.with_settings(super::executable());
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("changefeed")).await.expect("run")
    }

    /// Runs a command; returns its exit code and what it printed.
    pub async fn text(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code().expect("an exit code"), text)
    }

    /// Runs a command with `--output json`; returns its exit code and the document.
    pub async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let document = serde_json::from_str(&text);
        (output.status.code().expect("an exit code"), document.unwrap_or_else(|_| panic!("{output:?}")))
    }

    /// Runs a command on a terminal of so many columns, with these variables. Returns the exit code and what it printed.
    #[cfg(target_os = "linux")]
    pub async fn on_terminal(&self, columns: usize, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
        let quoted = arguments.iter().map(|argument| format!("'{argument}'")).collect::<Vec<_>>().join(" ");
        let program = env!("CARGO_BIN_EXE_changefeed");
        // `script` gives the command a terminal, and `stty` sets its width.
        // The shell may set COLUMNS itself after `stty`.
        let given = variables.iter().map(|(name, value)| format!("{name}='{value}'")).collect::<Vec<_>>().join(" ");
        let command = format!("stty cols {columns} rows 40 && exec env -u COLUMNS {given} '{program}' {quoted}");
        let mut script = self.with_settings(Command::new("script"));
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("TERM", "xterm").env("TZ", "UTC");
        for variable in ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            script.env_remove(variable);
        }
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let ran = tokio::task::spawn_blocking(move || {
            let mut child = script.spawn().expect("script");
            // `script` ends when its input does.
            let input = child.stdin.take();
            let output = child.wait_with_output().expect("ended");
            drop(input);
            output
        });
        let output = ran.await.expect("ran");
        let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        (output.status.code().expect("an exit code"), printed)
    }

    /// Runs a command on a terminal. When it has printed `question`, awaits `meanwhile` and answers yes. Returns the exit code and
    /// what it printed.
    #[cfg(target_os = "linux")]
    pub async fn confirm(
        &self,
        arguments: &[&str],
        question: &str,
        meanwhile: impl Future<Output = ()>,
    ) -> (i32, String) {
        self.answer(arguments, question, "y", meanwhile).await
    }

    /// The same with another answer.
    #[cfg(target_os = "linux")]
    pub async fn answer(
        &self,
        arguments: &[&str],
        question: &str,
        text: &str,
        meanwhile: impl Future<Output = ()>,
    ) -> (i32, String) {
        // `script` gives the command a terminal.
        let quoted = arguments.iter().map(|argument| format!("'{argument}'")).collect::<Vec<_>>().join(" ");
        let command = format!("'{}' {quoted}", env!("CARGO_BIN_EXE_changefeed"));
        let mut script = self.with_settings(Command::new("script"));
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script");
        let (mut answer, mut terminal) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        let question = question.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let mut printed = Vec::new();
            let mut byte = [0];
            while !String::from_utf8_lossy(&printed).contains(&question) {
                let read = terminal.read(&mut byte).expect("terminal");
                assert!(read == 1, "it did not ask: {}", String::from_utf8_lossy(&printed));
                printed.extend(byte);
            }
            (terminal, printed)
        });
        let (mut terminal, mut printed) = asked.await.expect("asked");
        meanwhile.await;
        answer.write_all(format!("{text}\n").as_bytes()).expect("answered");
        let ended = tokio::task::spawn_blocking(move || {
            terminal.read_to_end(&mut printed).expect("terminal");
            drop(answer);
            (child.wait().expect("ended"), String::from_utf8_lossy(&printed).into_owned())
        });
        let (status, printed) = ended.await.expect("ended");
        (status.code().expect("an exit code"), printed)
    }
}
