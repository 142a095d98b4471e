//! Lists the backups below a location.

use futures::{StreamExt, stream};
use serde::Serialize;

use crate::damage::{Damage, ReadError};
use crate::error::Error;
use crate::location::{BackupLocation, EntryKind};
use crate::manifest::{BackupHeader, Manifest};
use crate::read::{read_manifest, read_progress};
use crate::segment::SegmentKind;
use crate::timestamp::Timestamp;

/// Backups that are inspected at the same time.
const CONCURRENCY: usize = 8;

/// A backup below a location.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedBackup {
    /// The name of its folder.
    pub name: String,
    /// Its state.
    #[serde(flatten)]
    pub state: ListedState,
}

/// The state of a listed backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ListedState {
    /// It is finished, and its manifest is undamaged. Its segments were not read.
    Finished {
        /// What it contains.
        backup: Box<BackupHeader>,
        /// When it was finished.
        created_at: Timestamp,
        /// The number of documents.
        documents: u64,
        /// The number of deletions.
        deletions: u64,
        /// The size of its files, in bytes.
        compressed_bytes: u64,
    },
    /// It was started and not finished.
    Unfinished {
        /// What it will contain.
        backup: Box<BackupHeader>,
        /// The number of documents recorded so far.
        documents: u64,
    },
    /// Its manifest is damaged.
    Damaged {
        /// The damage.
        #[serde(flatten)]
        damage: Damage,
    },
    /// It could not be read.
    Unreadable {
        /// The reason.
        message: String,
    },
}

/// Lists the backups directly below a location, by name. Folders without a backup are skipped; one that cannot be read is
/// listed as [`ListedState::Unreadable`].
///
/// # Errors
/// When the location cannot be read.
pub async fn list(location: &BackupLocation) -> Result<Vec<ListedBackup>, Error> {
    let folders = location.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
    let backups = stream::iter(folders.map(|entry| listed(location, entry.name))).buffered(CONCURRENCY);
    Ok(backups.filter_map(|backup| async { backup }).collect().await)
}

async fn listed(location: &BackupLocation, name: String) -> Option<ListedBackup> {
    let inspected = async { inspect(&location.child(&name)?).await }.await;
    let state = inspected.unwrap_or_else(|error| Some(ListedState::Unreadable { message: error.to_string() }));
    state.map(|state| ListedBackup { name, state })
}

/// The state of the backup at a location; none when there is no backup.
///
/// # Errors
/// When the location cannot be read.
pub async fn inspect(location: &BackupLocation) -> Result<Option<ListedState>, Error> {
    Ok(Some(match read_manifest(location).await {
        Ok((manifest, _)) => finished(manifest),
        Err(ReadError::Damage(Damage::NoManifest)) => return Ok(None),
        Err(ReadError::Damage(Damage::Unfinished { segments })) => match read_progress(location).await? {
            Some(progress) => {
                let documents = progress.segments.iter().filter(|segment| segment.kind == SegmentKind::Documents);
                let documents = documents.fold(0u64, |sum, segment| sum.saturating_add(segment.count));
                ListedState::Unfinished { backup: Box::new(progress.backup), documents }
            }
            // A writer finished or replaced it between the two reads.
            None => ListedState::Damaged { damage: Damage::Unfinished { segments } },
        },
        Err(ReadError::Damage(damage)) => ListedState::Damaged { damage },
        Err(ReadError::Location(error)) => return Err(error),
    }))
}

fn finished(manifest: Manifest) -> ListedState {
    ListedState::Finished {
        created_at: manifest.created_at,
        documents: manifest.documents,
        deletions: manifest.deletions,
        compressed_bytes: manifest.compressed_bytes(),
        backup: Box::new(manifest.backup),
    }
}
