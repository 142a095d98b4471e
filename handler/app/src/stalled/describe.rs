//! What is wrong with a lease, in a sentence.

use changefeed_cosmos::timestamp;
use changefeed_processor::{LeaseLag, LeaseState};

/// Why a lease makes no progress; `None` if it does, or may soon.
pub fn problem(lease: &LeaseLag) -> Option<String> {
    let failure = lease.failure.as_ref().map(|(_, message)| message.as_str());
    let document = lease.undeliverable.as_ref().map(ToString::to_string).unwrap_or_default();
    let owner = lease.owner.as_deref().unwrap_or("unknown");
    let text = match lease.state {
        LeaseState::Ok | LeaseState::Free => return None,
        LeaseState::Stalled => document,
        LeaseState::PossiblyStalled => format!("{document}; it has no owner at the moment"),
        LeaseState::ReadsFail => failure.map_or_else(
            || {
                "an instance acquires it again and again, and cannot read the change feed; see the log of the host"
                    .to_owned()
            },
            str::to_owned,
        ),
        LeaseState::HandlerFails => failure.map_or_else(
            || format!("its owner {owner} renews it and makes no progress: the handler fails or hangs"),
            str::to_owned,
        ),
        LeaseState::OwnerGone => {
            let since = lease.last_written.map_or_else(|| "unknown".to_owned(), timestamp);
            format!("no instance holds it; last written {since}, owner {owner}")
        }
    };
    Some(text)
}
