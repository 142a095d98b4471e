//! The finished backups below a location, and the chains that they form.
//!
//! The race to mind: another process may finish or delete a backup while the location is read. A backup that vanishes is not listed, and
//! one that continues it has an incomplete chain then.

use futures::{StreamExt, TryStreamExt, stream};

use crate::chain::check_link;
use crate::damage::{Damage, ReadError};
use crate::digest::Digest;
use crate::error::Error;
use crate::location::{BackupLocation, EntryKind};
use crate::manifest::BackupHeader;
use crate::read::{read_manifest, read_unfinished};

/// Manifests that are read at the same time.
const CONCURRENCY: usize = 8;

/// A finished backup. Its segments were not read.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredBackup {
    /// The name of its folder.
    pub name: String,
    /// What it contains.
    pub header: BackupHeader,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The container whose change feed the next increment can read from this backup on.
    pub feed_resource_id: Option<String>,
    /// The size of its files, in bytes.
    pub compressed_bytes: u64,
}

/// A folder that is not a finished backup.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherFolder {
    /// Its name.
    pub name: String,
    /// What it is.
    pub state: OtherState,
}

/// What a folder is that is not a finished backup.
#[derive(Clone, Debug, PartialEq)]
pub enum OtherState {
    /// A backup that was started and not finished.
    Unfinished(Box<BackupHeader>),
    /// A backup whose manifest is damaged, or of a newer format, or whose progress cannot be read.
    Damaged(Damage),
    /// It has no files of a backup that says what it is.
    NoBackup,
}

/// What is below a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// The finished backups, by the name of their folders.
    pub backups: Vec<StoredBackup>,
    /// All other folders, by name.
    pub others: Vec<OtherFolder>,
}

impl Inventory {
    /// Reads what is directly below a location.
    ///
    /// # Errors
    /// When the location, or a folder there, cannot be read: what a backup that could not be read needs is not known.
    pub async fn take(location: &BackupLocation) -> Result<Self, Error> {
        let folders = location.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
        let found = stream::iter(folders.map(|entry| of_folder(location, entry.name))).buffered(CONCURRENCY);
        let mut inventory = Self::default();
        for folder in found.try_collect::<Vec<_>>().await? {
            match folder {
                Found::Backup(backup) => inventory.backups.push(*backup),
                Found::Other(other) => inventory.others.push(other),
            }
        }
        Ok(inventory)
    }

    /// The backup whose manifest has this digest.
    pub fn by_digest(&self, digest: Digest) -> Option<&StoredBackup> {
        self.backups.iter().find(|backup| backup.digest == digest)
    }

    /// The backups that a restore of a backup needs, in order: a full backup and its increments, up to this one.
    ///
    /// # Errors
    /// Says where the chain is broken.
    pub fn chain<'i>(&'i self, backup: &'i StoredBackup) -> Result<Vec<&'i StoredBackup>, String> {
        let mut chain = vec![backup];
        let mut after = backup;
        while let Some(earlier) = &after.header.incremental_from {
            let Some(before) = self.by_digest(earlier.digest) else {
                return Err(format!("{} continues {}, which is missing", after.header.id, earlier.id));
            };
            check_link(&before.header, before.digest, &after.header)?;
            // A digest covers the digest of the earlier backup, so a chain has no circle.
            chain.push(before);
            after = before;
        }
        chain.reverse();
        Ok(chain)
    }
}

enum Found {
    Backup(Box<StoredBackup>),
    Other(OtherFolder),
}

async fn of_folder(location: &BackupLocation, name: String) -> Result<Found, Error> {
    let Ok(folder) = location.child(&name) else {
        return Ok(Found::Other(OtherFolder { name, state: OtherState::NoBackup }));
    };
    let state = match read_manifest(&folder).await {
        Ok((manifest, digest)) => {
            return Ok(Found::Backup(Box::new(StoredBackup {
                name,
                digest,
                feed_resource_id: manifest.feed.as_ref().map(|feed| feed.resource_id.clone()),
                compressed_bytes: manifest.compressed_bytes(),
                header: manifest.backup,
            })));
        }
        Err(ReadError::Damage(Damage::NoManifest)) => OtherState::NoBackup,
        Err(ReadError::Damage(damage @ Damage::Unfinished { .. })) => match read_unfinished(&folder).await? {
            Some(header) => OtherState::Unfinished(Box::new(header)),
            None => OtherState::Damaged(damage),
        },
        Err(ReadError::Damage(damage)) => OtherState::Damaged(damage),
        Err(ReadError::Location(error)) => return Err(error),
    };
    Ok(Found::Other(OtherFolder { name, state }))
}
