//! Where the versions of a document belong in a history whose documents may have another partition key.
//!
//! The key of a version follows from its body. A removal has none: it belongs to the document of the version before it. If two versions
//! that follow one another have different keys, they are of two documents: the first one ended when the second one began, which is
//! recorded as a delete.

use changefeed_cosmos::{DocumentName, Error, Key, KeyPath, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::version::{Operation, SCHEMA, Version, pk_of};
use crate::version_id::VersionId;

/// What is known of a document before its next version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastVersion {
    /// The id of the version.
    pub id: VersionId,
    /// The key that it has in this history.
    pub key: Key,
    /// Its sequence number.
    pub lsn: Option<i64>,
    /// Whether the document existed after it.
    pub exists: bool,
}

/// The versions that this history must have.
#[derive(Debug, Default, PartialEq)]
pub struct Placed {
    /// The versions.
    pub versions: Vec<Version>,
    /// Removals of documents whose key is not known, because no version before them is.
    pub without_key: u64,
}

/// Places versions in a history.
#[derive(Clone, Debug)]
pub struct VersionPlacer {
    /// The key paths of the monitored container.
    pub key_paths: Vec<KeyPath>,
    /// Whether the documents of the other history have another partition key.
    pub is_new_key: bool,
    /// See [`separates_documents`](crate::separates_documents).
    pub separates_documents: bool,
    /// What records these deletes: the id of the job.
    pub captured_by: String,
    /// When it does, RFC 3339 in UTC with milliseconds.
    pub captured_at: String,
}

impl VersionPlacer {
    /// Places the next versions of a document of the other history, in their order. `last` is the one before them.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when a version shows that the documents of the other history have another
    /// partition key, and the caller does not know that.
    pub fn place(&self, versions: Vec<Version>, last: &mut Option<LastVersion>) -> Result<Placed, Error> {
        let mut placed = Placed::default();
        let keys: Vec<Option<Key>> = (0..versions.len()).map(|index| self.key_of(&versions, index)).collect();
        for (version, key) in versions.into_iter().zip(keys) {
            let key = match key {
                _ if !self.is_new_key => {
                    self.check_key(&version, key.as_ref())?;
                    version.partition_key.clone()
                }
                Some(key) => key,
                None => match last.as_ref().filter(|last| last.exists) {
                    Some(last) => last.key.clone(),
                    None => {
                        placed.without_key += 1;
                        continue;
                    }
                },
            };
            let follows = last.as_ref().filter(|last| last.exists);
            let is_moved = follows.is_some_and(|last| last.key != key);
            if let Some(last) = follows.filter(|_| is_moved) {
                placed.versions.push(self.end_of(last, &version));
            }
            let version = self.with_key(version, key, is_moved);
            *last = Some(LastVersion {
                id: version.id.clone(),
                key: version.partition_key.clone(),
                lsn: version.lsn,
                exists: !version.operation.is_removal(),
            });
            placed.versions.push(version);
        }
        Ok(placed)
    }

    /// The key of a version by its body, or by that of the exact record of the same version; of a removal by the body before it. `None`
    /// if it has no body.
    fn key_of(&self, versions: &[Version], index: usize) -> Option<Key> {
        let version = &versions[index];
        let exact = (!version.exact)
            .then(|| versions[index + 1..].iter().find(|other| other.exact && other.id.is_same_version(&version.id)))
            .flatten();
        let version = exact.unwrap_or(version);
        let image = match version.operation.is_removal() {
            true => version.previous.as_ref(),
            false => version.document.as_ref(),
        };
        Key::of(image?, &self.key_paths).ok()
    }

    /// Refuses an exact version whose key is not that of its body.
    fn check_key(&self, version: &Version, key: Option<&Key>) -> Result<(), Error> {
        let is_of_body = key.is_none_or(|key| *key == version.partition_key) || !version.exact;
        if is_of_body && version.partition_key.components().len() == self.key_paths.len() {
            return Ok(());
        }
        let message = format!(
            "version {} has the partition key {}, which is not that of its document at the key paths of the monitored container; if \
             the documents had another partition key, request a new one",
            version.id, version.partition_key
        );
        Err(Error::invalid("placing a version of another history", message))
    }

    fn with_key(&self, version: Version, key: Key, is_moved: bool) -> Version {
        let mut version = version;
        // For the document of this key, it is the first version. The body before it is that of another document.
        if is_moved && !version.operation.is_removal() {
            (version.operation, version.previous) = (Operation::Write, None);
        }
        version.pk = pk_of(&key);
        version.partition_key = key;
        if version.operation.is_removal() && !self.separates_documents && version.id.is_delivered_removal() {
            let short = version.id.shared_removal_id().unwrap_or_default().to_owned();
            version.id = VersionId::from(format!("{short}-{}", version.name_digest()).as_str());
        }
        version
    }

    /// The delete of the document that a version of another key has replaced.
    fn end_of(&self, last: &LastVersion, next: &Version) -> Version {
        Version {
            id: last.id.gone(),
            pk: pk_of(&last.key),
            source_id: next.source_id.clone(),
            partition_key: last.key.clone(),
            operation: Operation::Delete,
            source_ts: next.source_ts,
            // The real number is not known; it is after that of the last version.
            lsn: last.lsn.map(|lsn| lsn + 1),
            etag: None,
            actor: None,
            expires_at: None,
            captured_at: self.captured_at.clone(),
            captured_by: self.captured_by.clone(),
            exact: true,
            inferred: false,
            omitted: Vec::new(),
            schema: SCHEMA,
            document: None,
            previous: None,
        }
    }
}

impl Version {
    /// The document that this is a version of.
    pub fn document_name(&self) -> DocumentName {
        DocumentName { id: self.source_id.clone(), partition_key: self.partition_key.clone() }
    }

    /// A digest of the document's id and partition key value, which distinguishes the removals of documents. It is not the tag by which an
    /// erased document is named.
    pub fn name_digest(&self) -> String {
        digest(&format!("{}{}", self.source_id, self.partition_key))
    }

    /// Whether another record says the same of the document: the same body, or that there is none, at the same time.
    pub fn has_same_content(&self, other: &Self) -> bool {
        let same_body = |one: &Option<Value>, other: &Option<Value>| {
            crate::same_value::same_optional_value(one.as_ref(), other.as_ref())
        };
        self.source_ts == other.source_ts
            && self.operation.is_removal() == other.operation.is_removal()
            && same_body(&self.document, &other.document)
    }
}
