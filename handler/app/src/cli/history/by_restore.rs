//! Says that a restore wrote a version.

/// Text to append to a version: ` by restore ID of NAME`, or nothing.
pub(super) fn by_restore(restore: Option<&str>, requested_by: Option<&str>) -> String {
    match (restore, requested_by) {
        (Some(restore), Some(name)) => format!(" by restore {restore} of {name}"),
        (Some(restore), None) => format!(" by restore {restore}"),
        (None, _) => String::new(),
    }
}
