//! Identifies a request that its sender may send again, because the connection closed before it had the answer.
//!
//! The second request has no further effect, and its answer is that of the first. The sender is the Functions host: it sends a request
//! without a body up to 40 times, each time with the same invocation id, when the process that carries it out ends.

use std::fmt;

use crate::record_id::check_record_id;

/// How long a request is remembered, in seconds. The host repeats it within a few seconds.
pub const REMEMBERED_SECONDS: i64 = 3600;
/// The longest key, in characters.
const MAX_CHARACTERS: usize = 128;

/// Identifies a request that may be repeated. It has 1 to 128 ASCII letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key with this text; `None` for a text that is no key.
    pub fn new(text: &str) -> Option<Self> {
        let is_key = text.len() <= MAX_CHARACTERS && check_record_id("request", text).is_ok();
        is_key.then(|| Self(text.to_owned()))
    }

    /// The id of the item that remembers the request.
    pub fn record_id(&self) -> String {
        format!("request-{}", self.0)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_be_part_of_an_id() {
        let key = IdempotencyKey::new("3b1a5a3e-0000-4000-8000-000000000001").expect("a key");
        assert_eq!(key.record_id(), "request-3b1a5a3e-0000-4000-8000-000000000001");
        for text in ["", "a/b", "..", "a b", "ü", &"a".repeat(129)] {
            assert_eq!(IdempotencyKey::new(text), None, "{text}");
        }
    }
}
