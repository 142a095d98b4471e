//! The state of the handler.

use tokio::sync::watch;

use crate::error::HostFailure;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Starting {
        pid: Option<u32>,
    },
    Ready {
        pid: Option<u32>,
    },
    /// Ended with code 0: connections are refused until a restart is requested.
    Ended,
    Failed(HostFailure),
}

/// Enters a state, unless the handler has failed, which is final. Logs the first failure.
pub(super) fn enter(states: &watch::Sender<State>, next: State) {
    let failure = match &next {
        State::Failed(HostFailure::Stopped) => None,
        State::Failed(failure) => Some(failure.clone()),
        _ => None,
    };
    let entered = states.send_if_modified(|state| {
        let is_open = !matches!(state, State::Failed(_));
        if is_open {
            *state = next;
        }
        is_open
    });
    if entered && let Some(failure) = failure {
        log::error!("{failure}");
    }
}
