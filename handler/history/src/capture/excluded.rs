//! Whether a payload that cannot be stored as a version is of a document that the capture filter excludes.

use changefeed_cosmos::{DocumentName, KeyPath};

use super::identity::UNKNOWN_IDENTITY;
use crate::capture_rules::CheckedRules;
use crate::erasure::images;

/// Whether a payload names excluded documents only. `reason` says why it cannot be stored: if its id or key may be another one, it is not
/// known which document it is of.
pub(crate) fn is_excluded(rules: &CheckedRules, payload: &str, reason: &str, key_paths: &[KeyPath]) -> bool {
    if !rules.has_filter() || reason == UNKNOWN_IDENTITY {
        return false;
    }
    let images = images(payload, key_paths);
    !images.is_empty()
        && images.into_iter().all(|image| {
            let name = image.partition_key.map(|partition_key| DocumentName { id: image.id, partition_key });
            name.is_some_and(|name| rules.excludes(&name))
        })
}
