//! A folder or a prefix of blobs, behind one type.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use futures::TryStreamExt;

use super::blob::BlobPrefix;
use super::file::{Chunks, LocationEntry, Revision, check_name};
use super::file_writer::{Existing, FileWriter};
use super::folder::Folder;
use crate::error::{Error, ErrorKind};

/// A folder or a prefix of blobs that holds a backup, or several backups in folders below it.
#[derive(Clone, Debug)]
pub struct BackupLocation(Storage);

#[derive(Clone, Debug)]
enum Storage {
    Folder(Folder),
    Blobs(Box<BlobPrefix>),
}

impl BackupLocation {
    /// A folder of this machine. It is created when something is written.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Storage::Folder(Folder::new(path.into())))
    }

    /// The blobs below `https://account.blob.core.windows.net/container/prefix`. The SAS in the URL's query is used, or else
    /// the identity.
    ///
    /// # Errors
    /// When the URL has no container or is not https (except on this machine), or when there is neither SAS nor identity.
    pub fn blobs(url: &str, identity: Option<Arc<dyn TokenCredential>>) -> Result<Self, Error> {
        BlobPrefix::from_url(url, identity).map(Self::of_blobs)
    }

    /// The blobs below `container/prefix`, or below a URL within the account, with the connection string of a storage account.
    ///
    /// # Errors
    /// When the connection string is incomplete, or the URL belongs to another account.
    pub fn blobs_by_connection_string(connection_string: &str, location: &str) -> Result<Self, Error> {
        BlobPrefix::from_connection_string(connection_string, location).map(Self::of_blobs)
    }

    fn of_blobs(blobs: BlobPrefix) -> Self {
        Self(Storage::Blobs(Box::new(blobs)))
    }

    /// The location with this name directly below.
    ///
    /// # Errors
    /// When the name is not a valid file name.
    pub fn child(&self, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        Ok(match &self.0 {
            Storage::Folder(folder) => Self(Storage::Folder(folder.child(name))),
            Storage::Blobs(blobs) => Self::of_blobs(blobs.child(name)),
        })
    }

    /// If this is a file instead of a folder: its parent and its name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn as_file(&self) -> Result<Option<(Self, String)>, Error> {
        Ok(match &self.0 {
            Storage::Folder(folder) => {
                folder.as_file().await?.map(|(parent, name)| (Self(Storage::Folder(parent)), name))
            }
            Storage::Blobs(blobs) => blobs.as_file().await?.map(|(parent, name)| (Self::of_blobs(parent), name)),
        })
    }

    /// The entries directly below, sorted by name. A location that does not exist yet has none.
    ///
    /// # Errors
    /// When it cannot be read; `TooLarge` when there are too many.
    pub async fn list(&self) -> Result<Vec<LocationEntry>, Error> {
        let mut entries = match &self.0 {
            Storage::Folder(folder) => folder.list().await?,
            Storage::Blobs(blobs) => blobs.list().await?,
        };
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// `NotFound` when it does not exist, `Conflict` when it is not a regular file, and when it cannot be read.
    pub async fn open(&self, name: &str) -> Result<Chunks, Error> {
        Ok(self.open_from(name, 0).await?.0)
    }

    /// The content of a file from an offset on, and a text that changes when the file is replaced.
    ///
    /// # Errors
    /// As [`BackupLocation::open`], and `Invalid` when the file ends before the offset.
    pub async fn open_from(&self, name: &str, offset: u64) -> Result<(Chunks, String), Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => folder.open(name, offset).await,
            Storage::Blobs(blobs) => blobs.open(name, offset).await.map(|(chunks, revision)| (chunks, revision.0)),
        }
    }

    /// The whole content of a file, and its revision.
    ///
    /// # Errors
    /// As [`BackupLocation::open`], and `TooLarge` when it has more than `max_bytes`.
    pub async fn read(&self, name: &str, max_bytes: usize) -> Result<(Bytes, Revision), Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => {
                let bytes = self.collect(folder.open(name, 0).await?.0, name, max_bytes).await?;
                let revision = Folder::revision(&bytes);
                Ok((bytes, revision))
            }
            Storage::Blobs(blobs) => {
                let (chunks, revision) = blobs.open(name, 0).await?;
                Ok((self.collect(chunks, name, max_bytes).await?, revision))
            }
        }
    }

    async fn collect(&self, mut chunks: Chunks, name: &str, max_bytes: usize) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.try_next().await? {
            if bytes.len() + chunk.len() > max_bytes {
                let message = format!("more than {max_bytes} bytes");
                return Err(Error::new(ErrorKind::TooLarge, format!("reading {}", self.file(name)), message));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }

    /// The location above this one and the name of this one within it; `None` if it is a root.
    pub fn split(&self) -> Option<(Self, String)> {
        match &self.0 {
            Storage::Folder(folder) => folder.split().map(|(parent, name)| (Self(Storage::Folder(parent)), name)),
            Storage::Blobs(blobs) => blobs.split().map(|(parent, name)| (Self::of_blobs(parent), name)),
        }
    }

    /// Whether this is a folder that exists. Blobs have no folders.
    pub async fn is_folder(&self) -> bool {
        match &self.0 {
            Storage::Folder(folder) => folder.is_folder().await,
            Storage::Blobs(_) => false,
        }
    }

    /// A file that is written piece by piece. Readers do not see it before it is complete.
    ///
    /// # Errors
    /// `Conflict` when there is a file with this name that is to stay, and when nothing can be written here.
    pub async fn write_file(&self, name: &str, existing: Existing) -> Result<FileWriter, Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => FileWriter::in_folder(folder, name, existing).await,
            Storage::Blobs(blobs) => FileWriter::in_blobs(blobs, name, existing).await,
        }
    }

    /// Creates a file. Readers do not see it before it is complete.
    ///
    /// # Errors
    /// `Conflict` when there is a file with this name.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<Revision, Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => folder.create(name, bytes).await,
            Storage::Blobs(blobs) => blobs.create(name, bytes).await,
        }
    }

    /// Replaces a file if it still has this revision.
    ///
    /// # Errors
    /// `PreconditionFailed` when it has another revision or does not exist.
    pub async fn replace(&self, name: &str, bytes: Bytes, revision: &Revision) -> Result<Revision, Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => folder.replace(name, bytes, revision).await,
            Storage::Blobs(blobs) => blobs.replace(name, bytes, revision).await,
        }
    }

    /// Deletes a file, if it exists.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => folder.delete(name).await,
            Storage::Blobs(blobs) => blobs.delete(name, None).await,
        }
    }

    /// Deletes the folder if it is empty. Blobs have no folders.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub(crate) async fn remove_if_empty(&self) -> Result<(), Error> {
        match &self.0 {
            Storage::Folder(folder) => folder.remove_if_empty().await,
            Storage::Blobs(_) => Ok(()),
        }
    }

    /// Deletes a file if it still has this revision, and succeeds if it does not exist.
    ///
    /// # Errors
    /// `PreconditionFailed` when it has another revision.
    pub async fn delete_if_unchanged(&self, name: &str, revision: &Revision) -> Result<(), Error> {
        check_name(name)?;
        match &self.0 {
            Storage::Folder(folder) => folder.delete_if_unchanged(name, revision).await,
            Storage::Blobs(blobs) => blobs.delete(name, Some(revision)).await,
        }
    }

    /// The name of a file for messages.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{name} in {self}")
    }
}

impl fmt::Display for BackupLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Storage::Folder(folder) => folder.fmt(formatter),
            Storage::Blobs(blobs) => blobs.fmt(formatter),
        }
    }
}
