//! Counts what a sweep would delete, for a dry run.

use changefeed_cosmos::DocumentName;

use super::expiry::Superseded;
use super::sweep::{Order, Stop, Sweep};
use crate::retention_record::NEVER;

impl Sweep<'_> {
    /// Counts the versions that a sweep would delete, and writes nothing.
    pub(super) async fn count(&mut self) -> Result<(), Stop> {
        let (swept_to, until) = (self.saved.progress.swept_to, self.passed_cutoff());
        let mut captured = self.saved.progress.late_to;
        while swept_to != NEVER
            && let Some(step) = self.next_step(Order::Capture { until }, captured).await?
        {
            self.count_documents(step.names, until, |_| true, NEVER).await?;
            captured = step.last;
        }
        let mut after = swept_to;
        while after < self.cutoff
            && let Some(step) = self.next_step(Order::SourceTime, after).await?
        {
            // A document with changes in several steps is counted once: in the step of the version that is current at the cutoff.
            let in_step = |second| second > after && second <= step.last;
            self.count_documents(step.names, self.cutoff, in_step, swept_to).await?;
            after = step.last;
        }
        Ok(())
    }

    async fn count_documents(
        &self,
        names: Vec<DocumentName>,
        until: i64,
        counts: impl Fn(i64) -> bool,
        back_to: i64,
    ) -> Result<(), Stop> {
        for name in names {
            self.check_time()?;
            let mut superseded = Superseded::at(&self.changes, &name, until).await?;
            if !superseded.newest.is_some_and(&counts) {
                continue;
            }
            let (mut versions, mut oldest) = (0, None);
            while let Some(row) = superseded.next().await? {
                if oldest.is_some_and(|oldest| row.source_ts < oldest) {
                    break;
                }
                if row.source_ts <= back_to {
                    // This version was current when the last sweep stopped, so that sweep has deleted the versions before its second.
                    oldest = Some(row.source_ts);
                }
                versions += u64::from(!self.pinned.contains(&name, &row.id));
            }
            let mut counts = self.counts();
            (counts.documents, counts.versions) = (counts.documents + 1, counts.versions + versions);
        }
        Ok(())
    }
}
