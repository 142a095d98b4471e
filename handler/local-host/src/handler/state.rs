//! How the handler is at the moment.

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
    /// It ended with code 0; connections are refused from now on.
    Ended,
    Failed(HostFailure),
}

/// Enters a state, unless the host has failed, which is final.
pub(super) fn enter(states: &watch::Sender<State>, next: State) {
    if let State::Failed(failure) = &next
        && *failure != HostFailure::Stopped
    {
        log::error!("{failure}");
    }
    states.send_if_modified(|state| {
        let open = !matches!(state, State::Failed(_));
        if open {
            *state = next;
        }
        open
    });
}
