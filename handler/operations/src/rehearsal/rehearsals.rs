//! Begins, checks and ends a rehearsal. The caller runs the two jobs between these steps.

use std::sync::Arc;
use std::time::Duration;

use changefeed_backup_format::{Inventory, LocationAccess, StoredBackup, read_manifest};
use changefeed_cosmos::{
    ContainerSpec, Created, Error, ErrorKind, IndexPolicy, KeyPath, LazyContainer, Meter,
    create_container_without_expiry, delete_container, timestamp,
};
use changefeed_jobs::Jobs;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, Value};

use super::rehearsal_record::{RehearsalRecord, Saved};
use crate::backup::{Backups, format_error, read_error};
use crate::restore::{
    Action, PlannedItem, RESTORE, RestoreItemsRequest, RestoreRecord, RestoreRequest, Restores, Selection, Target,
};

/// The property whose path marks the index policy of a container that a rehearsal has created. No document is found by it.
const MARK: &str = "changefeedRehearsal";
/// How the name starts of a container that was not named.
const PREFIX: &str = "changefeed-rehearsal-";
/// Differences that a report lists.
const LISTED: u32 = 20;
/// How often a job that is being cancelled is read, and how often at most.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const MAX_POLLS: u32 = 600;

const REHEARSING: &str = "rehearsing a restore";

/// Rehearsals of the backups of a container.
#[derive(Clone, Debug)]
pub struct Rehearsals {
    backups: Arc<Backups>,
    restores: Restores,
    jobs: Jobs,
    monitored: LazyContainer,
    locations: LocationAccess,
}

/// A rehearsal under way. Only [`Rehearsals::end`] removes its container.
#[derive(Debug)]
pub struct Rehearsal {
    saved: Saved,
    locations: Vec<String>,
}

/// The result of a rehearsal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RehearsalReport {
    /// The locations that were restored: a full backup and its increments.
    pub locations: Vec<String>,
    /// The container that was created and removed.
    pub container: String,
    /// Documents that were restored.
    pub restored: u64,
    /// Documents of the backup that are the same in the container.
    pub same: u64,
    /// Documents of the backup that are not in the container, or are different there.
    pub different: u64,
    /// Documents in the container that the backup does not have.
    pub unexpected: u64,
    /// Documents of the backup that are erased: a restore refuses them.
    pub erased: u64,
    /// The first differences.
    pub differences: Vec<PlannedItem>,
    /// How long the restore and the comparison took, in seconds.
    pub seconds: f64,
    /// Request units of both, and of counting the documents.
    pub request_charge: f64,
}

impl Rehearsal {
    /// The name of the container.
    pub fn container(&self) -> &str {
        &self.saved.record.container
    }

    /// The locations of the backups, in order.
    pub fn locations(&self) -> &[String] {
        &self.locations
    }
}

impl Rehearsals {
    /// Rehearsals of these backups.
    pub(crate) fn new(
        backups: Arc<Backups>,
        restores: Restores,
        jobs: Jobs,
        monitored: LazyContainer,
        locations: LocationAccess,
    ) -> Self {
        Self { backups, restores, jobs, monitored, locations }
    }

    /// The locations of the chain of a backup: the backups that it continues, from beside it, and itself.
    ///
    /// # Errors
    /// When there is no finished backup, and when a backup of its chain is missing.
    pub async fn chain(&self, location: &str) -> Result<Vec<String>, Error> {
        let place = self.locations.open(location).map_err(format_error)?;
        let read = read_manifest(&place).await;
        let (manifest, digest) = read.map_err(|error| read_error(&place, "reading the backup", error))?;
        let (true, Some((parent, _))) = (manifest.backup.incremental_from.is_some(), place.split()) else {
            return Ok(vec![place.to_string()]);
        };
        let inventory = Inventory::take(&parent).await.map_err(format_error)?;
        let missing = || Error::not_found(REHEARSING, format!("the backup in {place} was deleted meanwhile"));
        let backup = inventory.by_digest(digest).ok_or_else(missing)?;
        let chain = inventory.chain(backup).map_err(|broken| {
            Error::invalid(REHEARSING, format!("{broken} beside {place}; name every backup of the chain in order"))
        })?;
        let place_of = |backup: &&StoredBackup| parent.child(&backup.name).map(|child| child.to_string());
        chain.iter().map(place_of).collect::<Result<_, _>>().map_err(format_error)
    }

