//! The ids of versions. `docs/reference/format.md` specifies them.
//!
//! An id follows from the version alone, so a version that is captured twice has one item. It consists of the source time in
//! seconds (ten digits), a dash, and a text that distinguishes the change. The suffix `-exact` marks an exact record beside one
//! that is not exact. The suffix `-gone` marks the inferred delete after the last known version of a document.

use std::fmt;
use std::ops::Deref;

use changefeed_cosmos::{Error, KeyPath};
use serde::{Deserialize, Serialize};

/// Digits of the time at the start of an id.
const TIME_DIGITS: usize = 10;
/// The longest id that a caller can give, in characters.
const MAX_CHARACTERS: usize = 255;
const EXACT: &str = "-exact";
const GONE: &str = "-gone";
const IMPORT: &str = "import-";

/// The id of a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

/// Whether a partition of a changes container with this key never has versions of two documents.
pub fn separates_documents(key_paths: &[KeyPath]) -> bool {
    ["pk", "sourceId"].iter().all(|property| key_paths.iter().any(|path| path.is_property(property)))
}

impl VersionId {
    /// Digits of the time at the start of an id.
    pub const TIME_DIGITS: usize = TIME_DIGITS;

    /// The id of a version that a caller gave.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) with what is allowed, when no version can have the id.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.:+=~".contains(character);
        if (1..=MAX_CHARACTERS).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '-')
            && text.chars().all(is_allowed)
        {
            return Ok(Self(text.to_owned()));
        }
        let message = format!(
            "invalid id {text:?}; the id of a version has 1 to {MAX_CHARACTERS} characters, such as 1592926406-0000-5ef2: ASCII \
             letters, digits and - _ . : + = ~"
        );
        Err(Error::invalid("reading a version", message))
    }

    /// The id of a version that is not a removal, from its time in seconds since 1970 and its etag.
    pub fn of_write(source_ts: i64, etag: &str) -> Self {
        Self(format!("{source_ts:0TIME_DIGITS$}-{}", etag.trim_matches('"')))
    }

    /// The id of a change that was copied by another program, so that its etag is not known.
    pub(crate) fn of_import(source_ts: i64, digest: &str) -> Self {
        Self(format!("{source_ts:0TIME_DIGITS$}-{IMPORT}{digest}"))
    }

    /// The id of a removal, which has no etag, from its time and its sequence number. Removals in one transaction share both, so
    /// a digest of the document distinguishes them if they may be stored in one partition.
    pub(crate) fn of_removal(source_ts: i64, lsn: i64, digest: Option<&str>) -> Self {
        let document = digest.map(|digest| format!("-{digest}")).unwrap_or_default();
        Self(format!("{source_ts:0TIME_DIGITS$}-delete-{lsn}{document}"))
    }

    /// The id of a removal by a restore, which records the removal itself.
    pub fn of_removal_by(restore_id: &str, source_ts: i64, digest: &str) -> Self {
        Self(format!("{source_ts:0TIME_DIGITS$}-delete-{restore_id}-{digest}"))
    }

    /// The etag of the version, without quotes; `None` for a removal, and for a change that another program has copied.
    pub fn etag(&self) -> Option<&str> {
        let has_none = |rest: &str| rest.starts_with("delete-") || rest.starts_with(IMPORT) || rest.ends_with(GONE);
        self.plain().get(TIME_DIGITS + 1..).filter(|rest| !has_none(rest))
    }

    /// Whether this is the id of a change that another program has copied.
    pub fn is_import(&self) -> bool {
        self.0.get(TIME_DIGITS + 1..).is_some_and(|rest| rest.starts_with(IMPORT))
    }

    /// Whether this is the id of a removal by this restore.
    pub fn is_removal_by(&self, restore_id: &str) -> bool {
        self.0.contains(&format!("-delete-{restore_id}-"))
    }

    /// Whether this is the id of a removal by a restore. Other removals have a sequence number and perhaps a digest there.
    pub fn is_removal_by_a_restore(&self) -> bool {
        self.0.split_once("-delete-").is_some_and(|(_, rest)| rest.split('-').count() > 2)
    }

    /// The id of a removal without the digest of the document, if it has one; `None` if it is not the id of a removal. Several
    /// removals may share what is left.
    pub(crate) fn shared_removal_id(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("-delete-")?;
        let short = rest.contains('-').then(|| self.0.rsplit_once('-')).flatten();
        Some(short.map_or(&self.0, |(short, _)| short))
    }

    /// Whether this is the id of a removal that the change feed delivered.
    pub(crate) fn is_delivered_removal(&self) -> bool {
        self.0.contains("-delete-") && !self.is_removal_by_a_restore()
    }

    /// The id of the exact record of this version, beside one that is not exact.
    pub fn exact(&self) -> Self {
        Self(format!("{}{EXACT}", self.plain()))
    }

    /// The id of the inferred delete after this version. It is the same whenever and by whatever worker the delete is recorded.
    pub fn gone(&self) -> Self {
        Self(format!("{}{GONE}", self.plain()))
    }

    /// The id without the suffix of an exact record.
    pub fn plain(&self) -> &str {
        self.0.strip_suffix(EXACT).unwrap_or(&self.0)
    }

    /// Whether both are ids of records of the same version.
    pub(crate) fn is_same_version(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }

    /// The time of the version in seconds since 1970; `None` if the id does not start with one.
    pub fn second(&self) -> Option<i64> {
        self.0.get(..TIME_DIGITS)?.parse().ok()
    }
}

