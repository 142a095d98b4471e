//! AND and OR over values that may be undefined.

/// False if one is false, else undefined if one is undefined.
pub(super) fn all(conditions: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for condition in conditions {
        match condition {
            Some(false) => return Some(false),
            Some(true) => {}
            None => result = None,
        }
    }
    result
}

/// True if one is true, else undefined if one is undefined.
pub(super) fn any(conditions: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(conditions.map(|condition| condition.map(|condition| !condition))).map(|none| !none)
}
