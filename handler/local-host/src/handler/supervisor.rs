//! The task that owns the handler process.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::command::HandlerCommand;
use super::output::{LastErrors, OutputReader};
use super::restart_rule::RestartRule;
use super::state::{State, enter};
use crate::error::HostFailure;
use crate::wire::{WireClient, WireError, WireRequest};

/// The exit code that asks for a restart.
const INTENTIONAL_RESTART: i32 = 200;
/// How long the host waits for a killed process to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before a restart without a limit, if the process ended before it was ready.
const UNLIMITED_RESTART_PAUSE: Duration = Duration::from_secs(1);
const READINESS_POLLING_INTERVAL: Duration = Duration::from_millis(25);

pub(super) struct Supervisor {
    pub state: watch::Sender<State>,
    pub stop: CancellationToken,
    pub restart_requests: mpsc::UnboundedReceiver<()>,
    pub command: HandlerCommand,
    pub output: OutputReader,
    pub readiness: Readiness,
    pub rule: RestartRule,
}

/// Detects that the handler accepts requests.
pub(super) struct Readiness {
    pub client: WireClient,
    pub timeout: Duration,
}

/// Why the process ended, or has to end.
enum End {
    HostStopped,
    /// Requested by the host, or by the exit code.
    Restart,
    /// Exit code 0.
    Completed,
    Error(String),
}

impl Supervisor {
    pub(super) async fn run(mut self, mut child: Child) {
        loop {
            let errors = self.output.read(&mut child);
            let end = self.watch(&mut child, &errors).await;
            kill(&mut child).await;
            let restarted = match end {
                End::HostStopped => return,
                End::Restart => self.restart().await,
                End::Completed => {
                    enter(&self.state, State::Ended);
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        Some(()) = self.restart_requests.recv() => self.restart().await,
                    }
                }
                End::Error(reason) => self.restart_after_error(reason).await,
            };
            match restarted {
                Some(process) => child = process,
                None => return,
            }
        }
    }

    async fn watch(&mut self, child: &mut Child, errors: &LastErrors) -> End {
        let pid = child.id();
        let initialization_timeout = async {
            if !self.readiness.wait().await {
                return "did not answer in time: Initializing HttpWorker timed out.".to_owned();
            }
            log::debug!("the handler is ready");
            enter(&self.state, State::Ready { pid });
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => End::HostStopped,
            Some(()) = self.restart_requests.recv() => End::Restart,
            status = child.wait() => match status {
                Ok(status) => end_of(status, errors),
                Err(error) => End::Error(format!("could not be waited for: {error}")),
            },
            reason = initialization_timeout => End::Error(reason),
        }
    }

    async fn restart_after_error(&mut self, reason: String) -> Option<Child> {
        log::error!("the handler {reason}");
        if let Err(errors) = self.rule.count(Instant::now()) {
            enter(&self.state, State::Failed(HostFailure::RestartLimit { errors, last: reason }));
            return None;
        }
        let was_ready = matches!(&*self.state.borrow(), State::Ready { .. });
        if self.rule.is_unlimited() && !was_ready {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(UNLIMITED_RESTART_PAUSE) => {}
            }
        }
        self.restart().await
    }

    async fn restart(&mut self) -> Option<Child> {
        enter(&self.state, State::Starting { pid: None });
        // Requests up to now concerned the process that has ended.
        while self.restart_requests.try_recv().is_ok() {}
        match self.command.spawn() {
            Ok(child) => {
                log::info!("the handler was restarted");
                enter(&self.state, State::Starting { pid: child.id() });
                Some(child)
            }
            Err(error) => {
                enter(&self.state, State::Failed(HostFailure::Spawn(error.to_string())));
                None
            }
        }
    }
}

impl Readiness {
    /// Polls `/` until any response or error other than a refused connection; false on a timeout. As in the real host,
    /// only the pauses count towards the timeout, so a handler that accepts a connection may take any time to respond.
    async fn wait(&self) -> bool {
        let mut waited = Duration::ZERO;
        while !self.is_ready().await {
            if waited >= self.timeout {
                return false;
            }
            tokio::time::sleep(READINESS_POLLING_INTERVAL).await;
            waited += READINESS_POLLING_INTERVAL;
        }
        true
    }

    async fn is_ready(&self) -> bool {
        !matches!(self.client.send(WireRequest::get("/")).await, Err(WireError::Connect(_)))
    }
}

fn end_of(status: ExitStatus, errors: &LastErrors) -> End {
    let reason = match (status.code(), signal(status)) {
        (Some(0), _) => {
            log::warn!("the handler ended with code 0 and is not restarted");
            return End::Completed;
        }
        (Some(INTENTIONAL_RESTART), _) => {
            log::info!("the handler ended with code {INTENTIONAL_RESTART} to be restarted");
            return End::Restart;
        }
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let quoted = errors.joined();
    End::Error(if quoted.is_empty() { reason } else { format!("{reason}: {quoted}") })
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Sends SIGKILL to this process only, not to its children, as the real host does.
async fn kill(child: &mut Child) {
    // Fails only if the process has already ended.
    drop(child.start_kill());
    if tokio::time::timeout(KILL_TIMEOUT, child.wait()).await.is_err() {
        log::warn!("the handler is still running {KILL_TIMEOUT:?} after it was killed");
    }
}