impl From<&str> for VersionId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.0
    }
}

impl Deref for VersionId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for VersionId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for VersionId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<VersionId> for String {
    fn eq(&self, other: &VersionId) -> bool {
        *self == other.0
    }
}

impl PartialEq<String> for VersionId {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_version_has_the_same_id_and_ids_sort_by_time() {
        assert_eq!(VersionId::of_write(1592926406, "\"0000-5ef2\""), "1592926406-0000-5ef2");
        assert_eq!(VersionId::of_removal(1592926406, 20591, None), "1592926406-delete-20591");
        assert_eq!(VersionId::of_removal(1592926406, 20591, Some("ab")), "1592926406-delete-20591-ab");
        assert!(VersionId::of_write(999_999_999, "\"f\"") < VersionId::of_write(1_000_000_000, "\"0\""));
    }

    #[test]
    fn an_id_of_a_caller_has_the_characters_of_ids() {
        for id in ["1592926406-0000-5ef2-exact", "1592926406-delete-20591-ab", "-000000005-e", "v", "0000000005-W.x~1"]
        {
            assert_eq!(VersionId::parse(id).expect(id), id);
        }
        for id in ["", ".", "..", "../..", "a/b", "a\\b", "a b", "a\tb", "a%2e", "a?b", "a#b", "ü", &"a".repeat(256)] {
            let message = VersionId::parse(id).expect_err(id).to_string();
            assert!(message.contains("invalid id") && message.contains("1 to 255"), "{message}");
        }
    }

    #[test]
    fn the_records_of_one_version_are_recognized_by_their_ids() {
        let id = VersionId::of_write(5, "e");
        assert_eq!(
            (id.exact(), id.gone()),
            (VersionId::from("0000000005-e-exact"), VersionId::from("0000000005-e-gone"))
        );
        assert!(id.is_same_version(&id.exact()) && id.exact().exact() == id.exact());
        assert_eq!((id.exact().gone(), id.second()), (id.gone(), Some(5)));
        let removal = VersionId::of_removal_by("0000000009-abcd", 7, "ef");
        assert!(removal.is_removal_by("0000000009-abcd") && !removal.is_removal_by("0000000009-abc"));
        assert!(removal.is_removal_by_a_restore());
        assert!(!VersionId::of_removal(7, 9, Some("ef")).is_removal_by_a_restore());
        assert!(!VersionId::of_removal(7, 9, None).is_removal_by_a_restore());
        assert!(VersionId::of_removal(7, 9, Some("ef")).is_delivered_removal() && !removal.is_delivered_removal());
        assert!(!id.is_delivered_removal() && !id.gone().is_delivered_removal());
    }
}
