//! Digests, and what they need.

use changefeed_backup_format::{BackupLocation, LocationAccess};
use changefeed_cosmos::{Error, Meter};
use changefeed_history::History;
use changefeed_jobs::{Jobs, Kind};

use crate::backup::format_error;

/// The kind of the jobs that write digests.
pub const DIGEST: Kind = Kind { name: "digest", noun: "digest job" };

/// The folder of the digests below the location of backups.
pub(crate) const DIGESTS_FOLDER: &str = "digests";

/// Digests of a history.
#[derive(Clone, Debug)]
pub struct Digests {
    pub(super) history: History,
    pub(super) jobs: Jobs,
    pub(super) locations: LocationAccess,
}

impl Digests {
    /// Digests of this history; their records are in `jobs`.
    pub fn new(history: History, jobs: Jobs, locations: LocationAccess) -> Self {
        Self { history, jobs, locations }
    }

    /// The same digests, whose requests another meter counts.
    pub(crate) fn metered(&self, meter: &Meter) -> Self {
        Self { history: self.history.metered(meter), jobs: self.jobs.metered(meter), ..self.clone() }
    }

    /// The folder of the digests at a location of backups.
    pub(crate) fn open(&self, location: &str) -> Result<BackupLocation, Error> {
        self.locations.open(location).and_then(|location| location.child(DIGESTS_FOLDER)).map_err(format_error)
    }

    /// The only machine that can access a location; none if any can.
    pub(crate) fn required_host(&self, location: &str) -> Option<String> {
        self.locations.required_host(std::iter::once(location))
    }
}
