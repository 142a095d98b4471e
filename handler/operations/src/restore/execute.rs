//! Executes a plan within one request: writes its documents, and records what was done.

use changefeed_cosmos::Error;
use changefeed_jobs::{ItemPlaces, JobState, new_id};
use tokio::time::Instant;

use super::backup_files::Bodies;
use super::plan::Plan;
use super::planned_item::PlannedItem;
use super::restore_record::{RestoreRecord, RestoreReport};
use super::restores::Restores;
use super::undo_claim::UndoClaim;
use super::write::{DocumentWriter, concluded};

impl Restores {
    /// Executes a plan. The report has the outcome of each document. The restore is recorded before the first write. If it is the
    /// plan of an undo, and another undo was faster, the report is that of the other one.
    ///
    /// # Errors
    /// When the record cannot be stored, and when the restore to undo may still write.
    pub async fn execute(&self, plan: Plan) -> Result<RestoreReport, Error> {
        let container = self.target_container(plan.into.as_deref()).await?;
        let now = self.jobs.now();
        let id = match &plan.undo_of {
            None => new_id(now),
            Some(undone) => match self.claim_undo(undone, None, plan.key.as_ref()).await? {
                UndoClaim::New(id) => id,
                UndoClaim::Taken(undo) => return Ok(undo.report()),
            },
        };
        let mut record = RestoreRecord::start(id, &plan, now);
        if !self.create_record(&record).await? {
            let other = self.record(&record.id).await?;
            return Ok(self.ended(other).await?.report());
        }

        let writer = DocumentWriter {
            restores: self,
            container: &container,
            is_monitored: plan.into.is_none(),
            force: plan.force,
            composition: &plan.composition,
            restore_id: &record.id,
            second: now.timestamp(),
            deadline: Instant::now() + self.options.timeout,
            is_shared: false,
            was_begun: false,
            is_after_pages: false,
            bodies: &Bodies::new(),
            may_repeat_documents: false,
            together: None,
        };
        let places = ItemPlaces::new(self.options.concurrency);
        let written = writer.write_in_groups(plan.items, &places, places.count()).await;
        let written = written.into_iter().map(|(item, outcome)| concluded(item, outcome));
        let (mut items, charges): (Vec<PlannedItem>, Vec<f64>) = written.unzip();
        let mut request_charge: f64 = charges.into_iter().sum();
        match writer.write_refused(&mut items).await {
            Ok(charge) => request_charge += charge,
            Err(error) => log::warn!("{error}"),
        }
        record.finish(items, request_charge, self.jobs.now());
        self.save(&record).await?;
        let is_undone = record.state == JobState::Done && record.counts.writes() > 0;
        if let Some(undone) = record.undo_of.as_ref().filter(|_| is_undone) {
            self.mark_undone(undone, &record.id).await?;
        }
        Ok(record.report())
    }
}
