//! What is known of documents while their versions are gone through, in memory that does not grow.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use changefeed_cosmos::DocumentName;
use changefeed_history::VersionId;

/// Documents in each of the two generations.
const GENERATION: usize = 25_000;

/// Why a version is acted on or not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sight {
    /// The document was met among the live ones.
    IsLive,
    /// The version by which it is met.
    MetBy(Option<VersionId>),
}

/// Remembers the documents that were met last: those of the current generation, and those of the one before.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    current: HashMap<String, Sight>,
    before: HashMap<String, Sight>,
}

impl Seen {
    pub(crate) fn get(&self, name: &DocumentName) -> Option<Sight> {
        let seen = self.lock();
        let key = key(name);
        seen.current.get(&key).or_else(|| seen.before.get(&key)).cloned()
    }

    pub(crate) fn insert(&self, name: &DocumentName, sight: Sight) {
        let mut seen = self.lock();
        if seen.current.len() >= GENERATION {
            seen.before = std::mem::take(&mut seen.current);
        }
        seen.current.insert(key(name), sight);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &DocumentName) -> String {
    name.to_index_key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::Key;

    #[test]
    fn the_last_are_remembered_and_the_first_are_not() {
        let seen = Seen::default();
        let name = |n: usize| DocumentName { id: n.to_string(), partition_key: Key::text("a") };
        for n in 0..2 * GENERATION + 1 {
            seen.insert(&name(n), Sight::IsLive);
        }
        assert_eq!((seen.get(&name(0)), seen.get(&name(2 * GENERATION))), (None, Some(Sight::IsLive)));
        assert_eq!(seen.get(&name(GENERATION)), Some(Sight::IsLive));
    }
}
