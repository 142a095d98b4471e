//! Deletes a finished backup.
//!
//! Its manifest is deleted first. What is killed in between has no manifest and is no backup any longer: nothing reads it, and no restore finds
//! segments missing.

use crate::contents::Contents;
use crate::damage::{Damage, ReadError};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind};
use crate::location::{BackupLocation, LocationEntry};
use crate::manifest::MANIFEST;
use crate::read::read_manifest;

/// The outcome of deleting a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Its files are deleted.
    Removed,
    /// The storage does not allow to delete its files: it is immutable, or a right is missing. Those that could be deleted are.
    Protected(String),
    /// Another backup is at the location.
    Replaced,
}

/// Deletes the backup whose manifest has this digest. Other files at the location are left. A backup without a manifest was deleted in
/// part, and the rest is deleted.
///
/// # Errors
/// When the location cannot be read or written now.
pub async fn remove(location: &BackupLocation, digest: Digest) -> Result<Removal, Error> {
    match read_manifest(location).await {
        Ok((_, found)) if found != digest => return Ok(Removal::Replaced),
        Ok(_) => {
            if let Some(protected) = allowed(location.delete(MANIFEST).await)? {
                return Ok(protected);
            }
        }
        Err(ReadError::Damage(Damage::NoManifest)) => {}
        Err(ReadError::Damage(_)) => return Ok(Removal::Replaced),
        Err(ReadError::Location(error)) => return Err(error),
    }
    remove_rest(location).await
}

/// Deletes what is left of a backup whose manifest was deleted. A location with a manifest or with an unfinished backup is not changed.
///
/// # Errors
/// As [`remove`].
pub async fn remove_rest(location: &BackupLocation) -> Result<Removal, Error> {
    let contents = Contents::list(location).await?;
    if contents.has_manifest || contents.has_progress {
        return Ok(Removal::Replaced);
    }
    let segments = contents.segments.into_iter().map(|(_, file)| file);
    for LocationEntry { name, .. } in segments.chain(contents.temporary) {
        if let Some(protected) = allowed(location.delete(&name).await)? {
            return Ok(protected);
        }
    }
    location.remove_if_empty().await?;
    Ok(Removal::Removed)
}

/// What a delete says that is not allowed; none if it is done.
fn allowed(deleted: Result<(), Error>) -> Result<Option<Removal>, Error> {
    match deleted {
        Ok(()) => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::Protected | ErrorKind::Forbidden) => {
            Ok(Some(Removal::Protected(error.to_string())))
        }
        Err(error) => Err(error),
    }
}
