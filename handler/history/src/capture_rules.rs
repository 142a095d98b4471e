//! What of a container's documents is never stored in the history, and the only way to what is stored.

use std::borrow::Cow;

use changefeed_cosmos::{DocumentName, Error, FieldPath, KeyPath, SYSTEM_PROPERTIES, display_key_paths};

use crate::capture_filter::CaptureFilter;
use crate::omitted_fields::{OmittedFields, outermost, remove_fields};
use crate::version::Version;

/// Why a version of an excluded document is not stored.
pub const EXCLUDED: &str = "the capture filter excludes it: its versions are never stored";

/// What is never stored of the documents of a source: documents, and fields of documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureRules {
    omitted: OmittedFields,
    filter: Option<CaptureFilter>,
}

impl CaptureRules {
    /// The rules of a source. Without any, everything is stored. `stored` are fields that must be stored, with the reason for each: those
    /// of the stamp of restores, and those that name actors.
    ///
    /// # Errors
    /// Says which field cannot be omitted, and why.
    pub fn new<'f>(
        omitted: OmittedFields,
        filter: Option<CaptureFilter>,
        stored: impl IntoIterator<Item = (&'f FieldPath, &'f str)>,
    ) -> Result<Self, String> {
        let own = ["id", "ttl"].into_iter().chain(SYSTEM_PROPERTIES).map(FieldPath::property);
        let own = own.map(|field| (field, "the history needs the id, the time to live and the system properties"));
        let others = stored.into_iter().map(|(field, reason)| (field.clone(), reason));
        for (field, reason) in own.chain(others) {
            refuse(&omitted, &field, reason)?;
        }
        Ok(Self { omitted, filter })
    }

    /// The fields that are omitted.
    pub fn omitted(&self) -> &OmittedFields {
        &self.omitted
    }

    /// The filter that documents must meet.
    pub fn filter(&self) -> Option<&CaptureFilter> {
        self.filter.as_ref()
    }

    /// Whether everything is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.omitted.is_empty() && self.filter.is_none()
    }

    /// The rules for a container with this partition key.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when a field of the key is omitted, and when the filter tests another field than
    /// the id and the key.
    pub fn checked(&self, key_paths: &[KeyPath]) -> Result<CheckedRules, Error> {
        let invalid = |message: String| Error::invalid("reading the settings of the source", message);
        let reason = format!("it belongs to the partition key, {}", display_key_paths(key_paths));
        for path in key_paths {
            let field = path.segments().iter().fold(FieldPath::default(), |path, name| path.child(name));
            refuse(&self.omitted, &field, &reason).map_err(invalid)?;
        }
        if let Some(filter) = &self.filter {
            filter.check(key_paths).map_err(invalid)?;
        }
        Ok(CheckedRules { omitted: self.omitted.clone(), filter: self.filter.clone(), key_paths: key_paths.to_vec() })
    }
}

fn refuse(omitted: &OmittedFields, stored: &FieldPath, reason: &str) -> Result<(), String> {
    match omitted.with_part_of(stored) {
        None => Ok(()),
        Some(field) if field == stored => Err(format!("field {field} cannot be omitted: {reason}")),
        Some(field) => Err(format!("field {field} cannot be omitted, because {stored} is in it: {reason}")),
    }
}

/// The rules of a source whose container is known.
#[derive(Clone, Debug, Default)]
pub struct CheckedRules {
    omitted: OmittedFields,
    filter: Option<CaptureFilter>,
    key_paths: Vec<KeyPath>,
}

impl CheckedRules {
    /// Whether the versions of a document are never stored.
    pub fn excludes(&self, document: &DocumentName) -> bool {
        self.filter.as_ref().is_some_and(|filter| !filter.includes(document, &self.key_paths))
    }

    /// Whether some documents are excluded.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// The fields that are omitted.
    pub(crate) fn omitted(&self) -> &OmittedFields {
        &self.omitted
    }

    /// The version as it is stored; `None` if its document is excluded.
    pub(crate) fn storable<'v>(&self, version: Cow<'v, Version>) -> Option<StorableVersion<'v>> {
        let name = || DocumentName { id: version.source_id.clone(), partition_key: version.partition_key.clone() };
        if self.filter.is_some() && self.excludes(&name()) {
            return None;
        }
        Some(StorableVersion(without_omitted(&self.omitted, version)))
    }
}

/// A version that may be stored: of a document that is captured, and without the omitted fields. Only [`CheckedRules::storable`] makes one.
#[derive(Debug)]
pub(crate) struct StorableVersion<'v>(Cow<'v, Version>);

impl StorableVersion<'_> {
    pub(crate) fn version(&self) -> &Version {
        &self.0
    }
}

/// The version without the omitted fields, which it then lists. It is not copied if it has none of them.
pub(crate) fn without_omitted<'v>(omitted: &OmittedFields, version: Cow<'v, Version>) -> Cow<'v, Version> {
    if omitted.is_empty() {
        return version;
    }
    let images = [&version.document, &version.previous].into_iter().flatten();
    let present: Vec<FieldPath> = images.flat_map(|image| omitted.present_in(image)).collect();
    if present.is_empty() {
        return version;
    }
    let mut version = version.into_owned();
    version.hide(&present);
    version.omitted = outermost(version.omitted.into_iter().chain(present).collect());
    Cow::Owned(version)
}

impl Version {
    /// Removes fields from the document and from the one before it. Returns whether one of them had a value.
    pub fn hide(&mut self, fields: &[FieldPath]) -> bool {
        let images = [&mut self.document, &mut self.previous].into_iter().flatten();
        images.fold(false, |had_one, image| remove_fields(image, fields) | had_one)
    }
}
