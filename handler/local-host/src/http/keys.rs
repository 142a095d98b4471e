//! The keys of a host.

use std::fmt;

use rand::distr::{Alphanumeric, SampleString};

const KEY_LENGTH: usize = 56;

/// The keys that open functions. They are made when the host starts.
#[derive(Clone)]
pub(crate) struct HostKeys {
    /// The default host key, which opens every function of authorization level `function`.
    pub host: String,
    /// The master key `_master`, which opens functions of authorization level `admin` too.
    pub master: String,
}

impl HostKeys {
    pub(crate) fn random() -> Self {
        let key = || Alphanumeric.sample_string(&mut rand::rng(), KEY_LENGTH);
        Self { host: key(), master: key() }
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostKeys").finish_non_exhaustive()
    }
}
