//! Compares the versions of a period with their digests.

use std::collections::{BTreeMap, HashMap};

use changefeed_backup_format::{CheckedChain, Digest as Sha256Digest, RemovedVersion, VersionDigest};
use changefeed_cosmos::{DocumentName, Error, Key, timestamp};
use changefeed_history::{History, VersionId};
use chrono::DateTime;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::finding::{Finding, FindingKind};
use crate::digests::{StoredVersion, read_by_names, read_period, shared_name};

/// A chain that was read, and the removals in it.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub checked: CheckedChain,
    pub removals: RemovedNames,
}

/// The names of removed versions, in little memory: there can be millions. A name is represented by a digest of 64 bits.
#[derive(Debug, Default)]
pub(super) struct RemovedNames(HashMap<u64, i64>);

impl RemovedNames {
    pub(super) fn add(&mut self, name: &str, second: i64) {
        let latest = self.0.entry(digest_of(name)).or_insert(second);
        *latest = second.max(*latest);
    }

    pub(super) fn add_removal(&mut self, removal: &RemovedVersion) {
        self.add(&removal.removed, removal.second);
    }

    /// Whether a removal of this version was recorded after it was stored. A version that was captured again needs another one.
    fn has(&self, version: &VersionDigest) -> bool {
        self.0.get(&digest_of(&version.id)).is_some_and(|removed| *removed >= version.second)
    }
}

fn digest_of(name: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    digest.first_chunk::<8>().copied().map(u64::from_be_bytes).unwrap_or_default()
}

/// The versions of a period as they were when the digests were written.
pub(super) struct Period<'a> {
    /// The first second, since 1970.
    pub from: i64,
    /// The end, which is not part of it.
    pub to: i64,
    pub versions: &'a [VersionDigest],
}

/// Compares periods.
pub(super) struct DigestCheck<'a> {
    pub history: &'a History,
    pub chain: &'a Chain,
    pub page_items: usize,
}

impl DigestCheck<'_> {
    /// The versions of a period that were altered, removed or added since.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn compare(&self, period: &Period<'_>) -> Result<Vec<Finding>, Error> {
        let changes = self.history.changes().open().await?;
        let stored = read_period(&changes, period.from, period.to, self.page_items).await?;
        let stored: Vec<StoredVersion> = stored.try_collect().await?;
        let Pairs { altered, mut missing, added } = pair(period.versions, stored);
        let mut findings: Vec<Finding> = altered.iter().map(altered_finding).collect();
        findings.extend(added.iter().map(added_finding));
        missing.retain(|version| !self.chain.removals.has(version));
        findings.extend(self.missing(missing).await?);
        Ok(findings)
    }

    /// The findings for versions that were not found at their time, and whose removal is not in the chain. A version that was overwritten
    /// has another time.
    async fn missing(&self, missing: Vec<&VersionDigest>) -> Result<Vec<Finding>, Error> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let changes = self.history.changes().open().await?;
        let names: Vec<&str> = missing.iter().map(|version| version.id.as_str()).collect();
        let found = read_by_names(&changes, &names).await?;
        // A removal is recorded before the version is deleted, so it is read after the version was found to be missing.
        let end = self.chain.checked.end();
        let mut recent = RemovedNames::default();
        for removals in self.history.removals(end, i64::MAX).await? {
            removals.versions.iter().for_each(|name| recent.add(name, removals.second));
        }
        let mut findings = Vec::new();
        for version in missing.into_iter().filter(|version| !recent.has(version)) {
            let is_same = |stored: &&StoredVersion| stored.sha256() == version.sha256;
            // The start of a removal's id can be that of other removals, which are in the chain themselves.
            let may_be_altered = |stored: &&StoredVersion| {
                stored.digest.name == version.id
                    || stored.second >= end && shared_name(&stored.digest.name) == shared_name(&version.id)
            };
            if found.iter().any(|stored| is_same(&stored)) {
                continue;
            }
            findings.push(match found.iter().find(may_be_altered) {
                Some(stored) => altered_finding(stored),
                None => removed_finding(version),
            });
        }
        Ok(findings)
    }
}

/// The difference between the digests of a period and the versions that are stored with a time in it.
#[derive(Default)]
struct Pairs<'a> {
    altered: Vec<StoredVersion>,
    missing: Vec<&'a VersionDigest>,
    added: Vec<StoredVersion>,
}

