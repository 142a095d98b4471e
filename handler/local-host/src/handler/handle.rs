//! What the rest of the host knows of the handler.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::command::HandlerCommand;
use super::output::OutputReader;
use super::process::Supervisor;
use super::readiness::Readiness;
use super::restart_rule::RestartRule;
use super::state::{State, enter};
use crate::error::{HostError, HostFailure};

/// An invocation waits this many initialization timeouts for a handler.
const PATIENCE: u32 = 4;

/// The handler, whichever process it is at the moment.
#[derive(Clone)]
pub(crate) struct Handler(Arc<Shared>);

struct Shared {
    url: String,
    state: watch::Sender<State>,
    restarts: mpsc::UnboundedSender<()>,
    stop: CancellationToken,
    patience: Duration,
}

pub(crate) struct HandlerSettings {
    pub command: HandlerCommand,
    pub output: OutputReader,
    pub port: u16,
    pub initialization_timeout: Duration,
    pub restart_limit: Option<u32>,
    pub client: reqwest::Client,
}

impl Handler {
    /// Starts the first process; it need not be ready yet.
    pub(crate) fn start(settings: HandlerSettings) -> Result<Self, HostError> {
        let child = settings.command.spawn()?;
        let url = format!("http://127.0.0.1:{}", settings.port);
        let (state, _) = watch::channel(State::Starting { pid: child.id() });
        let (restarts, requests) = mpsc::unbounded_channel();
        let patience = settings.initialization_timeout * PATIENCE;
        let handler =
            Self(Arc::new(Shared { url: url.clone(), state, restarts, stop: CancellationToken::new(), patience }));
        let supervisor = Supervisor {
            state: handler.0.state.clone(),
            stop: handler.0.stop.clone(),
            requests,
            readiness: Readiness { client: settings.client, url, timeout: settings.initialization_timeout },
            rule: RestartRule::new(settings.restart_limit),
            command: settings.command,
            output: settings.output,
        };
        tokio::spawn(supervisor.run(child));
        Ok(handler)
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match &*self.0.state.borrow() {
            State::Starting { pid } | State::Ready { pid } => *pid,
            State::Ended | State::Failed(_) => None,
        }
    }

    /// Waits for a handler that takes requests, or has ended for good, so that requests fail by themselves. Waiting too
    /// long shuts the host down.
    pub(crate) async fn ready(&self) -> Result<(), HostFailure> {
        let mut states = self.0.state.subscribe();
        let settled = states.wait_for(|state| !matches!(state, State::Starting { .. }));
        match tokio::time::timeout(self.0.patience, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Failed(failure) => Err(failure.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(HostFailure::Stopped),
            Err(_) => {
                let failure = HostFailure::InitializationTimedOut { waited: self.0.patience };
                self.fail(failure.clone());
                Err(failure)
            }
        }
    }

    /// Kills the process and starts another, without counting an error.
    pub(crate) fn restart(&self) {
        self.0.state.send_if_modified(|state| {
            let up = matches!(state, State::Ready { .. } | State::Ended);
            if up {
                *state = State::Starting { pid: None };
            }
            up
        });
        if self.0.restarts.send(()).is_err() {
            log::debug!("the host is shutting down; the handler is not started again");
        }
    }

    /// Waits until the host has to shut down because of the handler.
    pub(crate) async fn failed(&self) -> HostFailure {
        let mut states = self.0.state.subscribe();
        match states.wait_for(|state| matches!(state, State::Failed(_))).await.as_deref() {
            Ok(State::Failed(failure)) => failure.clone(),
            _ => HostFailure::Stopped,
        }
    }

    /// Kills the process and waits until it is gone.
    pub(crate) async fn stop(&self) {
        self.fail(HostFailure::Stopped);
        self.0.restarts.closed().await;
    }

    /// Tells the process's task to kill it, without waiting.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    fn fail(&self, failure: HostFailure) {
        enter(&self.0.state, State::Failed(failure));
        self.0.stop.cancel();
    }
}
