//! Where a lease that has no bookmark yet starts to read.

use chrono::{DateTime, Utc};

/// The start of the change feed for leases without a continuation token. A lease that has one goes on from there,
/// whatever is configured here. AllVersionsAndDeletes mode only starts from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// The moment at which the processor was started: earlier changes are not delivered.
    #[default]
    Now,
    /// The first change that the container still has.
    Beginning,
    /// Changes after this time (the service compares whole seconds).
    Time(DateTime<Utc>),
}

impl StartFrom {
    /// The start that a reset lease notes: a time, of which the oldest stands for the beginning.
    pub(crate) fn at(time: DateTime<Utc>) -> Self {
        if time <= DateTime::UNIX_EPOCH { Self::Beginning } else { Self::Time(time) }
    }
}
