//! The backups that are being deleted: an item of the jobs container. `docs/reference/format.md` specifies it.
//!
//! It is stored before the first file is deleted. Then a backup that would continue one of them is refused: either its job is seen by the
//! process that deletes, which spares what it continues, or it sees this record. And what a killed process left of a backup, which nothing
//! else recognises, is deleted by the next one.

use changefeed_backup_format::BackupLocation;
use changefeed_cosmos::{Container, Error, ErrorKind, Key, to_item, without_system_properties};
use changefeed_history::SCHEMA;
use serde::{Deserialize, Serialize};

const ID: &str = "backup-removals";

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RemovalRecord {
    id: String,
    /// Distinguishes it from the jobs in the same container.
    kind: String,
    /// The backups.
    pub removing: Vec<Removing>,
    schema: u32,
    #[serde(skip)]
    etag: Option<String>,
}

/// A backup that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removing {
    /// The location below which its folder is.
    pub location: String,
    /// The name of its folder.
    pub name: String,
}

impl RemovalRecord {
    fn new(removing: Vec<Removing>, etag: Option<String>) -> Self {
        Self { id: ID.to_owned(), kind: ID.to_owned(), removing, schema: SCHEMA, etag }
    }

    /// The record as stored; an empty one if none is.
    pub(crate) async fn load(jobs: &Container) -> Result<Self, Error> {
        let id = jobs.own_id(ID);
        let Some(item) = jobs.read(&Key::text(&id), &id).await? else { return Ok(Self::new(Vec::new(), None)) };
        let etag = item["_etag"].as_str().map(str::to_owned);
        let record: Self = serde_json::from_value(without_system_properties(item))
            .map_err(|error| Error::corrupt("reading the backups that are being deleted", error))?;
        Ok(Self { etag, ..record })
    }

    /// Whether the backup at a location is being deleted.
    pub(crate) fn has(&self, location: &BackupLocation) -> bool {
        let Some((parent, name)) = location.split() else { return false };
        let parent = parent.to_string();
        self.removing.iter().any(|removing| removing.location == parent && removing.name == name)
    }

    /// Stores these backups instead.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when another process deletes backups at the same time.
    pub(crate) async fn replace(&mut self, jobs: &Container, removing: Vec<Removing>) -> Result<(), Error> {
        if removing == self.removing && self.etag.is_some() {
            return Ok(());
        }
        let next = Self::new(removing, None);
        let id = jobs.own_id(ID);
        let key = Key::text(&id);
        let item = to_item(&next)?;
        let written = match &self.etag {
            Some(etag) => jobs.replace(&key, &id, &item, etag).await,
            None => jobs.create(&key, &id, &item).await,
        };
        let etag = match written {
            Ok(written) => written.etag,
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => {
                // A write whose reply was lost has the same content.
                let found = Self::load(jobs).await?;
                if found.removing != next.removing {
                    let message = "another process deletes backups at the same time; try again";
                    return Err(Error::new(ErrorKind::Conflict, "deleting backups", message));
                }
                found.etag
            }
            Err(error) => return Err(error),
        };
        *self = Self { etag, ..next };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_record_is_read_back_as_it_was_written(names in proptest::collection::vec(any::<String>(), 0..5)) {
            let record = RemovalRecord::new(names.into_iter().map(|name| Removing { location: name.clone(), name }).collect(), None);
            let json = serde_json::to_string(&record).expect("json");
            prop_assert_eq!(serde_json::from_str::<RemovalRecord>(&json).expect("record"), record);
        }
    }
}
