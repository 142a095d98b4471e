//! The task that owns the handler process.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::command::HandlerCommand;
use super::output::{LastErrors, OutputReader};
use super::readiness::Readiness;
use super::restart_rule::RestartRule;
use super::state::{State, enter};
use crate::error::HostFailure;

/// The code by which a handler asks to be started again.
const INTENTIONAL_RESTART: i32 = 200;
/// How long a killed process may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between processes that end before they are ready, when nothing else would end the cycle.
const UNLIMITED_RESTART_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Supervisor {
    pub state: watch::Sender<State>,
    pub stop: CancellationToken,
    pub requests: mpsc::UnboundedReceiver<()>,
    pub command: HandlerCommand,
    pub output: OutputReader,
    pub readiness: Readiness,
    pub rule: RestartRule,
}

/// Why the process is, or has to be, gone.
enum End {
    Stopped,
    /// Somebody asked for a restart, or the process did.
    Restart,
    /// With code 0.
    Done,
    Error(String),
}

impl Supervisor {
    pub(super) async fn run(mut self, mut child: Child) {
        loop {
            let errors = self.output.drain(&mut child);
            let end = self.watch(&mut child, &errors).await;
            kill(&mut child).await;
            let next = match end {
                End::Stopped => return,
                End::Restart => self.restart().await,
                End::Done => {
                    enter(&self.state, State::Ended);
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        Some(()) = self.requests.recv() => self.restart().await,
                    }
                }
                End::Error(reason) => self.restart_after(reason).await,
            };
            match next {
                Some(process) => child = process,
                None => return,
            }
        }
    }

    async fn watch(&mut self, child: &mut Child, errors: &LastErrors) -> End {
        let pid = child.id();
        let initialized = async {
            if !self.readiness.poll().await {
                return "did not answer in time: Initializing HttpWorker timed out.".to_owned();
            }
            log::debug!("the handler is ready");
            enter(&self.state, State::Ready { pid });
            std::future::pending().await
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => End::Stopped,
            Some(()) = self.requests.recv() => End::Restart,
            status = child.wait() => match status {
                Ok(status) => judge(status, errors),
                Err(error) => End::Error(format!("could not be waited for: {error}")),
            },
            reason = initialized => End::Error(reason),
        }
    }

    async fn restart_after(&mut self, reason: String) -> Option<Child> {
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
        // Whoever asked by now meant the process that is gone.
        while self.requests.try_recv().is_ok() {}
        match self.command.spawn() {
            Ok(child) => {
                log::info!("the handler was started again");
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

fn judge(status: ExitStatus, errors: &LastErrors) -> End {
    let reason = match (status.code(), signal(status)) {
        (Some(0), _) => {
            log::warn!("the handler ended with code 0 and is not started again");
            return End::Done;
        }
        (Some(INTENTIONAL_RESTART), _) => {
            log::info!("the handler ended with code {INTENTIONAL_RESTART} and needs to be started again");
            return End::Restart;
        }
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let explanation = errors.joined();
    End::Error(if explanation.is_empty() { reason } else { format!("{reason}: {explanation}") })
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// SIGKILL, to this process only and not to its children.
async fn kill(child: &mut Child) {
    // It may have ended by itself.
    drop(child.start_kill());
    if tokio::time::timeout(KILL_TIMEOUT, child.wait()).await.is_err() {
        log::warn!("the handler is still there {KILL_TIMEOUT:?} after it was killed");
    }
}
