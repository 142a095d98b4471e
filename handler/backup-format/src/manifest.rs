//! `manifest.json`: what a backup contains. It is written last, so a backup that has one is complete.
//! `docs/reference/backup-format.md` specifies it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::damage::Damage;
use crate::digest::Digest;
use crate::feed_position::FeedPosition;
use crate::limits::{MAX_SEGMENT_BYTES, MAX_UNPACKED_SEGMENT_BYTES};
use crate::sealed::{FORMAT, Flaw, OLDEST_FORMAT, seal, unseal};
use crate::segment::{SegmentKind, SegmentRecord};
use crate::timestamp::Timestamp;

/// The name of the file.
pub(crate) const MANIFEST: &str = "manifest.json";

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// What the backup contains.
    pub backup: BackupHeader,
    /// When it was finished.
    pub created_at: Timestamp,
    /// The number of documents.
    pub documents: u64,
    /// The number of deletions.
    pub deletions: u64,
    /// Where the change feed continues after this backup; none if it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feed: Option<FeedPosition>,
    /// The segments in the order in which they were written.
    pub segments: Vec<SegmentRecord>,
}

/// What a backup contains, as decided when it is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupHeader {
    /// The id of the backup.
    pub id: String,
    /// The container that is backed up.
    pub source: Source,
    /// Which state of the container.
    pub content: Content,
    /// Conditions that the documents meet, as text (`city_name=Davidson`); empty for all documents.
    pub filter: Vec<String>,
    /// The backup that this one continues; none for a full backup.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incremental_from: Option<EarlierBackup>,
    /// When it was started.
    pub started_at: Timestamp,
    /// The person or program that made it.
    pub created_by: String,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The host name of the account.
    pub account: String,
    /// The database.
    pub database: String,
    /// The container.
    pub container: String,
    /// The paths of the partition key (`/a/b`): several for a hierarchical key.
    pub partition_key_paths: Vec<String>,
}

/// Which state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Content {
    /// Each document as it was when it was read.
    Live {},
    /// All documents as they were at one time.
    #[serde(rename_all = "camelCase")]
    AsOf {
        /// The time.
        moment: Timestamp,
    },
}

/// The backup that an incremental backup continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EarlierBackup {
    /// Its id.
    pub id: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Changes from this time on are in the incremental backup.
    pub since: Timestamp,
    /// The position in the change feed from which the incremental backup reads; none if it compares all documents.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub feed: Option<FeedPosition>,
}

impl BackupHeader {
    /// Until when the backup is certainly complete, once it is finished.
    pub fn complete_until(&self) -> Timestamp {
        match self.content {
            Content::Live {} => self.started_at,
            Content::AsOf { moment } => moment,
        }
    }
}

impl Manifest {
    /// The manifest of a backup with these segments.
    pub fn new(backup: BackupHeader, created_at: Timestamp, segments: Vec<SegmentRecord>) -> Self {
        let [documents, deletions] =
            [SegmentKind::Documents, SegmentKind::Deletions].map(|kind| total(&segments, kind).unwrap_or(u64::MAX));
        Self { format: FORMAT, backup, created_at, documents, deletions, feed: None, segments }
    }

    /// The same manifest with the position at which the next incremental backup starts to read the change feed.
    pub fn with_feed(self, feed: Option<FeedPosition>) -> Self {
        Self { feed, ..self }
    }

    /// The text of the file, and its digest.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which does not happen for a manifest made by this library.
    pub fn encode(&self) -> Result<(Vec<u8>, Digest), serde_json::Error> {
        seal(self)
    }

    /// Reads the text of the file, and its digest.
    ///
    /// # Errors
    /// The first damage that is found.
    pub fn decode(text: &[u8]) -> Result<(Self, Digest), Damage> {
        let (manifest, digest): (Self, Digest) = unseal(text)?;
        manifest.check()?;
        Ok((manifest, digest))
    }

    /// Until when the backup is certainly complete. Changes after this time belong in the next backup.
    pub fn complete_until(&self) -> Timestamp {
        self.backup.complete_until()
    }

