//! Writes a file piece by piece. Readers do not see it before it is complete.
//!
//! In a folder it has a temporary name until then. As a blob it consists of blocks that are committed together; the service deletes
//! blocks that are never committed after a week.

use std::fmt;

use bytes::Bytes;

use super::blob::BlobPrefix;
use super::folder::{Folder, NewFile};
use crate::error::{Error, ErrorKind};

/// Bytes that are collected before they are written into a folder.
const FOLDER_BYTES: usize = 256 * 1024;
/// Bytes of a block. A blob has at most 50,000 blocks, so a file has at most 390 GiB.
const BLOCK_BYTES: usize = 8 * 1024 * 1024;

/// What happens to a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails.
    Keep,
    /// It is replaced when the new file is complete.
    Replace,
}

/// A file that is being written. If it is dropped, there is no file.
pub struct FileWriter {
    target: Target,
    name: String,
    existing: Existing,
    buffer: Vec<u8>,
}

enum Target {
    Folder(NewFile),
    Blob { prefix: Box<BlobPrefix>, writer: u64, blocks: Vec<Vec<u8>> },
}

impl FileWriter {
    pub(super) async fn in_folder(folder: &Folder, name: &str, existing: Existing) -> Result<Self, Error> {
        if existing == Existing::Keep && folder.exists(name).await? {
            return Err(exists(name, folder));
        }
        let target = Target::Folder(folder.new_file(name).await?);
        Ok(Self { target, name: name.to_owned(), existing, buffer: Vec::new() })
    }

    pub(super) async fn in_blobs(prefix: &BlobPrefix, name: &str, existing: Existing) -> Result<Self, Error> {
        if existing == Existing::Keep && prefix.exists(name).await? {
            return Err(exists(name, prefix));
        }
        let target = Target::Blob { prefix: Box::new(prefix.clone()), writer: rand::random(), blocks: Vec::new() };
        Ok(Self { target, name: name.to_owned(), existing, buffer: Vec::new() })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        let most = match self.target {
            Target::Folder(_) => FOLDER_BYTES,
            Target::Blob { .. } => BLOCK_BYTES,
        };
        if self.buffer.len() < most { Ok(()) } else { self.flush().await }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// `Conflict` when there is a file with this name that is to stay, and when it cannot be written.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.flush().await?;
        match self.target {
            Target::Folder(file) => file.finish(self.existing == Existing::Replace).await,
            Target::Blob { prefix, blocks, .. } => {
                prefix.commit(&self.name, blocks, self.existing == Existing::Replace).await
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        match &mut self.target {
            Target::Folder(file) => file.write(bytes).await,
            Target::Blob { prefix, writer, blocks } => {
                // The ids of a blob's blocks have one length. Those of another writer differ.
                let block = format!("{writer:016x}{:08x}", blocks.len()).into_bytes();
                prefix.stage(&self.name, &block, bytes).await?;
                blocks.push(block);
                Ok(())
            }
        }
    }
}

fn exists(name: &str, location: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Conflict, format!("creating {name} in {location}"), "the file already exists")
}
