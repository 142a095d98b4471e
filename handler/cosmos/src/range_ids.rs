//! The ids of a container's physical partitions, by which requests of our own name them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The physical partitions of a container, with the ids that requests name them by. Clones of a container share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeIds(Arc<Mutex<Option<Arc<Ranges>>>>);

/// The ids by the lower ends of the ranges.
pub(crate) type Ranges = BTreeMap<String, String>;

impl RangeIds {
    pub(crate) fn known(&self) -> Option<Arc<Ranges>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keep(&self, ranges: &Arc<Ranges>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(ranges));
    }

    /// Makes the next request read them.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
