//! A folder of this machine.
//!
//! A file is written under a temporary name, synced to the disk, and then hard-linked to its name, which fails if the name
//! exists. On a file system without hard links, it is renamed after a check that the name does not exist; a replacement is
//! renamed after a check too. Symbolic links are not followed, because a backup may come from an untrusted source.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::file::{Chunks, EntryKind, LocationEntry, Revision, add_entry};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind};

const CHUNK_BYTES: usize = 128 * 1024;

/// A folder, by its path.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Self { path: self.path.join(name) }
    }

    pub(super) fn split(&self) -> Option<(Self, String)> {
        let name = self.path.file_name()?.to_str()?.to_owned();
        let parent = self.path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        Some((Self { path: parent.to_owned() }, name))
    }

    pub(super) async fn is_folder(&self) -> bool {
        tokio::fs::metadata(&self.path).await.is_ok_and(|metadata| metadata.is_dir())
    }

    pub(super) async fn exists(&self, name: &str) -> Result<bool, Error> {
        let path = self.path.join(name);
        match tokio::fs::symlink_metadata(&path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failure(format!("reading {}", path.display()), &error)),
        }
    }

    /// A file with a temporary name.
    pub(super) async fn new_file(&self, name: &str) -> Result<NewFile, Error> {
        let (folder, path) = (self.path.clone(), self.path.join(name));
        let created = self.write("creating", name, move || create_temporary(&folder, &path));
        let (temporary, file) = created.await?;
        let temporary = Temporary(temporary);
        Ok(NewFile { folder: self.clone(), name: name.to_owned(), temporary, file: Some(file) })
    }

    pub(super) async fn as_file(&self) -> Result<Option<(Self, String)>, Error> {
        let is_file = match tokio::fs::metadata(&self.path).await {
            Ok(metadata) => metadata.is_file(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failure(format!("reading {self}"), &error)),
        };
        let name = self.path.file_name().and_then(|name| name.to_str()).filter(|_| is_file);
        Ok(name.map(|name| {
            let parent = self.path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            (Self { path: parent.to_owned() }, name.to_owned())
        }))
    }

    pub(super) async fn list(&self) -> Result<Vec<LocationEntry>, Error> {
        let action = || format!("listing {self}");
        let mut found = Vec::new();
        let mut entries = match tokio::fs::read_dir(&self.path).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(failure(action(), &error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(|error| failure(action(), &error))? {
            // This does not follow links.
            let metadata = match entry.metadata().await {
                Ok(metadata) => metadata,
                // It was deleted or renamed since: a writer renames each file that it completes.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failure(action(), &error)),
            };
            let kind = match metadata.file_type() {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Folder,
                _ => EntryKind::Other,
            };
            let size = if kind == EntryKind::File { metadata.len() } else { 0 };
            let name = entry.file_name().to_string_lossy().into_owned();
            add_entry(&mut found, LocationEntry { name, size, kind, revision: None }, || self.to_string())?;
        }
        Ok(found)
    }

    /// The content from an offset on, and the length and modification time, which change when the file is replaced.
    pub(super) async fn open(&self, name: &str, offset: u64) -> Result<(Chunks, String), Error> {
        let path = self.path.join(name);
        let action = format!("reading {}", path.display());
        let metadata = tokio::fs::symlink_metadata(&path).await.map_err(|error| failure(action.clone(), &error))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Conflict, action, "not a regular file"));
        }
        let mut file = tokio::fs::File::open(&path).await.map_err(|error| failure(action.clone(), &error))?;
        let metadata = file.metadata().await.map_err(|error| failure(action.clone(), &error))?;
        if metadata.len() < offset {
            return Err(Error::invalid(action, format!("the file ends before byte {offset}")));
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
            let named = name_new(&temporary, &path);
            // What failed first is reported.
            named.and(remove_if_present(&temporary))?;
            sync(&folder)?;
            Ok(Self::revision(&bytes))
        })
        .await
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes, revision: &Revision) -> Result<Revision, Error> {
        let (folder, path, revision) = (self.path.clone(), self.path.join(name), revision.clone());
        let replaced = self.write("replacing", name, move || {
            if has_revision(&path, &revision)? != Some(true) {
                return Ok(None);
            }
            let temporary = write_temporary(&folder, &path, &bytes)?;
            if let Err(error) = std::fs::rename(&temporary, &path) {
                remove_if_present(&temporary).ok();
                return Err(error);
            }
            sync(&folder)?;
            Ok(Some(Self::revision(&bytes)))
        });
        replaced.await?.ok_or_else(|| self.changed("replacing", name))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        self.write("deleting", name, move || remove_if_present(&path)).await
    }

    pub(super) async fn delete_if_unchanged(&self, name: &str, revision: &Revision) -> Result<(), Error> {
        let (path, revision) = (self.path.join(name), revision.clone());
        let deleted = self.write("deleting", name, move || {
            let is_unchanged = has_revision(&path, &revision)?;
            if is_unchanged == Some(true) {
                remove_if_present(&path)?;
            }
            Ok(is_unchanged != Some(false))
        });
        if deleted.await? { Ok(()) } else { Err(self.changed("deleting", name)) }
    }

    pub(super) async fn remove_if_empty(&self) -> Result<(), Error> {
        match tokio::fs::remove_dir(&self.path).await {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                Err(failure(format!("deleting {self}"), &error))
            }
            _ => Ok(()),
        }
    }

    fn changed(&self, what: &str, name: &str) -> Error {
        let message = "the file was changed since it was read";
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

/// Whether a file has a revision; none if there is no file.
fn has_revision(path: &Path, revision: &Revision) -> io::Result<Option<bool>> {
    match std::fs::read(path) {
        Ok(found) => Ok(Some(Folder::revision(&found) == *revision)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that is written piece by piece under a temporary name.
pub(super) struct NewFile {
    folder: Folder,
    name: String,
    temporary: Temporary,
    /// `None` while another thread writes.
    file: Option<File>,
}

/// The path of a temporary file, which is deleted with this value.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // A temporary file that stays does no harm.
        remove_if_present(&self.0).ok();
    }
}

impl NewFile {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut file = self.open_file()?;
        let written = self.folder.write("writing", &self.name, move || file.write_all(&bytes).map(|()| file));
        self.file = Some(written.await?);
        Ok(())
    }

    /// Gives the file its name; `replace`: also if another one has it.
    pub(super) async fn finish(mut self, replace: bool) -> Result<(), Error> {
        let file = self.open_file()?;
        let (temporary, path) = (self.temporary.0.clone(), self.folder.path.join(&self.name));
        let folder = self.folder.path.clone();
        let named = self.folder.write("creating", &self.name, move || {
            file.sync_all()?;
            match replace {
                true => std::fs::rename(&temporary, &path)?,
                false => name_new(&temporary, &path)?,
            }
            sync(&folder)
        });
        named.await
    }

    fn open_file(&mut self) -> Result<File, Error> {
        let failed = || Error::new(ErrorKind::Internal, format!("writing {}", self.name), "an earlier write failed");
        self.file.take().ok_or_else(failed)
    }
}

fn create_temporary(folder: &Path, path: &Path) -> io::Result<(PathBuf, File)> {
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{:016x}.tmp", rand::random::<u64>()));
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    Ok((temporary, file))
}

fn write_temporary(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let (temporary, mut file) = create_temporary(folder, path)?;
    match file.write_all(bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            // What failed first is reported; a temporary file that stays is deleted by the next writer.
            remove_if_present(&temporary).ok();
            Err(error)
        }
    }
}

/// Gives a temporary file its name, if no file has the name.
fn name_new(temporary: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(temporary, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => rename_to_new(temporary, path),
        linked => linked,
    }
}

/// Renames a file on a file system without hard links, if no file has the name.
fn rename_to_new(temporary: &Path, path: &Path) -> io::Result<()> {
    if path.try_exists()? { Err(io::ErrorKind::AlreadyExists.into()) } else { std::fs::rename(temporary, path) }
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Syncs the names in a folder to the disk, where the system supports it.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn failure(action: String, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Forbidden,
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => ErrorKind::Unavailable,
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, action, error.to_string())
}
