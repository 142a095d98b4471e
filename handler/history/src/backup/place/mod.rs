//! Where backups lie: a folder of this machine, or the blobs below a prefix.
//!
//! Two writers may meet at one place, for a process that was thought dead may not be. So a file is made only where there is
//! none, and replaced only as the one that was seen. What stands under a name is always a whole file.
//!
//! No secret is shown: a place is printed without the query of its URL, and errors are scrubbed.

mod blob;
mod connection_string;
mod folder;
mod shared_key;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use self::blob::Blobs;
pub(super) use self::connection_string::StorageAccount;
use self::folder::Folder;
use crate::cosmos::{Error, ErrorKind};
use crate::limits::MAX_ENTRIES;

/// A folder or a prefix of blobs.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this machine.
    Folder(Folder),
    /// In Azure Blob Storage.
    Blobs(Box<Blobs>),
}

/// What stands directly below a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the place's.
    pub name: String,
    /// In bytes; 0 unless it is a file.
    pub size: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Its state, where a listing says it: in blobs.
    pub revision: Option<Revision>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, or a blob.
    File,
    /// A folder, or what blobs with a further `/` in their names have in common.
    Folder,
    /// A symbolic link, a device: nothing that is ever read.
    Other,
}

/// A state of a file: another one after it was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

/// The bytes of a file as they come.
pub type Chunks = BoxStream<'static, Result<Bytes, Error>>;

impl Place {
    /// A folder. It need not exist before something is written.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::Folder(Folder::new(path.into()))
    }

    /// The blobs below `https://account.blob.core.windows.net/container/prefix`: by the SAS in the URL's query, or else
    /// by the identity.
    ///
    /// # Errors
    /// When the URL names no container, is not https (but on this machine), or there is neither SAS nor identity.
    pub fn blobs(url: &str, identity: Option<Arc<dyn TokenCredential>>) -> Result<Self, Error> {
        Ok(Self::Blobs(Box::new(Blobs::of_url(url, identity)?)))
    }

    /// The blobs below `container/prefix`, or below a URL within the account, by a connection string of the storage account.
    ///
    /// # Errors
    /// When the connection string lacks something, or the place is of another account.
    pub fn blobs_by_connection_string(connection_string: &str, place: &str) -> Result<Self, Error> {
        Ok(Self::Blobs(Box::new(Blobs::of_connection_string(connection_string, place)?)))
    }

    /// The place of this name directly below.
    ///
    /// # Errors
    /// When the name could lead elsewhere.
    pub fn below(&self, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => Ok(Self::Folder(folder.below(name))),
            Self::Blobs(blobs) => Ok(Self::Blobs(Box::new(blobs.below(name)))),
        }
    }

    /// The place above and the file's name, if this is one file and no folder.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn as_file(&self) -> Result<Option<(Self, String)>, Error> {
        Ok(match self {
            Self::Folder(folder) => folder.as_file().await?.map(|(above, name)| (Self::Folder(above), name)),
            Self::Blobs(blobs) => blobs.as_file().await?.map(|(above, name)| (Self::Blobs(Box::new(above)), name)),
        })
    }

    /// What stands directly below, by name. Nothing where the place does not exist yet.
    ///
    /// # Errors
    /// When it cannot be read, or is more than anyone should list.
    pub async fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = match self {
            Self::Folder(folder) => folder.list().await?,
            Self::Blobs(blobs) => blobs.list().await?,
        };
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// A file's bytes as they come.
    ///
    /// # Errors
    /// When there is no such file, it cannot be read, or (`Conflict`) what bears the name is no regular file.
    pub async fn open(&self, name: &str) -> Result<Chunks, Error> {
        Ok(self.open_from(name, 0).await?.0)
    }

    /// A file's bytes from an offset on, as they come; and a text that tells it from what may be written in its stead.
    ///
    /// # Errors
    /// As [`Place::open`], and `Invalid` when the file ends before the offset.
    pub async fn open_from(&self, name: &str, offset: u64) -> Result<(Chunks, String), Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => folder.open(name, offset).await,
            Self::Blobs(blobs) => blobs.open(name, offset).await.map(|(chunks, revision)| (chunks, revision.0)),
        }
    }

    /// A whole file and its state.
    ///
    /// # Errors
    /// As [`Place::open`], and `TooLarge` when it has more than `max_bytes`.
    pub async fn read(&self, name: &str, max_bytes: usize) -> Result<(Bytes, Revision), Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => {
                let bytes = whole(folder.open(name, 0).await?.0, max_bytes, || self.file(name)).await?;
                let revision = Folder::revision(&bytes);
                Ok((bytes, revision))
            }
            Self::Blobs(blobs) => {
                let (chunks, revision) = blobs.open(name, 0).await?;
                Ok((whole(chunks, max_bytes, || self.file(name)).await?, revision))
            }
        }
    }

    /// Makes a file of which nothing is seen before it is whole.
    ///
    /// # Errors
    /// `Conflict` when there is one of this name.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<Revision, Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => folder.create(name, bytes).await,
            Self::Blobs(blobs) => blobs.create(name, bytes).await,
        }
    }

    /// Replaces a file that is still in this state.
    ///
    /// # Errors
    /// `PreconditionFailed` when it is in another one, or gone.
    pub async fn replace(&self, name: &str, bytes: Bytes, revision: &Revision) -> Result<Revision, Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => folder.replace(name, bytes, revision).await,
            Self::Blobs(blobs) => blobs.replace(name, bytes, revision).await,
        }
    }

    /// Deletes a file. It is no error when there is none.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => folder.delete(name).await,
            Self::Blobs(blobs) => blobs.delete(name, None).await,
        }
    }

    /// Deletes a file that is still in this state.
    ///
    /// # Errors
    /// `PreconditionFailed` when it is in another one. It is no error when there is none.
    pub async fn delete_seen(&self, name: &str, revision: &Revision) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Folder(folder) => folder.delete_seen(name, revision).await,
            Self::Blobs(blobs) => blobs.delete(name, Some(revision)).await,
        }
    }

    /// A file's name for messages.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{name} in {self}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.fmt(formatter),
            Self::Blobs(blobs) => blobs.fmt(formatter),
        }
    }
}

async fn whole(mut chunks: Chunks, max_bytes: usize, file: impl Fn() -> String) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        if bytes.len() + chunk.len() > max_bytes {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("reading {}", file()),
                format!("more than {max_bytes} bytes"),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// A name that stays directly below its place. Elsewhere than on Windows, a time may be in one.
fn check_name(name: &str) -> Result<(), Error> {
    let leads = |character| character == '/' || (cfg!(windows) && matches!(character, '\\' | ':'));
    let leads_elsewhere = matches!(name, "" | "." | "..")
        || name.len() > 255
        || name.chars().any(|character| leads(character) || character.is_control());
    if leads_elsewhere {
        let shown: String = name.chars().take(80).collect();
        Err(Error::invalid("reading a name", format!("{shown:?} is no name of a file")))
    } else {
        Ok(())
    }
}

/// Adds to a listing, which is bounded.
fn add(entries: &mut Vec<Entry>, entry: Entry, place: impl Fn() -> String) -> Result<(), Error> {
    if entries.len() >= MAX_ENTRIES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("listing {}", place()),
            format!("more than {MAX_ENTRIES} entries"),
        ));
    }
    entries.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_directly_below_its_place() {
        for name in ["manifest.json", "part-00000.ndjson.zst", ".hidden", "ä b"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", &"x".repeat(300)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["a\\b", "C:x", "2026-11-27T10:00"] {
            assert_eq!(check_name(name).is_err(), cfg!(windows), "{name}");
        }
    }
}
