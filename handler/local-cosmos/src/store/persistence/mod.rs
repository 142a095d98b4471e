//! The data of an endpoint in a folder, so that it survives a restart.
//!
//! A write is answered after it was handed to the operating system: it survives the end of the process at any moment, but not always
//! that of the machine.

mod error;
mod records;

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use fjall::{Batch, Config, Keyspace, PartitionCreateOptions, PartitionHandle, PersistMode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use error::PersistenceError;

use super::entry::Entry;
use super::version_log::Version;
use crate::resources::{ContainerRid, Ranges};

/// The version of the folder's contents.
const FORMAT: &str = "1";

/// The folder of an endpoint.
pub(crate) struct Persistence {
    keyspace: Keyspace,
    /// The databases and containers.
    account: PartitionHandle,
    /// The state of each container.
    containers: PartitionHandle,
    /// The items, by container and number.
    items: PartitionHandle,
    /// The versions of AllVersionsAndDeletes mode, by container and number.
    versions: PartitionHandle,
    /// Locked as long as the folder is in use.
    _lock: File,
}

impl std::fmt::Debug for Persistence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Persistence").finish_non_exhaustive()
    }
}

/// What is stored of a container beside its items and versions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ContainerState {
    pub ranges: Ranges,
    /// The log sequence number of each partition, by its id.
    pub numbers: Vec<(String, u64)>,
    /// The newest position of the log.
    pub last_position: u64,
    /// The number of the newest item.
    pub last_document: u64,
    /// The number of the newest version.
    pub last_version: u64,
    /// The number of the newest version that was discarded, and its newest log sequence number.
    pub discarded: (u64, u64),
}

/// A container that an earlier process has stored.
#[derive(Debug)]
pub(crate) struct StoredContainer {
    pub state: ContainerState,
    /// In the order of their positions.
    pub items: Vec<Arc<Entry>>,
    /// With the time at which each was logged, in milliseconds since 1970.
    pub versions: Vec<(Version, i64)>,
}

/// The part of the folder that a container has.
#[derive(Clone, Debug)]
pub(crate) struct ContainerFiles {
    persistence: Arc<Persistence>,
    rid: [u8; 8],
}

/// Changes that are stored together.
pub(crate) struct Changes<'f> {
    files: &'f ContainerFiles,
    batch: Batch,
}

impl Persistence {
    /// Opens the folder, which is created if it does not exist.
    pub(crate) fn open(folder: &Path) -> Result<Arc<Self>, PersistenceError> {
        let at = |what: &str, error: &dyn std::fmt::Display| {
            PersistenceError(format!("{what} {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| at("cannot create", &error))?;
        let lock = File::create(folder.join("lock")).map_err(|error| at("cannot write to", &error))?;
        lock.try_lock().map_err(|_| at("cannot open", &"another process uses it"))?;
        match std::fs::read_to_string(folder.join("format")) {
            Ok(found) if found.trim() == FORMAT => {}
            // An earlier version left an empty file if it was killed before it had written the data.
            Ok(found) if found.is_empty() => write_format(folder).map_err(|error| at("cannot write to", &error))?,
            Ok(found) => {
                let problem = format!("its format is {}, and this version reads {FORMAT}", found.trim());
                return Err(at("cannot open", &problem));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                write_format(folder).map_err(|error| at("cannot write to", &error))?;
            }
            Err(error) => return Err(at("cannot read", &error)),
        }
        let keyspace = Config::new(folder.join("data")).open().map_err(|error| at("cannot open", &error))?;
        let open = |name| keyspace.open_partition(name, PartitionCreateOptions::default());
        Ok(Arc::new(Self {
            account: open("account")?,
            containers: open("containers")?,
            items: open("items")?,
            versions: open("versions")?,
            keyspace,
            _lock: lock,
        }))
    }

    /// The databases and containers; `None` in a new folder.
    pub(crate) fn account(&self) -> Result<Option<Value>, PersistenceError> {
        Ok(self.account.get("account")?.map(|value| serde_json::from_slice(&value)).transpose()?)
    }

    /// Stores the databases and containers.
    pub(crate) fn save_account(&self, account: &Value) -> Result<(), PersistenceError> {
        let mut batch = self.batch();
        batch.insert(&self.account, "account", account.to_string());
        Ok(batch.commit()?)
    }

    /// The part of a container.
    pub(crate) fn container(self: &Arc<Self>, rid: ContainerRid) -> ContainerFiles {
        ContainerFiles { persistence: Arc::clone(self), rid: rid.bytes() }
    }

    fn batch(&self) -> Batch {
        self.keyspace.batch().durability(Some(PersistMode::Buffer))
    }
}

/// Writes the file with the format, which has its content from the moment on at which it exists.
fn write_format(folder: &Path) -> std::io::Result<()> {
    let new = folder.join("format.tmp");
    std::fs::write(&new, FORMAT)?;
    std::fs::rename(new, folder.join("format"))
}

impl ContainerFiles {
    /// Reads the container; `None` if it was never stored.
    pub(crate) fn load(&self) -> Result<Option<StoredContainer>, PersistenceError> {
        let Some(state) = self.persistence.containers.get(self.rid)? else { return Ok(None) };
        let mut items = Vec::new();
        for stored in self.persistence.items.prefix(self.rid) {
            items.push(Arc::new(records::read_entry(&stored?.1)?));
        }
        items.sort_by_key(|entry| entry.position);
        let mut versions = Vec::new();
        for stored in self.persistence.versions.prefix(self.rid) {
            versions.push(records::read_version(&stored?.1)?);
        }
        Ok(Some(StoredContainer { state: serde_json::from_slice(&state)?, items, versions }))
    }

    /// Removes all that is stored of the container.
    pub(crate) fn remove(&self) -> Result<(), PersistenceError> {
        let mut batch = self.persistence.batch();
        batch.remove(&self.persistence.containers, self.rid);
        for partition in [&self.persistence.items, &self.persistence.versions] {
            for stored in partition.prefix(self.rid) {
                batch.remove(partition, stored?.0);
            }
        }
        Ok(batch.commit()?)
    }

    pub(crate) fn changes(&self) -> Changes<'_> {
        Changes { files: self, batch: self.persistence.batch() }
    }

    fn key(&self, number: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.rid);
        key[8..].copy_from_slice(&number.to_be_bytes());
        key
    }
}

impl Changes<'_> {
    pub(crate) fn put_item(&mut self, entry: &Entry) -> Result<(), PersistenceError> {
        let key = self.files.key(entry.document);
        self.batch.insert(&self.files.persistence.items, key, records::write_entry(entry)?);
        Ok(())
    }

    pub(crate) fn remove_item(&mut self, entry: &Entry) {
        self.batch.remove(&self.files.persistence.items, self.files.key(entry.document));
    }

    pub(crate) fn put_version(
        &mut self,
        number: u64,
        version: &Version,
        logged_at: i64,
    ) -> Result<(), PersistenceError> {
        let record = records::write_version(version, logged_at)?;
        self.batch.insert(&self.files.persistence.versions, self.files.key(number), record);
        Ok(())
    }

    pub(crate) fn remove_version(&mut self, number: u64) {
        self.batch.remove(&self.files.persistence.versions, self.files.key(number));
    }

    /// Stores the changes with the state of the container after them.
    pub(crate) fn commit(mut self, state: &ContainerState) -> Result<(), PersistenceError> {
        self.batch.insert(&self.files.persistence.containers, self.files.rid, serde_json::to_vec(state)?);
        Ok(self.batch.commit()?)
    }
}