    /// The locations of the chain of the newest backup below a location.
    ///
    /// # Errors
    /// When no backup there can be restored.
    pub async fn newest(&self, location: &str) -> Result<Vec<String>, Error> {
        let place = self.locations.open(location).map_err(format_error)?;
        let inventory = Inventory::take(&place).await.map_err(format_error)?;
        let (source, _) = self.backups.source().await?;
        let own = inventory.backups.iter().filter(|backup| backup.header.source == source);
        let newest = own.max_by_key(|backup| backup.header.started_at);
        let newest = newest.ok_or_else(|| {
            Error::not_found(REHEARSING, format!("there is no finished backup of this container below {place}"))
        })?;
        self.chain(&place.child(&newest.name).map_err(format_error)?.to_string()).await
    }

    /// Creates the container of a rehearsal, after the one that a killed rehearsal left is removed. `by` names this process.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when another rehearsal is under way, and when a container of this name exists.
    pub async fn begin(&self, locations: Vec<String>, into: Option<String>, by: &str) -> Result<Rehearsal, Error> {
        let first = locations.first().ok_or_else(|| Error::invalid(REHEARSING, "no backup given"))?;
        let place = self.locations.open(first).map_err(format_error)?;
        let read = read_manifest(&place).await;
        let (manifest, _) = read.map_err(|error| read_error(&place, "reading the backup", error))?;
        let key_paths = manifest.backup.source.partition_key_paths.iter().map(|path| path.parse());
        let key_paths = key_paths
            .collect::<Result<Vec<KeyPath>, String>>()
            .map_err(|message| Error::corrupt(format!("reading the backup in {place}"), message))?;
        let jobs = self.jobs.open().await?;
        if let Some(earlier) = Saved::load(&jobs).await? {
            self.remove_killed(&earlier).await?;
        }
        let name = into.unwrap_or_else(|| format!("{PREFIX}{:08x}", changefeed_cosmos::random_u32()));
        let record = RehearsalRecord::new(name.clone(), by.to_owned(), self.until());
        // Before the container is created, so that the next rehearsal finds it if this process is killed.
        let saved = Saved::create(&jobs, record).await?;
        let index = IndexPolicy { indexed_paths: vec![format!("/{MARK}/?")] };
        let spec = ContainerSpec { name: name.clone(), key_paths, index };
        let created = create_container_without_expiry(self.monitored.account(), self.monitored.database(), &spec).await;
        let failed = match created {
            Ok(Created::Now) => None,
            Ok(Created::Before) => {
                let message = format!("container {name} exists; name one that does not exist, or leave out --into");
                Some(Error::new(ErrorKind::Conflict, REHEARSING, message))
            }
            Err(error) if error.is_transient() => {
                // It may be created in spite of the error.
                self.remove_own(&name).await?;
                Some(error)
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            saved.remove(&jobs).await?;
            return Err(error);
        }
        Ok(Rehearsal { saved, locations })
    }

    /// Creates the job that restores the backups into the container; or, with `compare`, the one that compares them with it.
    ///
    /// # Errors
    /// When a backup is damaged or cannot be read, and when the job cannot be stored.
    pub async fn start(
        &self,
        rehearsal: &mut Rehearsal,
        compare: bool,
        ru_per_second: Option<f64>,
        requested_by: Option<String>,
    ) -> Result<RestoreRecord, Error> {
        let request = RestoreRequest {
            selection: Selection::All,
            target: Target::Backup(rehearsal.locations.clone()),
            fields: Vec::new(),
            except_fields: Vec::new(),
            dry_run: compare,
            // A document that is different is reported as one that would be replaced, not as one that exists.
            force: compare,
            delete_created_after: false,
            into: Some(rehearsal.container().to_owned()),
            reason: Some(if compare { "rehearsal: comparison" } else { "rehearsal" }.to_owned()),
            requested_by,
            job: true,
            store: false,
            capture_lag: None,
            ru_per_second,
        };
        let record = self.restores.create_job(&request).await?;
        let mut next = rehearsal.saved.record.renewed(self.until());
        next.restores.push(record.id.clone());
        rehearsal.saved.replace(&self.jobs.open().await?, next).await?;
        Ok(record)
    }

    /// Says that the process is alive. To be called more often than a claim of a job expires.
    ///
    /// # Errors
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) when another process has taken this one for killed.
    pub async fn renew(&self, rehearsal: &mut Rehearsal) -> Result<(), Error> {
        let next = rehearsal.saved.record.renewed(self.until());
        rehearsal.saved.replace(&self.jobs.open().await?, next).await
    }

    /// How often [`renew`](Self::renew) is to be called.
    pub fn renew_interval(&self) -> Duration {
        self.jobs.options().claim / 3
    }

