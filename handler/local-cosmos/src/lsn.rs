//! Log sequence numbers of physical partitions, which never decrease.
//!
//! The emulator numbers the writes of each physical partition. A split continues from the parent's number, but a merge restarts
//! from the number of items, while the service continues. Therefore a merged partition has an offset: it is added to the
//! emulator's numbers in replies and subtracted from the clients' numbers in session tokens
//! (`<partition>:<version>#<number>#<region>=<number>`, several separated by commas).

use std::collections::HashMap;

use crate::incoming::Incoming;
use crate::reply::{Reply, header};

/// Headers that have a log sequence number of the reply's partition.
const NUMBER_HEADERS: [&str; 4] = [header::LSN, "x-ms-item-lsn", "x-ms-quorum-acked-lsn", "x-ms-global-committed-lsn"];

#[derive(Debug, Default)]
pub(crate) struct LogSequence {
    offsets: HashMap<String, u64>,
    /// The newest session token of each physical partition, as sent to clients.
    session_tokens: HashMap<String, String>,
}

impl LogSequence {
    pub(crate) fn offset(&self, partition: &str) -> u64 {
        self.offsets.get(partition).copied().unwrap_or_default()
    }

    /// Sets the number that is added to the emulator's numbers of a partition.
    pub(crate) fn set_offset(&mut self, partition: &str, offset: u64) {
        if offset > 0 {
            self.offsets.insert(partition.to_owned(), offset);
        }
    }

    pub(crate) fn forget(&mut self, partition: &str) {
        self.offsets.remove(partition);
        self.session_tokens.remove(partition);
    }

    pub(crate) fn session_token(&self, partition: &str) -> Option<String> {
        self.session_tokens.get(partition).cloned()
    }

    /// Records the session token of a reply as the newest of its partition.
    pub(crate) fn record(&mut self, reply: &Reply) {
        if let (Some(partition), Some(token)) =
            (reply.header(header::PARTITION_KEY_RANGE_ID), reply.header(header::SESSION_TOKEN))
        {
            self.session_tokens.insert(partition.to_owned(), token.to_owned());
        }
    }

    /// Subtracts the offsets from a client's session token. `None` if the request does not change.
    pub(crate) fn to_emulator(&self, incoming: &Incoming) -> Option<Incoming> {
        let token = incoming.header(header::SESSION_TOKEN).filter(|_| !self.offsets.is_empty())?;
        let mut changed = incoming.clone();
        changed.set_header(header::SESSION_TOKEN, self.shift(token, u64::saturating_sub));
        Some(changed)
    }

    /// Adds the offsets to the numbers of the emulator's reply.
    pub(crate) fn to_client(&self, mut reply: Reply) -> Reply {
        if self.offsets.is_empty() {
            return reply;
        }
        if let Some(token) = reply.header(header::SESSION_TOKEN).map(str::to_owned) {
            reply = reply.with(header::SESSION_TOKEN, self.shift(&token, u64::saturating_add));
        }
        let offset = reply.header(header::PARTITION_KEY_RANGE_ID).map_or(0, |partition| self.offset(partition));
        for name in NUMBER_HEADERS {
            if let Some(number) = reply.header(name).and_then(|number| number.parse::<u64>().ok()) {
                reply = reply.with(name, (number + offset).to_string());
            }
        }
        reply
    }

    fn shift(&self, tokens: &str, by: fn(u64, u64) -> u64) -> String {
        let shift = |token: &str| -> Option<String> {
            let (partition, rest) = token.split_once(':')?;
            let (version, rest) = rest.split_once('#')?;
            let (number, regions) = rest.split_once('#').map_or((rest, None), |(number, rest)| (number, Some(rest)));
            let number = by(number.parse().ok()?, self.offset(partition));
            let regions = regions.map(|regions| format!("#{regions}")).unwrap_or_default();
            Some(format!("{partition}:{version}#{number}{regions}"))
        };
        let shifted = tokens.split(',').map(|token| shift(token).unwrap_or_else(|| token.to_owned()));
        shifted.collect::<Vec<_>>().join(",")
    }
}

/// The number in the session token of one partition.
pub(crate) fn session_lsn(token: &str) -> Option<u64> {
    token.split_once('#')?.1.split('#').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::http::Method;

    #[test]
    fn the_offset_is_added_to_replies_and_subtracted_from_requests() {
        let mut sequence = LogSequence::default();
        sequence.set_offset("5", 100);
        let reply = Reply::new(200)
            .with(header::PARTITION_KEY_RANGE_ID, "5")
            .with(header::LSN, "7")
            .with(header::SESSION_TOKEN, "5:2#7#0=12,6:1#7#0=7");
        let reply = sequence.to_client(reply);
        let token = "5:2#107#0=12,6:1#7#0=7";
        assert_eq!((reply.header(header::LSN), reply.header(header::SESSION_TOKEN)), (Some("107"), Some(token)));

        let url = "http://127.0.0.1/".parse().expect("url");
        let mut incoming = Incoming::new(Method::Get, url);
        incoming.set_header(header::SESSION_TOKEN, "5:2#107,5:-1#3,nonsense");
        let changed = sequence.to_emulator(&incoming).expect("changed");
        assert_eq!(changed.header(header::SESSION_TOKEN), Some("5:2#7,5:-1#0,nonsense"));
        assert_eq!(session_lsn("5:2#107#0=12"), Some(107));
    }

    #[test]
    fn without_a_merge_requests_do_not_change() {
        let mut incoming = Incoming::new(Method::Get, "http://127.0.0.1/".parse().expect("url"));
        incoming.set_header(header::SESSION_TOKEN, "0:1#5");
        assert!(LogSequence::default().to_emulator(&incoming).is_none());
    }
}
