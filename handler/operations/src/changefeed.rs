//! Creates all capabilities from the settings, in one place.

use std::sync::Arc;
use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Account, Clock, SourceName};
use changefeed_history::{
    ActorFields, Capture, CaptureOptions, CaptureRules, ContainerNames, Containers, DeadLetters, ErasureOptions,
    History, IndexedField, Retention, RetentionOptions, Role,
};
use changefeed_jobs::{JobKind, JobOptions, JobRunner, Jobs};

use crate::backup::Backups;
use crate::backup_policy::BackupPolicies;
use crate::digests::Digests;
use crate::documents::Documents;
use crate::erase::Erasures;
use crate::held_versions::JobsHoldVersions;
use crate::rehearsal::Rehearsals;
use crate::rehome::{Connections, Rehomes};
use crate::restore::{RestoreOptions, Restores};
use crate::verify::Verifications;
use crate::window::WindowReader;

/// The options of a [`Changefeed`].
#[derive(Clone, Debug)]
pub struct ChangefeedOptions {
    /// The source whose documents are captured.
    pub source: SourceName,
    /// The containers with the versions of other sources of the app, which no restore writes to.
    pub other_histories: Vec<String>,
    /// Concurrent writes of one batch or request.
    pub concurrency: usize,
    /// How long transient failures are retried within a batch before the batch fails and is redelivered.
    pub batch_timeout: Duration,
    /// The fields of documents that the changes container indexes.
    pub indexed_fields: Vec<IndexedField>,
    /// The fields of documents that name who wrote them.
    pub actor_fields: ActorFields,
    /// The documents and fields that are never stored in the history.
    pub capture_rules: CaptureRules,
    /// The field of a restored document that is set to the time of the restore, in seconds since 1970; `None` sets no field.
    pub restored_at_field: Option<String>,
    /// The field of a restored document that is set to the id of the restore; `None` sets no field.
    pub restore_id_field: Option<String>,
    /// The days for which a superseded version is kept; `None` keeps it forever.
    pub retention_days: Option<u32>,
    /// The limits and intervals of jobs.
    pub jobs: JobOptions,
    /// The access to the locations of backups.
    pub locations: LocationAccess,
    /// The accounts of other histories.
    pub connections: Connections,
    /// The clock by which claims of jobs expire.
    pub clock: Clock,
}

/// A monitored container, its history, and the operations on them.
#[derive(Clone, Debug)]
pub struct Changefeed {
    /// The containers.
    pub containers: Containers,
    /// Reads the versions.
    pub history: History,
    /// Reads what happened in a window of time.
    pub windows: WindowReader,
    /// Stores versions.
    pub capture: Capture,
    /// Documents that could not be captured.
    pub dead_letters: DeadLetters,
    /// Removes versions that are no longer needed.
    pub retention: Retention,
    /// The jobs of all kinds.
    pub jobs: Jobs,
    /// Restores.
    pub restores: Restores,
    /// Backups.
    pub backups: Arc<Backups>,
    /// Rehearsals of restores from backups.
    pub rehearsals: Arc<Rehearsals>,
    /// The policy of backups.
    pub backup_policy: Arc<BackupPolicies>,
    /// Verifications.
    pub verifications: Arc<Verifications>,
    /// Digests of the history.
    pub digests: Digests,
    /// Erasures.
    pub erasures: Arc<Erasures>,
    /// Moves of other histories into this one.
    pub rehomes: Arc<Rehomes>,
    /// The documents of the containers.
    pub documents: Documents,
    /// Runs jobs of all kinds.
    pub runner: JobRunner,
}

impl Changefeed {
    /// Creates all capabilities for these containers. Nothing is sent until it is needed.
    pub fn new(account: &Account, names: ContainerNames, options: ChangefeedOptions) -> Self {
        let containers = Containers::new(account, names, options.indexed_fields).of_source(options.source);
        let containers = containers.beside(options.other_histories);
        let stamp_fields = [&options.restored_at_field, &options.restore_id_field].into_iter().flatten().cloned();
        let erasure = ErasureOptions::new(options.batch_timeout);
        let history = History::new(&containers, options.actor_fields, erasure).with_stamp_fields(stamp_fields);
        let history = history.with_capture_rules(options.capture_rules);
        // Each page has a request in flight.
        let parallel = options.jobs.parallel.min(options.concurrency.max(1));
        let job_options = JobOptions { parallel, ..options.jobs };
        let jobs = Jobs::new(containers.of(Role::Jobs).clone(), job_options, options.locations.host.clone())
            .limited_by_throughput_of([Role::Monitored, Role::Changes].map(|role| containers.of(role).clone()).into())
            .with_clock(options.clock);
        let (concurrency, timeout) = (options.concurrency, options.batch_timeout);
        let capture_options = CaptureOptions { concurrency, batch_timeout: timeout };
        let capture = Capture::new(&containers, history.clone(), capture_options);
        let restore_options = RestoreOptions {
            concurrency,
            timeout,
            restored_at_field: options.restored_at_field,
            restore_id_field: options.restore_id_field,
        };
        let restores = Restores::new(
            containers.clone(),
            history.clone(),
            jobs.clone(),
            options.locations.clone(),
            restore_options,
        );
        let backups = Arc::new(Backups::new(history.clone(), jobs.clone(), options.locations.clone(), concurrency));
        let digests = Digests::new(history.clone(), jobs.clone(), options.locations.clone());
        let backup_policy = BackupPolicies::new(
            backups.clone(),
            digests.clone(),
            containers.of(Role::Jobs).clone(),
            options.locations.clone(),
        );
        let rehearsals = Rehearsals::new(
            backups.clone(),
            restores.clone(),
            jobs.clone(),
            containers.of(Role::Monitored).clone(),
            options.locations.clone(),
        );
        let dead_letters = DeadLetters::new(&containers, capture.clone(), timeout);
        let verifications =
            Verifications::new(history.clone(), jobs.clone(), dead_letters.clone(), digests.clone(), concurrency);
        let verifications = Arc::new(verifications);
        let erasures = Arc::new(Erasures::new(history.clone(), jobs.clone(), dead_letters.clone(), timeout));
        let rehomes = Arc::new(Rehomes::new(
            containers.clone(),
            history.clone(),
            dead_letters.clone(),
            jobs.clone(),
            options.connections,
            options.locations.host.clone(),
            concurrency,
        ));
        let held = Arc::new(JobsHoldVersions::new(jobs.clone(), restores.clone()));
        let retention_options = RetentionOptions { days: options.retention_days, concurrency, timeout };
        let kinds: Vec<Arc<dyn JobKind>> = vec![
            Arc::new(restores.clone()),
            Arc::clone(&backups) as Arc<dyn JobKind>,
            Arc::clone(&verifications) as Arc<dyn JobKind>,
            Arc::new(digests.clone()),
            Arc::clone(&erasures) as Arc<dyn JobKind>,
            Arc::clone(&rehomes) as Arc<dyn JobKind>,
        ];
        Self {
            dead_letters,
            retention: Retention::new(&containers, held, retention_options),
            documents: Documents::new(containers.clone(), jobs.clone(), concurrency),
            runner: JobRunner::new(jobs.clone(), kinds),
            windows: WindowReader::new(history.clone(), restores.clone()),
            containers,
            history,
            capture,
            jobs,
            restores,
            backups,
            rehearsals: Arc::new(rehearsals),
            backup_policy: Arc::new(backup_policy),
            verifications,
            digests,
            erasures,
            rehomes,
        }
    }
}