    /// A reference to this backup, for an incremental backup that continues it and compares all documents.
    pub fn as_earlier(&self, digest: Digest) -> EarlierBackup {
        EarlierBackup { id: self.backup.id.clone(), digest, since: self.complete_until(), feed: None }
    }

    /// The segments in the order in which they are applied: deletions first, then documents as they were written.
    pub fn segments_in_order(&self) -> Vec<&SegmentRecord> {
        let mut segments: Vec<&SegmentRecord> = self.segments.iter().collect();
        segments.sort_by_key(|segment| (segment.kind != SegmentKind::Deletions, segment.name));
        segments
    }

    /// The size of all segments' files, in bytes.
    pub fn compressed_bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.compressed_bytes))
    }

    fn check(&self) -> Result<(), Damage> {
        let read = self.backup.incremental_from.as_ref().and_then(|earlier| earlier.feed.as_ref());
        for feed in self.feed.iter().chain(read) {
            if self.format == OLDEST_FORMAT {
                return Err(Damage::ManifestInvalid { message: "format 1 has no feed position".into() });
            }
            feed.check().map_err(|message| Damage::ManifestInvalid { message })?;
        }
        let mut names = HashSet::new();
        for segment in &self.segments {
            if !names.insert(segment.name) {
                return Err(Damage::DuplicateSegment { segment: segment.name });
            }
            if segment.compressed_bytes > MAX_SEGMENT_BYTES as u64 || segment.bytes > MAX_UNPACKED_SEGMENT_BYTES {
                return Err(Damage::ManifestInvalid {
                    message: format!("{} is larger than a segment can be", segment.name),
                });
            }
            if segment.kind == SegmentKind::Deletions && self.backup.incremental_from.is_none() {
                let message = format!("{} has deletions, but the backup is a full one", segment.name);
                return Err(Damage::ManifestInvalid { message });
            }
        }
        for (kind, stated) in [(SegmentKind::Documents, self.documents), (SegmentKind::Deletions, self.deletions)] {
            let found = total(&self.segments, kind);
            if found != Some(stated) {
                return Err(Damage::WrongTotal { kind, stated, found: found.unwrap_or(u64::MAX) });
            }
        }
        Ok(())
    }
}

fn total(segments: &[SegmentRecord], kind: SegmentKind) -> Option<u64> {
    let counts = segments.iter().filter(|segment| segment.kind == kind).map(|segment| segment.count);
    counts.into_iter().try_fold(0u64, |sum, count| sum.checked_add(count))
}

impl From<Flaw> for Damage {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::NotJson(message) => Self::ManifestNotJson { message },
            Flaw::NewerFormat(found) => Self::NewerFormat { found, known: FORMAT },
            Flaw::Changed => Self::ManifestChanged,
            Flaw::Invalid(message) => Self::ManifestInvalid { message },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::feed_position::FeedRangePosition;
    use crate::segment::SegmentName;
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    pub fn header() -> BackupHeader {
        BackupHeader {
            id: "b".into(),
            source: Source {
                account: "shop.documents.azure.com".into(),
                database: "dev".into(),
                container: "events".into(),
                partition_key_paths: vec!["/pk".into()],
            },
            content: Content::Live {},
            filter: Vec::new(),
            incremental_from: None,
            started_at: DateTime::from_timestamp(1_000_000, 0).expect("time").into(),
            created_by: "test".into(),
        }
    }

    fn feed(continuation: &str) -> FeedPosition {
        let range = FeedRangePosition { min: String::new(), max: "FF".into(), continuation: continuation.into() };
        FeedPosition { resource_id: "r".into(), ranges: vec![range] }
    }

    fn record(number: usize, kind: SegmentKind, count: u64) -> SegmentRecord {
        let name = SegmentName::numbered(number).expect("name");
        SegmentRecord { name, kind, compressed_bytes: 10, bytes: 20, count, sha256: Digest::of(&[]) }
    }

    fn manifest(segments: Vec<SegmentRecord>) -> Manifest {
        Manifest::new(header(), header().started_at, segments)
    }

