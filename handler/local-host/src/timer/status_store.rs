//! Where the status of a schedule is stored: a file for each function. The real host has a blob for each.

use std::io;
use std::path::{Path, PathBuf};

use super::schedule_status::ScheduleStatus;

/// The file of one function; without one, nothing is stored.
pub(crate) struct StatusStore(Option<PathBuf>);

impl StatusStore {
    pub(crate) fn new(folder: Option<&Path>, function: &str) -> Self {
        Self(folder.map(|folder| folder.join(format!("{function}.json"))))
    }

    /// What was stored. A file that cannot be read counts as none.
    pub(super) fn read(&self) -> Option<ScheduleStatus> {
        let file = self.0.as_deref()?;
        let parsed = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error),
        };
        parsed.inspect_err(|error| log::warn!("ignoring the timer status in {}: {error}", file.display())).ok()
    }

    /// Replaces the file in one step, so that a host that is killed leaves the old or the new one.
    pub(super) fn write(&self, status: &ScheduleStatus) {
        let Some(file) = self.0.as_deref() else { return };
        if let Err(error) = replace(file, status) {
            log::error!("cannot store the timer status in {}: {error}", file.display());
        }
    }
}

fn replace(file: &Path, status: &ScheduleStatus) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("json.new");
    std::fs::write(&new, serde_json::to_vec(status)?)?;
    std::fs::rename(&new, file)
}
