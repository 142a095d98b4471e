//! Replies to requests for items.

use super::operation::{Done, Refused};
use crate::container::Container;
use crate::reply::{Reply, header};
use crate::session_token::SessionToken;
use crate::store::Partition;

/// The partition that a request was for, and the number of its newest write.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub partition: String,
    pub lsn: u64,
}

impl Position {
    pub(crate) fn of(partition: &Partition) -> Self {
        Self { partition: partition.id.clone(), lsn: partition.lsn }
    }

    /// Adds the headers with the number of the newest write.
    pub(crate) fn add_to(&self, reply: Reply) -> Reply {
        let lsn = self.lsn.to_string();
        reply
            .with(header::PARTITION_KEY_RANGE_ID, &self.partition)
            .with(header::SESSION_TOKEN, SessionToken::of(&self.partition, self.lsn).to_string())
            .with("x-ms-quorum-acked-lsn", &lsn)
            .with("x-ms-global-committed-lsn", &lsn)
            .with(header::LSN, lsn)
    }
}

/// The reply to an executed operation.
pub(super) fn done(container: &Container, position: &Position, done: &Done, wants_item: bool) -> Reply {
    let mut reply = position.add_to(container.reply(done.status)).with(header::REQUEST_CHARGE, charge(done.charge));
    if let Some(entry) = &done.entry {
        reply = reply.with(header::ETAG, &*entry.etag).with("x-ms-item-lsn", entry.lsn.to_string());
        if wants_item && done.status != 304 {
            reply.body = entry.body.to_vec();
        }
    }
    reply
}

/// The reply to an operation that was refused; `position` if its partition is known.
pub(super) fn refused(container: &Container, refused: &Refused, position: Option<&Position>) -> Reply {
    let mut reply = container.error(refused.status, refused.code, &refused.message);
    if let Some(position) = position {
        reply = position.add_to(reply);
    }
    if let Some(substatus) = refused.substatus {
        reply = reply.with(header::SUBSTATUS, substatus);
    }
    reply.with(header::REQUEST_CHARGE, charge(refused.charge))
}

/// A charge in request units, with two decimals at most.
pub(crate) fn charge(units: f64) -> String {
    ((units * 100.0).round() / 100.0).to_string()
}
