//! Digests, and what they need.

use changefeed_backup_format::{BackupLocation, LocationAccess};
use changefeed_cosmos::{Error, Meter, SourceName};
use changefeed_history::History;
use changefeed_jobs::{Jobs, Kind};

use crate::backup::format_error;

/// The kind of the jobs that write digests.
pub const DIGEST: Kind = Kind { name: "digest", noun: "digest job" };

/// The folder of the digests of the source `default` below the location of backups.
const FOLDER: &str = "digests";

/// The folder of the digests of a source below the location of backups, which several sources may share.
fn folder_of(source: &SourceName) -> String {
    if source.is_default() { FOLDER.to_owned() } else { format!("{FOLDER}-{source}") }
}

/// Whether a folder below the location of backups is that of the digests of a source.
pub(crate) fn is_digests_folder(name: &str) -> bool {
    let source = name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('-'));
    name == FOLDER || source.is_some_and(|source| source.parse::<SourceName>().is_ok())
}

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
        let folder = folder_of(&self.jobs.source());
        self.locations.open(location).and_then(|location| location.child(&folder)).map_err(format_error)
    }

    /// The only machine that can access a location; none if any can.
    pub(crate) fn required_host(&self, location: &str) -> Option<String> {
        self.locations.required_host(std::iter::once(location))
    }
}
