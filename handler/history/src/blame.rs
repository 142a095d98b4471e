//! Which version set each field of a document.
//!
//! A leaf belongs to the newest version in which its value differs from the version before it. The versions are observed one by one, newest
//! first, until every leaf is explained. After a delete or an expiry the history starts again: what is left belongs to the version that
//! created the document again.

use changefeed_cosmos::FieldPath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changed_paths::value_at;
use crate::same_value::same_optional_value;
use crate::untracked_fields::UntrackedFields;
use crate::version::{Operation, Version, present};
use crate::version_id::VersionId;

/// A leaf of a document, and the version that set it. A leaf is a value that is not an object, an array as a whole, or an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlamedField {
    /// The field; in JSON a JSON Pointer.
    pub path: FieldPath,
    /// Its value.
    #[serde(deserialize_with = "value")]
    pub value: Value,
    /// What set it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Reads a field in which `null` is a value.
fn value<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(present(deserializer)?.unwrap_or_default())
}

/// What set a leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Origin {
    /// A version.
    Version(SetBy),
    /// This version or an earlier one, which was not read.
    AtOrBefore {
        /// The oldest version that was read.
        at_or_before: VersionId,
    },
    /// A version that the history does not have, or its first one, which may only have repeated the value.
    Unknown {
        /// Always true.
        unknown: bool,
    },
}

/// The version that set a leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetBy {
    /// The id of the version.
    pub version_id: VersionId,
    /// Its time in seconds since 1970.
    pub source_ts: i64,
    /// What happened.
    pub operation: Operation,
    /// Who wrote the version, as its document claims.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// The restore that wrote the version. [`History`](crate::History) does not know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by_restore: Option<String>,
    /// Who requested that restore.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// Whether this version and the one before it are exactly what was stored. Otherwise the Functions host may have rewritten the value in
    /// one of them.
    pub exact: bool,
    /// Whether the version is in the history. The live document may not be captured yet; another version before it may be missing, too.
    #[serde(skip_serializing_if = "is_true", default = "yes")]
    pub captured: bool,
}

fn is_true(flag: &bool) -> bool {
    *flag
}

fn yes() -> bool {
    true
}

impl Origin {
    const UNKNOWN: Self = Self::Unknown { unknown: true };
}

/// Finds the versions that set the leaves of a document. It is given the versions before it, newest first.
#[derive(Debug)]
pub(crate) struct Blaming {
    leaves: Vec<Leaf>,
    /// The oldest version so far.
    oldest: Version,
    is_oldest_captured: bool,
    /// Observed versions, the document's own included.
    observed: usize,
}

#[derive(Debug)]
struct Leaf {
    path: FieldPath,
    value: Value,
    /// Whether it is the id or part of the key. They belong to the creation of the document.
    is_identity: bool,
    set_by: Option<SetBy>,
}

impl Blaming {
    /// The leaves of a version are to be explained, without system properties and the stamp. `is_captured` is false for a live document
    /// until its version is observed.
    pub(crate) fn new(version: Version, is_captured: bool, untracked: &UntrackedFields) -> Self {
        let mut leaves = Vec::new();
        if let Some(document) = &version.document {
            add_leaves(&FieldPath::default(), document, untracked, &mut leaves);
        }
        Self { leaves, oldest: version, is_oldest_captured: is_captured, observed: 1 }
    }

    /// Observes the next older version. Another record of the same version changes nothing.
    pub(crate) fn observe(&mut self, older: Version) {
        if older.id.is_same_version(&self.oldest.id) {
            if !self.is_oldest_captured {
                // The record has what the live document does not say.
                let (document, exact) = (self.oldest.document.take(), self.oldest.exact);
                self.oldest = Version { document, exact, ..older };
                self.is_oldest_captured = true;
            }
            return;
        }
        let before = older.document_before(&self.oldest);
        let is_exact = before.is_none() || older.exact;
        let set_by = self.set_by_oldest(is_exact);
        explain(&mut self.leaves, before, &set_by);
        self.oldest = older;
        self.is_oldest_captured = true;
        self.observed += 1;
    }

