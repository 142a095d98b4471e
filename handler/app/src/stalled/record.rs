//! What was seen of leases without progress, between two looks: an item of the jobs container. `docs/reference/format.md`
//! specifies it.
//!
//! It is replaced only under its etag. Of two concurrent looks, one is not stored: the other is as good.

use changefeed_cosmos::{Error, ErrorKind, Key, LazyContainer, to_item, without_system_properties};
use changefeed_history::SCHEMA;
use changefeed_processor::LeaseObservation;
use serde::{Deserialize, Serialize};

const ID: &str = "lease-watch";

/// The leases with changes to process that have made no progress since the look before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchRecord {
    id: String,
    /// Distinguishes it from the jobs in the same container.
    kind: String,
    pub leases: Vec<LeaseObservation>,
    schema: u32,
    #[serde(skip)]
    etag: Option<String>,
}

impl WatchRecord {
    fn new(leases: Vec<LeaseObservation>, etag: Option<String>) -> Self {
        Self { id: ID.to_owned(), kind: ID.to_owned(), leases, schema: SCHEMA, etag }
    }

    /// The record as stored; an empty one before the first look, and if there is no jobs container. A record that cannot be
    /// parsed counts as empty and is replaced: it only has to be observed again.
    pub async fn load(jobs: &LazyContainer) -> Result<Self, Error> {
        let id = jobs.own_id(ID);
        let read = async { jobs.open().await?.read(&Key::text(&id), &id).await };
        let item = match read.await {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            item => item?,
        };
        let Some(item) = item else { return Ok(Self::new(Vec::new(), None)) };
        let etag = item["_etag"].as_str().map(str::to_owned);
        match serde_json::from_value::<Self>(without_system_properties(item)) {
            Ok(record) => Ok(Self { etag, ..record }),
            Err(error) => {
                log::warn!("the record of earlier looks at the leases is damaged and is replaced: {error}");
                Ok(Self::new(Vec::new(), etag))
            }
        }
    }

    /// Stores what this look has shown, unless nothing has changed or another look was stored meanwhile.
    pub async fn replace(&self, jobs: &LazyContainer, leases: Vec<LeaseObservation>) -> Result<(), Error> {
        if leases == self.leases {
            return Ok(());
        }
        let next = to_item(&Self::new(leases, None))?;
        let (jobs, id) = (jobs.open().await?, jobs.own_id(ID));
        let key = Key::text(&id);
        let written = match &self.etag {
            Some(etag) => jobs.replace(&key, &id, &next, etag).await,
            None => jobs.create(&key, &id, &next).await,
        };
        match written {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => Ok(()),
            written => written.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_record_is_read_back_as_it_was_written(lease_id in ".*", continuation_token in proptest::option::of(".*"), writes in any::<u32>(), seconds in 0..4_000_000_000_i64) {
            let time = chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
            let observation = LeaseObservation {
                lease_id, continuation_token, is_owned: true, etag: None, writes, since: time, seen: time,
            };
            let record = WatchRecord::new(vec![observation], None);
            let json = serde_json::to_string(&record).expect("json");
            prop_assert_eq!(serde_json::from_str::<WatchRecord>(&json).expect("record"), record);
        }
    }
}
