//! The handler as the rest of the host sees it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::command::HandlerCommand;
use super::output::OutputReader;
use super::restart_rule::RestartRule;
use super::state::{State, enter};
use super::supervisor::{Readiness, Supervisor};
use crate::error::{HostError, HostFailure};
use crate::wire::{WireClient, WireError, WireRequest, WireResponse};

/// The version of the real host that this one reproduces, sent to the handler in the headers of requests.
pub(crate) const HOST_VERSION: &str = "4.1052.0.0";

/// How many initialization timeouts an invocation waits for the handler.
const READY_TIMEOUT_FACTOR: u32 = 4;

/// The handler across restarts of its process.
#[derive(Clone)]
pub(crate) struct Handler(Arc<Shared>);

struct Shared {
    port: u16,
    client: WireClient,
    state: watch::Sender<State>,
    restart_requests: mpsc::UnboundedSender<()>,
    stop: CancellationToken,
    ready_timeout: Duration,
}

pub(crate) struct HandlerSettings {
    pub command: HandlerCommand,
    pub output: OutputReader,
    pub port: u16,
    pub initialization_timeout: Duration,
    pub restart_limit: Option<u32>,
}

impl Handler {
    /// Starts the first process, without waiting until it is ready.
    pub(crate) fn start(settings: HandlerSettings) -> Result<Self, HostError> {
        let child = settings.command.spawn()?;
        let client = WireClient::new(settings.port);
        let (state, _) = watch::channel(State::Starting { pid: child.id() });
        let (restart_sender, restart_requests) = mpsc::unbounded_channel();
        let ready_timeout = settings.initialization_timeout * READY_TIMEOUT_FACTOR;
        let handler = Self(Arc::new(Shared {
            port: settings.port,
            client: client.clone(),
            state,
            restart_requests: restart_sender,
            stop: CancellationToken::new(),
            ready_timeout,
        }));
        let supervisor = Supervisor {
            state: handler.0.state.clone(),
            stop: handler.0.stop.clone(),
            restart_requests,
            readiness: Readiness { client, timeout: settings.initialization_timeout },
            rule: RestartRule::new(settings.restart_limit),
            command: settings.command,
            output: settings.output,
        };
        tokio::spawn(supervisor.run(child));
        Ok(handler)
    }

    /// Where the handler listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.0.port).into()
    }

    /// Sends a request of the host itself.
    pub(crate) async fn send(&self, request: WireRequest<'_>) -> Result<WireResponse, WireError> {
        self.0.client.send(request).await
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match &*self.0.state.borrow() {
            State::Starting { pid } | State::Ready { pid } => *pid,
            State::Ended | State::Failed(_) => None,
        }
    }

    /// Waits until the handler accepts requests, or has ended with code 0, when requests fail with a refused connection.
    /// A timeout shuts the host down.
    pub(crate) async fn ready(&self) -> Result<(), HostFailure> {
        let mut states = self.0.state.subscribe();
        let settled = states.wait_for(|state| !matches!(state, State::Starting { .. }));
        match tokio::time::timeout(self.0.ready_timeout, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Failed(failure) => Err(failure.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(HostFailure::Stopped),
            Err(_) => {
                let failure = HostFailure::InitializationTimedOut { waited: self.0.ready_timeout };
                self.fail(failure.clone());
                Err(failure)
            }
        }
    }

    /// The connections to the handler, for requests of clients.
    pub(crate) fn client(&self) -> &WireClient {
        &self.0.client
    }

    /// Restarts the process, without counting an error.
    pub(crate) fn restart(&self) {
        self.0.state.send_if_modified(|state| {
            let is_up = matches!(state, State::Ready { .. } | State::Ended);
            if is_up {
                *state = State::Starting { pid: None };
            }
            is_up
        });
        if self.0.restart_requests.send(()).is_err() {
            log::debug!("the host is shutting down; the handler is not restarted");
        }
    }

    /// Waits until the handler has failed for good, so that the host must shut down.
    pub(crate) async fn failed(&self) -> HostFailure {
        let mut states = self.0.state.subscribe();
        match states.wait_for(|state| matches!(state, State::Failed(_))).await.as_deref() {
            Ok(State::Failed(failure)) => failure.clone(),
            _ => HostFailure::Stopped,
        }
    }

    /// Kills the process and waits until it has ended.
    pub(crate) async fn stop(&self) {
        self.fail(HostFailure::Stopped);
        self.0.restart_requests.closed().await;
    }

    /// Cancelling the token kills the process.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    fn fail(&self, failure: HostFailure) {
        enter(&self.0.state, State::Failed(failure));
        self.0.stop.cancel();
    }
}
