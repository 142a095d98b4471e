//! The files of a backup at a location, recognized by their names.

use crate::error::Error;
use crate::location::{BackupLocation, EntryKind, LocationEntry};
use crate::manifest::MANIFEST;
use crate::progress::PROGRESS;
use crate::segment::SegmentName;

/// The entries of a location.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub has_manifest: bool,
    pub has_progress: bool,
    /// The segments and their files.
    pub segments: Vec<(SegmentName, LocationEntry)>,
    /// Files that an interrupted writer left behind.
    pub temporary: Vec<LocationEntry>,
    /// Entries that have the name of a file of a backup, but are not regular files.
    pub not_files: Vec<String>,
    /// Everything else.
    pub foreign: Vec<String>,
}

impl Contents {
    pub(crate) async fn list(location: &BackupLocation) -> Result<Self, Error> {
        Ok(Self::of(location.list().await?))
    }

    fn of(entries: Vec<LocationEntry>) -> Self {
        let mut contents = Self::default();
        for entry in entries {
            let name = entry.name.as_str();
            let segment = name.parse::<SegmentName>();
            let known = segment.is_ok() || name == MANIFEST || name == PROGRESS;
            match (entry.kind, segment) {
                (EntryKind::File, Ok(segment)) => contents.segments.push((segment, entry)),
                (EntryKind::File, _) if name == MANIFEST => contents.has_manifest = true,
                (EntryKind::File, _) if name == PROGRESS => contents.has_progress = true,
                (EntryKind::File, _) if is_temporary(name) => contents.temporary.push(entry),
                _ if known => contents.not_files.push(entry.name),
                _ => contents.foreign.push(entry.name),
            }
        }
        contents
    }

    /// An entry that no writer creates.
    pub(crate) fn unexpected(&self) -> Option<&str> {
        self.foreign.first().or(self.not_files.first()).map(String::as_str)
    }
}

/// Whether `location/folder.rs` gives this name to a file that is not complete yet.
fn is_temporary(name: &str) -> bool {
    let of = |file: &str| file == MANIFEST || file == PROGRESS || file.parse::<SegmentName>().is_ok();
    let inner =
        name.strip_prefix('.').and_then(|rest| rest.strip_suffix(".tmp")).and_then(|rest| rest.rsplit_once('.'));
    inner.is_some_and(|(file, random)| of(file) && random.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_recognized_by_name_and_kind() {
        let entry = |name: &str, kind| LocationEntry { name: name.into(), size: 1, kind, revision: None };
        let contents = Contents::of(vec![
            entry("manifest.json", EntryKind::File),
            entry("progress.json", EntryKind::Other),
            entry("part-00003.ndjson.zst", EntryKind::File),
            entry("part-00004.ndjson.zst", EntryKind::Folder),
            entry(".part-00005.ndjson.zst.0123456789abcdef.tmp", EntryKind::File),
            entry(".other.0123456789abcdef.tmp", EntryKind::File),
            entry("notes.txt", EntryKind::File),
            entry("sub", EntryKind::Folder),
        ]);
        assert!(contents.has_manifest && !contents.has_progress);
        assert_eq!(contents.segments.len(), 1);
        assert_eq!(contents.temporary.len(), 1);
        assert_eq!(contents.not_files, ["progress.json", "part-00004.ndjson.zst"]);
        assert_eq!(contents.foreign, [".other.0123456789abcdef.tmp", "notes.txt", "sub"]);
    }
}