    /// Explains what the oldest observed version says itself: that it created the document, or what the document was before.
    pub(crate) fn explain_oldest(&mut self) {
        let set_by = self.set_by_oldest(true);
        if self.oldest.operation == Operation::Create {
            explain(&mut self.leaves, None, &set_by);
        } else if let Some(previous) = &self.oldest.previous {
            explain(&mut self.leaves, Some(previous), &set_by);
        }
    }

    /// Whether every leaf is explained, apart from the id and the key.
    pub(crate) fn is_done(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.is_identity || leaf.set_by.is_some())
    }

    /// Whether the id or part of the key is not explained.
    pub(crate) fn needs_creation(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.is_identity && leaf.set_by.is_none())
    }

    /// The number of observed versions.
    pub(crate) fn observed(&self) -> usize {
        self.observed
    }

    /// The oldest observed version.
    pub(crate) fn oldest(&self) -> &Version {
        &self.oldest
    }

    /// Explains the id and the key.
    pub(crate) fn set_creation(&mut self, creation: &SetBy) {
        for leaf in self.leaves.iter_mut().filter(|leaf| leaf.is_identity && leaf.set_by.is_none()) {
            leaf.set_by = Some(creation.clone());
        }
    }

    /// The leaves with their origins. `horizon` is the retention's in seconds since 1970, read after the versions: those before it may be
    /// missing. `is_end` says that no version precedes the oldest one.
    pub(crate) fn finish(self, horizon: i64, is_end: bool) -> Vec<BlamedField> {
        // What is before the version that was current at the horizon is not known, but a creation has nothing before it.
        let is_known = |set_by: &SetBy| set_by.source_ts > horizon || set_by.operation == Operation::Create;
        let oldest = self.oldest.id;
        let origin = |is_identity: bool, set_by: Option<SetBy>| match set_by {
            Some(set_by) if is_known(&set_by) => Origin::Version(set_by),
            None if !is_end && !is_identity => Origin::AtOrBefore { at_or_before: oldest.clone() },
            _ => Origin::UNKNOWN,
        };
        let fields = self.leaves.into_iter();
        fields
            .map(|leaf| BlamedField {
                path: leaf.path,
                value: leaf.value,
                origin: origin(leaf.is_identity, leaf.set_by),
            })
            .collect()
    }

    fn set_by_oldest(&self, is_before_exact: bool) -> SetBy {
        let version = &self.oldest;
        SetBy {
            version_id: version.id.clone(),
            source_ts: version.source_ts,
            operation: version.operation,
            actor: version.actor.clone(),
            by_restore: None,
            requested_by: None,
            exact: version.exact && is_before_exact,
            captured: self.is_oldest_captured,
        }
    }
}

/// Attributes the leaves that have another value before a version, or none, to this version.
fn explain(leaves: &mut [Leaf], before: Option<&Value>, version: &SetBy) {
    for leaf in leaves.iter_mut().filter(|leaf| leaf.set_by.is_none()) {
        let value = before.and_then(|before| value_at(before, &leaf.path));
        if !same_optional_value(value, Some(&leaf.value)) {
            leaf.set_by = Some(version.clone());
        }
    }
}

fn add_leaves(path: &FieldPath, value: &Value, untracked: &UntrackedFields, leaves: &mut Vec<Leaf>) {
    match value {
        _ if untracked.is_of_writes(path.segments()) => {}
        Value::Object(properties) if !properties.is_empty() => {
            for (name, value) in properties {
                add_leaves(&path.child(name), value, untracked, leaves);
            }
        }
        // A document without a property has no leaves.
        Value::Object(_) if path.segments().is_empty() => {}
        _ => leaves.push(Leaf {
            path: path.clone(),
            value: if value.is_object() { Value::Object(Map::new()) } else { value.clone() },
            is_identity: untracked.is_identity(path.segments()),
            set_by: None,
        }),
    }
}

#[cfg(test)]
mod tests;