fn pair(versions: &[VersionDigest], stored: Vec<StoredVersion>) -> Pairs<'_> {
    // The content has the id.
    let mut unchanged: HashMap<Sha256Digest, usize> = HashMap::new();
    for version in versions {
        *unchanged.entry(version.sha256).or_default() += 1;
    }
    // Each stored version takes the place of one digest.
    let mut rest: BTreeMap<String, Vec<StoredVersion>> = BTreeMap::new();
    for stored in stored {
        match unchanged.get_mut(&stored.sha256()).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => rest.entry(shared_name(&stored.digest.name).to_owned()).or_default().push(stored),
        }
    }
    let mut pairs = Pairs::default();
    for version in versions {
        let left = unchanged.entry(version.sha256).or_default();
        if *left == 0 {
            continue;
        }
        *left -= 1;
        match rest.get_mut(shared_name(&version.id)).and_then(Vec::pop) {
            // Its parts may have been removed after its record was read: it is read again.
            Some(stored) if stored.digest.damage.is_none() => pairs.altered.push(stored),
            _ => pairs.missing.push(version),
        }
    }
    pairs.added = rest.into_values().flatten().collect();
    pairs
}

fn altered_finding(stored: &StoredVersion) -> Finding {
    let message = stored.digest.damage.as_deref().unwrap_or("its content is not that of its digest");
    Finding::new(FindingKind::Altered, &stored.document, &stored.digest.id).with_message(message)
}

fn added_finding(stored: &StoredVersion) -> Finding {
    let message = format!("stored at {}, and not in the digests of that time", time(stored.second));
    Finding::new(FindingKind::Added, &stored.document, &stored.digest.id).with_message(message)
}

fn removed_finding(version: &VersionDigest) -> Finding {
    let message = format!("stored at {}; no removal is recorded", time(version.second));
    Finding::new(FindingKind::Removed, &nameless(), &VersionId::from(version.id.as_str())).with_message(message)
}

/// A finding about a file of digests.
pub(super) fn chain_finding(name: &str, message: &str) -> Finding {
    Finding::new(FindingKind::ChainBroken, &nameless(), &VersionId::from(name)).with_message(message)
}

/// The document of a finding that names none.
fn nameless() -> DocumentName {
    DocumentName { id: String::new(), partition_key: Key::new(Vec::new()) }
}

fn time(second: i64) -> String {
    DateTime::from_timestamp_secs(second).map(timestamp).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, content: u8) -> VersionDigest {
        VersionDigest { second: 5, id: id.to_owned(), sha256: [content; 32].into() }
    }

    fn stored(id: &str, content: u8, damage: Option<&str>) -> StoredVersion {
        let digest = changefeed_history::RecordDigest {
            id: VersionId::from(id),
            name: id.to_owned(),
            sha256: [content; 32],
            damage: damage.map(str::to_owned),
        };
        StoredVersion { second: 5, document: nameless(), digest }
    }

    #[test]
    fn versions_are_paired_with_their_digests() {
        let contents = [("a", 1), ("b", 2), ("b", 3), ("c", 4), ("d~5", 5), ("e", 6)];
        let versions = contents.map(|(id, content)| version(id, content));
        let found = vec![
            stored("b", 3, None),
            stored("a", 1, None),
            stored("b", 2, None),
            stored("c", 94, None),
            stored("d~95", 95, None),
            stored("e", 96, Some("no parts")),
            stored("f", 7, None),
        ];
        let pairs = pair(&versions, found);
        let names =
            |stored: &[StoredVersion]| stored.iter().map(|stored| stored.digest.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&pairs.altered), names(&pairs.added)), (vec!["c".into(), "d~95".into()], vec!["f".into()]));
        assert_eq!(pairs.missing, [&version("e", 6)]);
    }

    #[test]
    fn a_removal_counts_for_a_version_that_was_stored_before_it() {
        let mut removed = RemovedNames::default();
        removed.add("a", 7);
        removed.add("a", 5);
        assert!(removed.has(&version("a", 1)) && !removed.has(&version("b", 1)));
        assert!(!removed.has(&VersionDigest { second: 8, ..version("a", 1) }));
    }
}
