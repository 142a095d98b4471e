//! Where a lease without a continuation token starts to read.

use chrono::{DateTime, Utc};

/// The start of the change feed for leases without a continuation token. A lease with a continuation token resumes from
/// it and ignores this setting. AllVersionsAndDeletes mode can only start from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// The time at which the processor first started. Earlier changes are not delivered.
    #[default]
    Now,
    /// The earliest change that the change feed still has.
    Beginning,
    /// Changes after this time (the service compares whole seconds).
    Time(DateTime<Utc>),
}

impl StartFrom {
    /// The start that a reset lease records as a time: 1970 stands for the beginning.
    pub(crate) fn at(time: DateTime<Utc>) -> Self {
        if time <= DateTime::UNIX_EPOCH { Self::Beginning } else { Self::Time(time) }
    }
}

impl std::fmt::Display for StartFrom {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now => formatter.write_str("now"),
            Self::Beginning => formatter.write_str("the beginning"),
            Self::Time(time) => formatter.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        }
    }
}