    /// The damage found in a manifest that was changed and sealed again.
    fn forged(change: impl FnOnce(&mut Value)) -> Damage {
        let manifest = manifest(vec![record(0, SegmentKind::Documents, 3), record(1, SegmentKind::Documents, 4)]);
        let mut value = serde_json::to_value(manifest).expect("value");
        change(&mut value);
        Manifest::decode(&seal(&value).expect("sealed").0).expect_err("damage")
    }

    #[test]
    fn a_manifest_that_the_format_does_not_allow_is_rejected_with_the_reason() {
        for name in ["../x", "/etc/passwd", "a/part-00000.ndjson.zst", ""] {
            let damage = forged(|value| value["segments"][1]["name"] = json!(name));
            assert!(damage.to_string().contains(&format!("{name:?}")), "{damage}");
        }
        let damage = forged(|value| value["segments"][1]["name"] = value["segments"][0]["name"].clone());
        assert!(matches!(damage, Damage::DuplicateSegment { .. }));
        assert_eq!(
            forged(|value| value["documents"] = json!(8)),
            Damage::WrongTotal { kind: SegmentKind::Documents, stated: 8, found: 7 }
        );
        let sum = forged(|value| {
            value["segments"][0]["count"] = json!(u64::MAX);
            value["documents"] = json!(3);
        });
        assert!(matches!(sum, Damage::WrongTotal { .. }));
        assert_eq!(forged(|value| value["format"] = json!(3)), Damage::NewerFormat { found: 3, known: 2 });
        for change in [
            |value: &mut Value| value["colour"] = json!("red"),
            |value: &mut Value| value["segments"][0]["kind"] = json!("deletions"),
            |value: &mut Value| value["segments"][0]["kind"] = json!("others"),
            |value: &mut Value| value["segments"][0]["bytes"] = json!(u64::MAX),
            |value: &mut Value| value["segments"][0]["bytes"] = json!(-1),
            |value: &mut Value| value["backup"]["content"] = json!({"kind": "asOf"}),
            |value: &mut Value| value["backup"]["filter"] = json!([7]),
            |value: &mut Value| value["segments"] = json!({}),
            |value: &mut Value| value["feed"] = json!({"resourceId": "r", "ranges": []}),
            |value: &mut Value| {
                value["feed"] = json!(feed("\"7\""));
                value["format"] = json!(1);
            },
        ] {
            assert!(matches!(forged(change), Damage::ManifestInvalid { .. }));
        }
    }

    #[test]
    fn the_next_backup_starts_where_this_one_may_be_incomplete() {
        let mut manifest = manifest(Vec::new());
        assert_eq!(manifest.complete_until(), manifest.backup.started_at);
        let moment = DateTime::from_timestamp(5, 0).expect("time").into();
        manifest.backup.content = Content::AsOf { moment };
        assert_eq!(manifest.as_earlier(Digest::of(b"x")).since, moment);
    }

    proptest! {
        #[test]
        fn a_manifest_is_read_back_as_it_was_written(
            id in any::<String>(), counts in proptest::collection::vec(0u64..1_000_000, 0..5), as_of in proptest::option::of(0i64..4_000_000_000),
            continuation in proptest::option::of(any::<String>()),
        ) {
            let mut header = BackupHeader { id, filter: vec!["a=1".into()], ..header() };
            if let Some(second) = as_of {
                let moment = DateTime::from_timestamp(second, 0).expect("time").into();
                header.content = Content::AsOf { moment };
                header.incremental_from = Some(EarlierBackup { id: "e".into(), digest: Digest::of(b"e"), since: moment, feed: continuation.as_deref().map(feed) });
            }
            let kind = |number| if as_of.is_some() && number % 2 == 0 { SegmentKind::Deletions } else { SegmentKind::Documents };
            let segments = counts.iter().enumerate().map(|(number, count)| record(number, kind(number), *count)).collect();
            let manifest = Manifest::new(header.clone(), header.started_at, segments).with_feed(continuation.as_deref().map(feed));
            let (text, digest) = manifest.encode().expect("text");
            prop_assert_eq!(Manifest::decode(&text), Ok((manifest, digest)));
        }
    }
}
