//! What stands in the place of a backup, told apart by name.

use super::manifest::MANIFEST;
use super::place::{Entry, EntryKind, Place};
use super::progress::PROGRESS;
use super::segment_name::SegmentName;
use crate::cosmos::Error;

/// The entries of a place.
#[derive(Debug, Default)]
pub struct Contents {
    pub has_manifest: bool,
    pub has_progress: bool,
    /// Segments and their files.
    pub segments: Vec<(SegmentName, Entry)>,
    /// What a writer that broke off may leave behind.
    pub temporary: Vec<Entry>,
    /// Names of segments or of the other two files, but no files.
    pub no_files: Vec<String>,
    pub foreign: Vec<String>,
}

impl Contents {
    pub(crate) async fn list(place: &Place) -> Result<Self, Error> {
        Ok(Self::of(place.list().await?))
    }

    fn of(entries: Vec<Entry>) -> Self {
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
                _ if known => contents.no_files.push(entry.name),
                _ => contents.foreign.push(entry.name),
            }
        }
        contents
    }

    /// Something that no writer put there.
    pub(crate) fn stranger(&self) -> Option<&str> {
        self.foreign.first().or(self.no_files.first()).map(String::as_str)
    }
}

/// As `place/folder.rs` names files that are not whole yet.
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
    fn entries_are_told_apart() {
        let entry = |name: &str, kind| Entry { name: name.into(), size: 1, kind, revision: None };
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
        assert_eq!(contents.no_files, ["progress.json", "part-00004.ndjson.zst"]);
        assert_eq!(contents.foreign, [".other.0123456789abcdef.tmp", "notes.txt", "sub"]);
    }
}
