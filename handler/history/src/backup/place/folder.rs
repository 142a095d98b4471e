//! A folder of this machine.
//!
//! A file is written under a temporary name, brought to the disk, and then given its name, which a hard link does only where
//! there is none. Where the file system has no hard links, a look and a rename have to do; likewise for replacing. Symbolic
//! links are not followed: a backup may come from anywhere.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Chunks, Entry, EntryKind, Revision, add};
use crate::backup::digest::Digest;
use crate::cosmos::{Error, ErrorKind};

const CHUNK_BYTES: usize = 128 * 1024;

/// A folder, by its path.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn below(&self, name: &str) -> Self {
        Self { path: self.path.join(name) }
    }

    pub(super) async fn as_file(&self) -> Result<Option<(Self, String)>, Error> {
        let is_file = match tokio::fs::metadata(&self.path).await {
            Ok(metadata) => metadata.is_file(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failure(format!("reading {self}"), &error)),
        };
        let name = self.path.file_name().and_then(|name| name.to_str()).filter(|_| is_file);
        Ok(name.map(|name| {
            let above = self.path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
            (Self { path: above.to_owned() }, name.to_owned())
        }))
    }

    pub(super) async fn list(&self) -> Result<Vec<Entry>, Error> {
        let action = || format!("listing {self}");
        let mut found = Vec::new();
        let mut entries = match tokio::fs::read_dir(&self.path).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(failure(action(), &error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(|error| failure(action(), &error))? {
            // Not following links.
            let metadata = entry.metadata().await.map_err(|error| failure(action(), &error))?;
            let kind = match metadata.file_type() {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Folder,
                _ => EntryKind::Other,
            };
            let size = if kind == EntryKind::File { metadata.len() } else { 0 };
            let name = entry.file_name().to_string_lossy().into_owned();
            add(&mut found, Entry { name, size, kind, revision: None }, || self.to_string())?;
        }
        Ok(found)
    }

    /// The file's stamp is its length and when it was modified.
    pub(super) async fn open(&self, name: &str, offset: u64) -> Result<(Chunks, String), Error> {
        let path = self.path.join(name);
        let action = format!("reading {}", path.display());
        let metadata = tokio::fs::symlink_metadata(&path).await.map_err(|error| failure(action.clone(), &error))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Conflict, action, "it is no regular file"));
        }
        let mut file = tokio::fs::File::open(&path).await.map_err(|error| failure(action.clone(), &error))?;
        let metadata = file.metadata().await.map_err(|error| failure(action.clone(), &error))?;
        if metadata.len() < offset {
            return Err(Error::invalid(action, format!("it ends before byte {offset}")));
        }
        file.seek(io::SeekFrom::Start(offset)).await.map_err(|error| failure(action.clone(), &error))?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let stamp = format!("{}-{}", metadata.len(), modified.unwrap_or_default().as_nanos());
        let chunks = stream::try_unfold((file, action), |(mut file, action)| async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = file.read(&mut chunk).await.map_err(|error| failure(action.clone(), &error))?;
            chunk.truncate(length);
            Ok((length > 0).then(|| (Bytes::from(chunk), (file, action))))
        });
        Ok((chunks.boxed(), stamp))
    }

    pub(super) fn revision(bytes: &[u8]) -> Revision {
        Revision(Digest::of(bytes).to_string())
    }

    pub(super) async fn create(&self, name: &str, bytes: Bytes) -> Result<Revision, Error> {
        let (folder, path) = (self.path.clone(), self.path.join(name));
        self.write("creating", name, move || {
            let temporary = write_temporary(&folder, &path, &bytes)?;
            let named = match std::fs::hard_link(&temporary, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.try_exists()? => {
                    std::fs::rename(&temporary, &path)
                }
                Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Ok(()) => Ok(()),
            };
            remove(&temporary)?;
            named?;
            sync(&folder)?;
            Ok(Self::revision(&bytes))
        })
        .await
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes, revision: &Revision) -> Result<Revision, Error> {
        let (folder, path, revision) = (self.path.clone(), self.path.join(name), revision.clone());
        let replaced = self.write("replacing", name, move || {
            if is_in(&path, &revision)? != Some(true) {
                return Ok(None);
            }
            let temporary = write_temporary(&folder, &path, &bytes)?;
            std::fs::rename(&temporary, &path)?;
            sync(&folder)?;
            Ok(Some(Self::revision(&bytes)))
        });
        replaced.await?.ok_or_else(|| self.changed("replacing", name))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        self.write("deleting", name, move || remove(&path)).await
    }

    pub(super) async fn delete_seen(&self, name: &str, revision: &Revision) -> Result<(), Error> {
        let (path, revision) = (self.path.join(name), revision.clone());
        let deleted = self.write("deleting", name, move || {
            let is_seen = is_in(&path, &revision)?;
            if is_seen == Some(true) {
                remove(&path)?;
            }
            Ok(is_seen != Some(false))
        });
        if deleted.await? { Ok(()) } else { Err(self.changed("deleting", name)) }
    }

    fn changed(&self, what: &str, name: &str) -> Error {
        let message = "it is not the file any more that was read";
        Error::new(ErrorKind::PreconditionFailed, format!("{what} {name} in {self}"), message)
    }

    async fn write<T: Send + 'static>(
        &self,
        what: &str,
        name: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| failure(format!("{what} {name} in {self}"), &error))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(formatter)
    }
}

/// Whether a file is in a state; nothing if there is none.
fn is_in(path: &Path, revision: &Revision) -> io::Result<Option<bool>> {
    match std::fs::read(path) {
        Ok(found) => Ok(Some(Folder::revision(&found) == *revision)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_temporary(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{:016x}.tmp", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    match file.write_all(bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            remove(&temporary)?;
            Err(error)
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Brings the names of a folder to the disk, where the system has such a thing.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn failure(action: String, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Forbidden,
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, action, error.to_string())
}