    /// The report, after both jobs have ended.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn report(&self, rehearsal: &Rehearsal, duration: Duration) -> Result<RehearsalReport, Error> {
        let [restored, compared] = rehearsal.saved.record.restores.as_slice() else {
            return Err(Error::internal(REHEARSING, "it has not been compared"));
        };
        let (restored, compared) = (self.restores.record(restored).await?, self.restores.record(compared).await?);
        let counts = compared.counts;
        let changed = counts.replace + counts.merge + counts.kept + counts.conflict;
        let different = changed + counts.create + counts.delete + counts.failed;
        let mut differences = Vec::new();
        let mut request = RestoreItemsRequest {
            action: vec![
                Action::Create,
                Action::Replace,
                Action::Merge,
                Action::Delete,
                Action::Kept,
                Action::Conflict,
                Action::Failed,
            ],
            max_items: Some(LISTED),
            continuation: None,
        };
        while different > 0 && differences.len() < LISTED as usize {
            let page = self.restores.items_page(&compared.id, &request).await?;
            differences.extend(page.items);
            match page.continuation {
                None => break,
                continuation => request.continuation = continuation,
            }
        }
        differences.truncate(LISTED as usize);
        let (count, counting) = self.count(rehearsal.container()).await?;
        Ok(RehearsalReport {
            locations: rehearsal.locations.clone(),
            container: rehearsal.container().to_owned(),
            restored: restored.counts.create,
            same: counts.unchanged,
            different,
            unexpected: count.saturating_sub(counts.unchanged + changed),
            erased: counts.unknown,
            differences,
            seconds: duration.as_secs_f64(),
            request_charge: restored.request_charge + compared.request_charge + counting,
        })
    }

    /// The number of documents in a container, and the request units of counting them. The service keeps a number of its own, which may be
    /// behind; and the SDK has no COUNT over several partitions.
    async fn count(&self, name: &str) -> Result<(u64, f64), Error> {
        let meter = Meter::of_background(self.jobs.options().background);
        let container = self.monitored.metered(&meter).sibling(name).open().await?;
        let ones = container.select::<Value>("SELECT VALUE 1 FROM c", &Map::new(), None).await?;
        let count = ones.try_fold(0, |count, _| std::future::ready(Ok(count + 1))).await?;
        Ok((count, meter.total()))
    }

    /// Ends the jobs of a rehearsal that have not ended, and removes its container and its record.
    ///
    /// # Errors
    /// When something cannot be removed. The next rehearsal removes it then.
    pub async fn end(&self, rehearsal: &Rehearsal) -> Result<(), Error> {
        self.remove(&rehearsal.saved).await
    }

    async fn remove(&self, saved: &Saved) -> Result<(), Error> {
        for id in &saved.record.restores {
            self.cancel(id).await?;
        }
        self.remove_own(&saved.record.container).await?;
        saved.remove(&self.jobs.open().await?).await
    }

    /// Removes what a killed rehearsal left.
    async fn remove_killed(&self, earlier: &Saved) -> Result<(), Error> {
        let RehearsalRecord { container, by, until, .. } = &earlier.record;
        let is_over = DateTime::parse_from_rfc3339(until).map_or(true, |until| until < Utc::now());
        if !is_over {
            let message = format!(
                "{by} rehearses with container {container}; if it was killed, the next rehearsal after {until} removes the container"
            );
            return Err(Error::new(ErrorKind::Conflict, REHEARSING, message));
        }
        log::warn!("removing container {container}, which a rehearsal of {by} left");
        self.remove(earlier).await
    }

    /// Cancels a job and waits until no worker writes for it.
    async fn cancel(&self, id: &str) -> Result<(), Error> {
        for _ in 0..MAX_POLLS {
            match self.jobs.cancel(RESTORE, id).await {
                Ok(job) if job.state.is_end() => return Ok(()),
                Ok(_) => tokio::time::sleep(POLL_INTERVAL).await,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let message = format!("a worker still holds restore {id}; try again");
        Err(Error::new(ErrorKind::Unavailable, REHEARSING, message))
    }

    /// Removes the container of this name, if a rehearsal has created it.
    async fn remove_own(&self, name: &str) -> Result<(), Error> {
        let container = match self.monitored.sibling(name).open().await {
            Ok(container) => container,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let index = &container.definition().index;
        // A container that indexes everything indexes this path too.
        if !index.has_property(MARK) || index.has_property("id") {
            log::warn!("container {name} was not created by a rehearsal, and is left");
            return Ok(());
        }
        delete_container(self.monitored.account(), self.monitored.database(), name).await
    }

    fn until(&self) -> String {
        let claim = TimeDelta::from_std(self.jobs.options().claim).unwrap_or(TimeDelta::minutes(1));
        timestamp(Utc::now() + claim)
    }
}
