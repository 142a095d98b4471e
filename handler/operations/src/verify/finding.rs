//! Findings: differences between the live documents and the history, or between the history and its digests.

use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::VersionId;
use serde::{Deserialize, Serialize};

/// The kind of the pages of findings in the jobs container.
pub(super) const PAGE_KIND: &str = "findings";

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// The live version is not in the history; older ones are.
    Missing,
    /// The history has no version of the live document.
    NeverCaptured,
    /// The newest version of the history has not expired and is not a delete, and the document does not exist.
    Gone,
    /// The live version is in the history, with values that may have been rewritten.
    Inexact,
    /// A version cannot be read back.
    Incomplete,
    /// A change is a dead letter because its id or its key, which the host may have rewritten, is not known.
    UnknownIdentity,
    /// With digests: a version has another content than when its digest was written.
    Altered,
    /// With digests: a version does not exist, and no removal of it is recorded.
    Removed,
    /// With digests: a version has a time whose digests are written, and is not among them.
    Added,
    /// With digests: a file of the digests is missing, was changed, or is not at its place.
    ChainBroken,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The kind of the difference.
    pub kind: FindingKind,
    /// The id of the document.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// The id of the version that it concerns: the live one, the newest one of a document that does not exist, or the one that
    /// cannot be read back. The id of the dead letter for [`FindingKind::UnknownIdentity`], which has no other id and no key. The name
    /// of the version for [`FindingKind::Removed`] and of the file for [`FindingKind::ChainBroken`], which have no other id either.
    pub version: VersionId,
    /// The id of the version that a repair stored.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recorded: Option<VersionId>,
    /// Whether it was repaired.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub repaired: bool,
    /// What is wrong, or why it was not repaired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, name: &DocumentName, version: &VersionId) -> Self {
        Self {
            kind,
            id: name.id.clone(),
            partition_key: name.partition_key.clone(),
            version: version.clone(),
            recorded: None,
            repaired: false,
            message: None,
        }
    }

    pub(super) fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The finding of another verification, which is not repaired because it no longer is as it was found.
    pub(super) fn changed_since(self) -> Self {
        self.with_message("not repaired, because the document or its history changed after it was found; verify again")
    }

    pub(super) fn repaired_by(self, recorded: VersionId) -> Self {
        Self { recorded: Some(recorded), repaired: true, message: None, ..self }
    }

    pub(super) fn name(&self) -> DocumentName {
        DocumentName { id: self.id.clone(), partition_key: self.partition_key.clone() }
    }
}

/// How many documents and versions were verified, and the findings by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifyCounts {
    /// Live documents that were verified.
    pub documents: u64,
    /// Versions that were verified.
    pub versions: u64,
    /// See [`FindingKind::Missing`].
    pub missing: u64,
    /// See [`FindingKind::NeverCaptured`].
    pub never_captured: u64,
    /// See [`FindingKind::Gone`].
    pub gone: u64,
    /// See [`FindingKind::Inexact`].
    pub inexact: u64,
    /// See [`FindingKind::Incomplete`].
    pub incomplete: u64,
    /// See [`FindingKind::UnknownIdentity`].
    pub unknown_identity: u64,
    /// See [`FindingKind::Altered`].
    pub altered: u64,
    /// See [`FindingKind::Removed`].
    pub removed: u64,
    /// See [`FindingKind::Added`].
    pub added: u64,
    /// See [`FindingKind::ChainBroken`].
    pub chain_broken: u64,
    /// Findings that were repaired.
    pub repaired: u64,
    /// Documents that cannot be judged yet, because capture may lag.
    pub pending: u64,
}

impl VerifyCounts {
    /// The counts of findings and of pending documents.
    pub(super) fn of(findings: &[Finding], pending: u64) -> Self {
        let mut counts = Self { pending, ..Self::default() };
        for finding in findings {
            let count = match finding.kind {
                FindingKind::Missing => &mut counts.missing,
                FindingKind::NeverCaptured => &mut counts.never_captured,
                FindingKind::Gone => &mut counts.gone,
                FindingKind::Inexact => &mut counts.inexact,
                FindingKind::Incomplete => &mut counts.incomplete,
                FindingKind::UnknownIdentity => &mut counts.unknown_identity,
                FindingKind::Altered => &mut counts.altered,
                FindingKind::Removed => &mut counts.removed,
                FindingKind::Added => &mut counts.added,
                FindingKind::ChainBroken => &mut counts.chain_broken,
            };
            *count += 1;
            counts.repaired += u64::from(finding.repaired);
        }
        counts
    }

    pub(super) fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.versions += other.versions;
        self.missing += other.missing;
        self.never_captured += other.never_captured;
        self.gone += other.gone;
        self.inexact += other.inexact;
        self.incomplete += other.incomplete;
        self.unknown_identity += other.unknown_identity;
        self.altered += other.altered;
        self.removed += other.removed;
        self.added += other.added;
        self.chain_broken += other.chain_broken;
        self.repaired += other.repaired;
        self.pending += other.pending;
    }

    /// The number of findings, including repaired ones.
    pub fn found(&self) -> u64 {
        let of_documents = self.missing + self.never_captured + self.gone + self.inexact;
        let of_history = self.incomplete + self.unknown_identity;
        of_documents + of_history + self.altered + self.removed + self.added + self.chain_broken
    }
}
