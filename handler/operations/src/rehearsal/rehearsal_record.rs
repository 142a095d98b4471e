//! The rehearsal that is under way: an item of the jobs container. `docs/reference/format.md` specifies it.

use changefeed_cosmos::{Container, Error, ErrorKind, Key, to_item, without_system_properties};
use changefeed_history::SCHEMA;
use serde::{Deserialize, Serialize};

const ID: &str = "rehearsal";

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RehearsalRecord {
    id: String,
    /// Distinguishes it from the jobs in the same container.
    kind: String,
    /// The container that is created for it.
    pub container: String,
    /// The process that runs it.
    pub by: String,
    /// When it counts as killed, RFC 3339 in UTC.
    pub until: String,
    /// The restores into the container.
    pub restores: Vec<String>,
    schema: u32,
}

impl RehearsalRecord {
    pub(super) fn new(container: String, by: String, until: String) -> Self {
        Self { id: ID.to_owned(), kind: ID.to_owned(), container, by, until, restores: Vec::new(), schema: SCHEMA }
    }

    /// The same record of a process that is alive until a later time.
    pub(super) fn renewed(&self, until: String) -> Self {
        Self { until, ..self.clone() }
    }
}

/// The record as it was read or written last.
#[derive(Debug)]
pub(super) struct Saved {
    pub record: RehearsalRecord,
    etag: String,
}

/// The partition key of the record.
fn key(jobs: &Container) -> Key {
    Key::text(jobs.own_id(ID))
}

impl Saved {
    /// The stored record; none if no rehearsal is under way.
    pub(super) async fn load(jobs: &Container) -> Result<Option<Self>, Error> {
        let Some(item) = jobs.read(&key(jobs), &jobs.own_id(ID)).await? else { return Ok(None) };
        let etag = item["_etag"].as_str().unwrap_or_default().to_owned();
        let record = serde_json::from_value(without_system_properties(item))
            .map_err(|error| Error::corrupt("reading the rehearsal under way", error))?;
        Ok(Some(Self { record, etag }))
    }

    /// Stores the record of a rehearsal that begins.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when there is one.
    pub(super) async fn create(jobs: &Container, record: RehearsalRecord) -> Result<Self, Error> {
        let etag = match jobs.create(&key(jobs), &jobs.own_id(ID), &to_item(&record)?).await {
            Ok(written) => written.etag.unwrap_or_default(),
            // The reply to the creation may have been lost.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let found = Self::load(jobs).await?.filter(|found| found.record == record);
                found
                    .ok_or_else(|| Error::new(ErrorKind::Conflict, "rehearsing", "another rehearsal has just begun"))?
                    .etag
            }
            Err(error) => return Err(error),
        };
        Ok(Self { record, etag })
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) when another process has taken it for one that was killed.
    pub(super) async fn replace(&mut self, jobs: &Container, record: RehearsalRecord) -> Result<(), Error> {
        let item = to_item(&record)?;
        let etag = match jobs.replace(&key(jobs), &jobs.own_id(ID), &item, &self.etag).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                let etag = self.own_etag(jobs).await?.ok_or(error)?;
                jobs.replace(&key(jobs), &jobs.own_id(ID), &item, &etag).await?.etag
            }
            written => written?.etag,
        };
        (self.record, self.etag) = (record, etag.unwrap_or_default());
        Ok(())
    }

    /// Removes the record, if it is still that of this rehearsal.
    pub(super) async fn remove(&self, jobs: &Container) -> Result<(), Error> {
        let Some(etag) = self.own_etag(jobs).await? else { return Ok(()) };
        match jobs.delete(&key(jobs), &jobs.own_id(ID), Some(&etag)).await {
            Err(error) if !matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NotFound) => Err(error),
            _ => Ok(()),
        }
    }

    /// The etag of the record, if it is still that of this rehearsal. A write of this process may have been done without its reply.
    async fn own_etag(&self, jobs: &Container) -> Result<Option<String>, Error> {
        let is_own =
            |found: &Self| (&found.record.container, &found.record.by) == (&self.record.container, &self.record.by);
        Ok(Self::load(jobs).await?.filter(is_own).map(|found| found.etag))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_record_is_read_back_as_it_was_written(text in any::<String>(), restores in proptest::collection::vec(any::<String>(), 0..3)) {
            let mut record = RehearsalRecord::new(text.clone(), text.clone(), text);
            record.restores = restores;
            let json = serde_json::to_string(&record).expect("json");
            prop_assert_eq!(serde_json::from_str::<RehearsalRecord>(&json).expect("record"), record);
        }
    }
}
