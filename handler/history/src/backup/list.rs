//! The backups below a place.

use futures::{StreamExt, stream};
use serde::Serialize;

use super::damage::{Damage, ReadError};
use super::manifest::{BackupHeader, Manifest};
use super::place::{EntryKind, Place};
use super::read;
use super::segment::SegmentKind;
use crate::cosmos::Error;
use crate::moment::Moment;

/// How many are looked at at once.
const CONCURRENCY: usize = 8;

/// A backup below a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedBackup {
    /// The name of its folder.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub state: ListedState,
}

/// What a listed backup is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ListedState {
    /// It is whole, as far as its manifest says.
    Finished {
        /// What it is.
        backup: Box<BackupHeader>,
        /// When it was whole.
        created_at: Moment,
        /// The number of documents.
        documents: u64,
        /// The number of deletions.
        deletions: u64,
        /// The size of its files.
        compressed_bytes: u64,
    },
    /// It was begun.
    Unfinished {
        /// What it is to be.
        backup: Box<BackupHeader>,
        /// The number of documents written for good.
        documents: u64,
    },
    /// Its manifest cannot be read.
    Damaged {
        /// Why.
        #[serde(flatten)]
        damage: Damage,
    },
    /// It could not be looked at.
    Unreadable {
        /// Why.
        message: String,
    },
}

/// Lists the backups directly below a place, by name. What is none is passed over; what cannot be looked at is told.
///
/// # Errors
/// When the place cannot be reached.
pub async fn list(place: &Place) -> Result<Vec<ListedBackup>, Error> {
    let folders = place.list().await?.into_iter().filter(|entry| entry.kind == EntryKind::Folder);
    let backups = stream::iter(folders.map(|entry| listed(place, entry.name))).buffered(CONCURRENCY);
    Ok(backups.filter_map(|backup| async { backup }).collect().await)
}

async fn listed(place: &Place, name: String) -> Option<ListedBackup> {
    let looked = async { look(&place.below(&name)?).await }.await;
    let state = looked.unwrap_or_else(|error| Some(ListedState::Unreadable { message: error.to_string() }));
    state.map(|state| ListedBackup { name, state })
}

/// What the backup in a place is; none where there is none.
///
/// # Errors
/// When the place cannot be reached.
pub async fn look(place: &Place) -> Result<Option<ListedState>, Error> {
    Ok(Some(match read::manifest(place).await {
        Ok((manifest, _)) => finished(manifest),
        Err(ReadError::Damage(Damage::NoManifest)) => return Ok(None),
        Err(ReadError::Damage(Damage::Unfinished { segments })) => match read::progress(place).await {
            Ok(Some(progress)) => {
                let documents = progress.segments.iter().filter(|segment| segment.kind == SegmentKind::Documents);
                let documents = documents.fold(0u64, |sum, segment| sum.saturating_add(segment.count));
                ListedState::Unfinished { backup: Box::new(progress.backup), documents }
            }
            // Finished, or gone on with, in between.
            Ok(None) | Err(ReadError::Damage(_)) => ListedState::Damaged { damage: Damage::Unfinished { segments } },
            Err(ReadError::Place(error)) => return Err(error),
        },
        Err(ReadError::Damage(damage)) => ListedState::Damaged { damage },
        Err(ReadError::Place(error)) => return Err(error),
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
