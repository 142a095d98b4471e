//! Deletes backups by a plan.
//!
//! The races to mind: another process starts an increment of a backup that is deleted, see `backup/removal_record.rs`; another one deletes
//! the same backups; and this one is killed. A backup that is deleted has no manifest from the first step on.

use std::collections::BTreeSet;

use changefeed_backup_format::{BackupLocation, Digest, Inventory, Removal, inspect, remove, remove_rest};
use changefeed_cosmos::{Error, PageRequest};
use tokio::time::Instant;

use super::policies::BackupPolicies;
use super::prune_plan::{Known, PrunePlan, PrunedFolder};
use super::prune_report::{ProtectedFolder, PruneReport};
use super::prune_request::PruneRequest;
use crate::backup::{RemovalRecord, Removing, format_error};

/// The most jobs of backups of a page.
const PAGE_ITEMS: u32 = 1000;

impl BackupPolicies {
    /// Plans which backups are deleted.
    ///
    /// # Errors
    /// When nothing would be kept, and when the location or the jobs container cannot be read.
    pub async fn plan_prune(&self, request: &PruneRequest) -> Result<PrunePlan, Error> {
        if request.keep.is_empty() {
            let message =
                "nothing would be kept; set at least one of keepDaily, keepWeekly and keepMonthly to 1 or more";
            return Err(Error::invalid("pruning backups", message));
        }
        let location = self.locations.open(&request.location).map_err(format_error)?;
        let inventory = Inventory::take(&location).await.map_err(format_error)?;
        let (source, _) = self.backups.source().await?;
        let in_use = self.in_use(&location, &inventory).await?;
        let known = Known { inventory: &inventory, source: &source, zone: &request.zone, in_use: &in_use };
        Ok(known.plan(request.keep))
    }

    /// Deletes the backups of a plan that a new plan deletes too, until a time. Finishes what a killed process began to delete.
    ///
    /// # Errors
    /// When another process deletes backups at the same time, and when the location or the jobs container cannot be read or written.
    pub async fn prune(
        &self,
        request: &PruneRequest,
        confirmed: &PrunePlan,
        until: Instant,
    ) -> Result<PruneReport, Error> {
        let location = self.locations.open(&request.location).map_err(format_error)?;
        let jobs = self.jobs_container.open().await?;
        let mut record = RemovalRecord::load(&jobs).await?;
        let left = finish_earlier(&location, &record, until).await?;
        let removing = |name: &str| Removing { location: location.to_string(), name: name.to_owned() };
        let planned = confirmed.deleted().map(|folder| removing(&folder.name));
        let mut recorded = left.clone();
        recorded.extend(planned.filter(|planned| !left.contains(planned)));
        if recorded != record.removing {
            record.replace(&jobs, recorded).await?;
        }
        // Only now: a job that is created from here on sees the record.
        let plan =
            if confirmed.deleted().next().is_some() { self.plan_prune(request).await? } else { PrunePlan::default() };
        let mut deleting = Deleting { location: &location, until, report: PruneReport::default(), needed: Vec::new() };
        for folder in confirmed.deleted().filter(|folder| plan.deletes(folder)) {
            if !deleting.delete(folder).await? {
                break;
            }
        }
        let report = deleting.report;
        let mut unfinished = left;
        for folder in &report.protected {
            if is_rest(&location.child(&folder.name).map_err(format_error)?).await? {
                unfinished.push(removing(&folder.name));
            }
        }
        if unfinished != record.removing {
            record.replace(&jobs, unfinished).await?;
        }
        Ok(report)
    }

    /// The names of the folders that backups under way continue.
    async fn in_use(&self, location: &BackupLocation, inventory: &Inventory) -> Result<BTreeSet<String>, Error> {
        let mut bases = BTreeSet::new();
        let mut request = PageRequest { max_items: Some(PAGE_ITEMS), ..PageRequest::default() };
        loop {
            let page = self.backups.list(&request).await?;
            let open = page.items.iter().filter(|backup| !backup.state.is_end());
            bases.extend(open.filter_map(|backup| backup.request["incrementalFrom"].as_str()).map(str::to_owned));
            match page.continuation {
                None => break,
                continuation => request.continuation = continuation,
            }
        }
        let places = inventory.backups.iter().filter_map(|backup| {
            let place = location.child(&backup.name).ok()?.to_string();
            // Either spelling of a name in a URL.
            let is_base = |base: &String| self.locations.open(base).is_ok_and(|base| base.to_string() == place);
            bases.iter().any(is_base).then(|| backup.name.clone())
        });
        Ok(places.collect())
    }
}

/// A prune under way.
struct Deleting<'d> {
    location: &'d BackupLocation,
    until: Instant,
    report: PruneReport,
    /// Backups that others need which could not be deleted, and the names of these.
    needed: Vec<(Digest, String)>,
}

impl Deleting<'_> {
    /// Deletes a backup. Returns `false` when time is over.
    async fn delete(&mut self, folder: &PrunedFolder) -> Result<bool, Error> {
        let Some(digest) = folder.digest else { return Ok(true) };
        if let Some((_, by)) = self.needed.iter().find(|(needed, _)| *needed == digest) {
            let (by, message) = (by.clone(), format!("{by}, which could not be deleted, needs it"));
            self.protect(folder, by, message);
            return Ok(true);
        }
        if Instant::now() >= self.until {
            self.report.out_of_time = true;
            return Ok(false);
        }
        let child = self.location.child(&folder.name).map_err(format_error)?;
        match remove(&child, digest).await.map_err(format_error)? {
            Removal::Removed => {
                self.report.deleted.push(folder.name.clone());
                self.report.bytes += folder.bytes.unwrap_or(0);
            }
            Removal::Replaced => {}
            Removal::Protected(message) => self.protect(folder, folder.name.clone(), message),
        }
        Ok(true)
    }

    fn protect(&mut self, folder: &PrunedFolder, by: String, message: String) {
        self.needed.extend(folder.continues.map(|earlier| (earlier, by)));
        self.report.protected.push(ProtectedFolder { name: folder.name.clone(), message });
    }
}

/// Deletes the rest of backups below a location whose deletion was begun. Returns the ones that stay in the record: those below other
/// locations, and those that could not be deleted.
async fn finish_earlier(
    location: &BackupLocation,
    record: &RemovalRecord,
    until: Instant,
) -> Result<Vec<Removing>, Error> {
    let (mut left, root) = (Vec::new(), location.to_string());
    for earlier in &record.removing {
        let child = location.child(&earlier.name).ok().filter(|_| earlier.location == root);
        let is_done = match child {
            Some(child) if Instant::now() < until => match remove_rest(&child).await.map_err(format_error)? {
                Removal::Removed | Removal::Replaced => true,
                Removal::Protected(message) => {
                    log::warn!("the rest of a backup that was pruned cannot be deleted: {message}");
                    false
                }
            },
            _ => false,
        };
        if !is_done {
            left.push(earlier.clone());
        }
    }
    Ok(left)
}

/// Whether a location has files of a backup that was deleted in part.
async fn is_rest(location: &BackupLocation) -> Result<bool, Error> {
    let state = inspect(location).await.map_err(format_error)?;
    Ok(state.is_none() && !location.list().await.map_err(format_error)?.is_empty())
}
