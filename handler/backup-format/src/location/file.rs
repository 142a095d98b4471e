//! Files at a location: their names, their entries in a listing, their revisions and their content.

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::{Error, ErrorKind};
use crate::limits::{MAX_ENTRIES, MAX_NAME_BYTES};

/// An entry directly below a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationEntry {
    /// Its name, without the location.
    pub name: String,
    /// The size in bytes; 0 unless it is a file.
    pub size: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Its revision, where a listing contains it: for blobs.
    pub revision: Option<Revision>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, or a blob.
    File,
    /// A folder, or a common prefix of blobs that ends at a `/`.
    Folder,
    /// A symbolic link or a device, which is never read.
    Other,
}

/// A revision of a file: it changes when the file is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(pub(super) String);

/// The content of a file, in pieces.
pub type Chunks = BoxStream<'static, Result<Bytes, Error>>;

/// Checks that a name stays directly below its location. Except on Windows, a name may contain a time (`10:00`).
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let is_separator = |character| character == '/' || (cfg!(windows) && matches!(character, '\\' | ':'));
    let is_invalid = matches!(name, "" | "." | "..")
        || name.len() > MAX_NAME_BYTES
        || name.chars().any(|character| is_separator(character) || character.is_control());
    if is_invalid {
        let shown: String = name.chars().take(80).collect();
        Err(Error::invalid("reading a file name", format!("invalid file name {shown:?}")))
    } else {
        Ok(())
    }
}

/// Adds an entry to a listing, up to the limit.
pub(super) fn add_entry(
    entries: &mut Vec<LocationEntry>,
    entry: LocationEntry,
    location: impl Fn() -> String,
) -> Result<(), Error> {
    if entries.len() >= MAX_ENTRIES {
        let message = format!("more than {MAX_ENTRIES} entries");
        return Err(Error::new(ErrorKind::TooLarge, format!("listing {}", location()), message));
    }
    entries.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_directly_below_its_location() {
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

    #[test]
    fn a_listing_is_bounded() {
        let entry =
            |number: usize| LocationEntry { name: number.to_string(), size: 0, kind: EntryKind::File, revision: None };
        let mut entries: Vec<LocationEntry> = (0..MAX_ENTRIES - 1).map(entry).collect();
        assert!(add_entry(&mut entries, entry(MAX_ENTRIES), String::new).is_ok());
        let error = add_entry(&mut entries, entry(MAX_ENTRIES), || "/backups".into()).expect_err("full");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}
