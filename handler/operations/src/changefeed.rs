//! Makes every capability from the settings, in one place.

use std::sync::Arc;
use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::Account;
use changefeed_history::{Capture, CaptureOptions, ContainerNames, Containers, DeadLetters, History, Retention, RetentionOptions, Role};
use changefeed_jobs::{JobKind, JobOptions, JobRunner, Jobs};

use crate::backup::Backups;
use crate::documents::Documents;
use crate::held_versions::JobsHoldVersions;
use crate::restore::{RestoreOptions, Restores};
use crate::verify::Verifications;

/// How a [`Changefeed`] works.
#[derive(Clone, Debug)]
pub struct ChangefeedOptions {
    /// Writes in flight for one batch or request.
    pub concurrency: usize,
    /// How long transient failures are retried within a batch before it is returned to be delivered again.
    pub batch_timeout: Duration,
    /// Property paths of documents (`city_name`, `address.city`) that the changes container indexes.
    pub indexed_fields: Vec<String>,
    /// The field of a restored document that gets the time of the restore, in seconds since 1970; `None` is none.
    pub restored_at_field: Option<String>,
    /// For how many days a version is stored after it was superseded; `None` is forever.
    pub retention_days: Option<u32>,
    /// How jobs are run.
    pub jobs: JobOptions,
    /// How the locations of backups are reached.
    pub places: LocationAccess,
}

/// A monitored container, its history, and what can be done with them.
#[derive(Clone, Debug)]
pub struct Changefeed {
    /// The containers.
    pub containers: Containers,
    /// Reads the versions.
    pub history: History,
    /// Stores versions.
    pub capture: Capture,
    /// Documents that could not be captured.
    pub dead_letters: DeadLetters,
    /// Removes versions that are no longer needed.
    pub retention: Retention,
    /// Every job, of any kind.
    pub jobs: Jobs,
    /// Restores.
    pub restores: Restores,
    /// Backups.
    pub backups: Backups,
    /// Verifications.
    pub verifications: Verifications,
    /// Sample documents, deletes and queries.
    pub documents: Documents,
    /// Runs jobs of all kinds.
    pub runner: JobRunner,
}

impl Changefeed {
    /// Everything over these containers. Nothing is sent before it is needed.
    pub fn new(account: &Account, names: ContainerNames, options: ChangefeedOptions) -> Self {
        let containers = Containers::new(account, names, options.indexed_fields);
        let history = History::new(&containers);
        let jobs = Jobs::new(containers.of(Role::Jobs).clone(), options.jobs, options.places.host.clone());
        let (concurrency, timeout) = (options.concurrency, options.batch_timeout);
        let capture_options = CaptureOptions { concurrency, batch_timeout: timeout };
        let capture = Capture::new(&containers, history.clone(), capture_options);
        let restore_options = RestoreOptions { concurrency, timeout, restored_at_field: options.restored_at_field };
        let restores = Restores::new(
            containers.names().clone(),
            history.clone(),
            jobs.clone(),
            options.places.clone(),
            restore_options,
        );
        let backups = Backups::new(history.clone(), jobs.clone(), options.places.clone(), concurrency);
        let verifications = Verifications::new(history.clone(), jobs.clone(), concurrency);
        let held = Arc::new(JobsHoldVersions::new(jobs.clone(), restores.clone()));
        let retention_options = RetentionOptions { days: options.retention_days, concurrency, timeout };
        let kinds: Vec<Arc<dyn JobKind>> =
            vec![Arc::new(restores.clone()), Arc::new(backups.clone()), Arc::new(verifications.clone())];
        Self {
            dead_letters: DeadLetters::new(&containers, capture.clone(), timeout),
            retention: Retention::new(&containers, held, retention_options),
            documents: Documents::new(containers.clone(), concurrency),
            runner: JobRunner::new(jobs.clone(), kinds),
            containers,
            history,
            capture,
            jobs,
            restores,
            backups,
            verifications,
        }
    }
}
