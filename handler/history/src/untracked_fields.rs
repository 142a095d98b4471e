//! The fields of a document that are never among its changed paths.
//!
//! The service's system properties and the stamp of a restore change with every write and say nothing about the document. Its `id` and
//! its partition key cannot change.

use std::borrow::Cow;

use changefeed_cosmos::{FieldPath, KeyPath, SYSTEM_PROPERTIES};

/// The property that identifies a document within its partition.
const ID: &str = "id";

/// The fields that are never among the changed paths of a document: system properties, the stamp, `id` and the partition key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UntrackedFields {
    stamp: Vec<String>,
    key_paths: Vec<KeyPath>,
    /// Fields that one of the compared documents lacks because they are never stored.
    omitted: Vec<FieldPath>,
}

impl UntrackedFields {
    /// The untracked fields of a container's documents: those of the stamp that restores set, and the container's partition key.
    pub fn new<S: Into<String>>(stamp: impl IntoIterator<Item = S>, key_paths: &[KeyPath]) -> Self {
        Self { stamp: stamp.into_iter().map(Into::into).collect(), key_paths: key_paths.to_vec(), omitted: Vec::new() }
    }

    /// The same fields, and those that one of these versions lacks because they are never stored: nothing is known of a change of them.
    pub fn and_omitted_of<'v>(&self, versions: impl IntoIterator<Item = &'v [FieldPath]>) -> Cow<'_, Self> {
        let omitted: Vec<FieldPath> = versions.into_iter().flatten().cloned().collect();
        if omitted.is_empty() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { omitted, ..self.clone() })
    }

    /// Whether the field with these names is untracked.
    pub fn contains<S: AsRef<str>>(&self, names: &[S]) -> bool {
        self.is_of_writes(names) || self.is_identity(names) || self.is_omitted(names)
    }

    /// Whether the field is a system property or one of the stamp: every write, or every restore, sets it.
    pub fn is_of_writes<S: AsRef<str>>(&self, names: &[S]) -> bool {
        let [name] = names else { return false };
        let name = name.as_ref();
        SYSTEM_PROPERTIES.contains(&name) || self.stamp.iter().any(|stamp| stamp == name)
    }

    /// Whether the field is the `id` or a component of the partition key.
    pub fn is_identity<S: AsRef<str>>(&self, names: &[S]) -> bool {
        let is_same = |path: &[String]| path.iter().map(String::as_str).eq(names.iter().map(AsRef::as_ref));
        matches!(names, [name] if name.as_ref() == ID) || self.key_paths.iter().any(|path| is_same(path.segments()))
    }

    fn is_omitted<S: AsRef<str>>(&self, names: &[S]) -> bool {
        let is_same = |path: &FieldPath| path.segments().iter().map(String::as_str).eq(names.iter().map(AsRef::as_ref));
        self.omitted.iter().any(is_same)
    }

    /// The id and the components of the partition key.
    pub(crate) fn identity(&self) -> Vec<FieldPath> {
        let key = self
            .key_paths
            .iter()
            .map(|path| path.segments().iter().fold(FieldPath::default(), |path, name| path.child(name)));
        std::iter::once(FieldPath::property(ID)).chain(key).collect()
    }

    /// The system properties and the stamp.
    pub(crate) fn of_writes(&self) -> Vec<FieldPath> {
        let stamp = self.stamp.iter().map(String::as_str);
        SYSTEM_PROPERTIES.into_iter().chain(stamp).map(FieldPath::property).collect()
    }

    /// Why a caller cannot select this field: it, or a field that it is part of, is untracked. `None` if it can be selected.
    pub fn refusal(&self, path: &FieldPath) -> Option<String> {
        let names = path.segments();
        let part = (1..=names.len()).filter_map(|length| names.get(..length));
        part.into_iter().find_map(|names| {
            let reason = if self.is_identity(names) {
                "the id and the partition key of a document cannot change"
            } else if self.is_of_writes(names) {
                "the service or the restore itself sets this field"
            } else {
                return None;
            };
            Some(format!("field {path} cannot be selected: {reason}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_system_properties_the_id_and_the_key_are_untracked_and_no_other_field() {
        let key_paths = ["/pk", "/tenant/id"].map(|path| path.parse::<KeyPath>().expect(path));
        let untracked = UntrackedFields::new(["restored_at"], &key_paths);
        let is_untracked = |text: &str| untracked.contains(text.parse::<FieldPath>().expect(text).segments());
        for text in ["id", "pk", "_ts", "_etag", "_rid", "_self", "_attachments", "restored_at", "tenant.id"] {
            assert!(is_untracked(text), "{text}");
        }
        for text in ["", "ids", "tenant", "a.id", "a._ts", "tenant.id.x", "_lsn", "a.restored_at", "tenant.pk"] {
            assert!(!is_untracked(text), "{text}");
        }
        let refusal = |text: &str| untracked.refusal(&text.parse().expect(text));
        assert_eq!((refusal("tenant"), refusal("a.id"), refusal("city")), (None, None, None));
        for (text, part) in
            [("id", "the id and"), ("pk.x", "the id and"), ("_ts", "sets this"), ("tenant.id", "id and")]
        {
            assert!(refusal(text).is_some_and(|message| message.contains(part) && message.contains(text)), "{text}");
        }
    }
}
