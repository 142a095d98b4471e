//! Remembers what a scan of versions found out about recent documents, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use changefeed_cosmos::DocumentName;
use changefeed_history::VersionId;

/// Documents in each of the two generations.
const GENERATION: usize = 25_000;

/// What a scan of versions knows of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScanState {
    /// It is live.
    IsLive,
    /// The version that represents it; `None` when none does. The scan skips its other versions.
    RepresentedBy(Option<VersionId>),
}

/// The states of the most recent documents: those of the current generation, and those of the one before.
#[derive(Debug, Default)]
pub(crate) struct RecentStates(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    current: HashMap<String, ScanState>,
    previous: HashMap<String, ScanState>,
}

impl RecentStates {
    pub(crate) fn get(&self, name: &DocumentName) -> Option<ScanState> {
        let generations = self.lock();
        let key = name.to_index_key();
        generations.current.get(&key).or_else(|| generations.previous.get(&key)).cloned()
    }

    pub(crate) fn insert(&self, name: &DocumentName, state: ScanState) {
        let mut generations = self.lock();
        if generations.current.len() >= GENERATION {
            generations.previous = std::mem::take(&mut generations.current);
        }
        generations.current.insert(name.to_index_key(), state);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::Key;

    #[test]
    fn recent_documents_are_remembered_and_the_oldest_are_forgotten() {
        let states = RecentStates::default();
        let name = |n: usize| DocumentName { id: n.to_string(), partition_key: Key::text("a") };
        for n in 0..2 * GENERATION + 1 {
            states.insert(&name(n), ScanState::IsLive);
        }
        assert_eq!((states.get(&name(0)), states.get(&name(2 * GENERATION))), (None, Some(ScanState::IsLive)));
        assert_eq!(states.get(&name(GENERATION)), Some(ScanState::IsLive));
    }
}
