//! Prepares the writes of several items with few requests: reads what they need, and saves what they overwrite.

use changefeed_cosmos::{DocumentName, Error};
use changefeed_history::Version;
use futures::StreamExt;

use super::planned_item::PlannedItem;
use super::read_together::ReadTogether;
use super::write::DocumentWriter;

impl DocumentWriter<'_> {
    /// Reads what these items need, and saves the versions that they overwrite and that capture has not stored yet. At most `concurrency`
    /// documents are read by themselves at a time.
    pub(super) async fn prepare(&self, items: &[PlannedItem], concurrency: usize) -> ReadTogether {
        let mut together = ReadTogether::to_write(self.restores, self.container, self.is_monitored, items).await;
        let unsaved = together.unsaved(items);
        if self.is_monitored
            && let Err(error) = self.save_together(&mut together, unsaved, concurrency).await
        {
            log::debug!("versions are saved one by one: {error}");
        }
        together
    }

    /// Saves live versions. Each is read again, because a version has a sequence number.
    async fn save_together(
        &self,
        together: &mut ReadTogether,
        mut names: Vec<DocumentName>,
        concurrency: usize,
    ) -> Result<(), Error> {
        let (erased, rules) = (self.restores.erased(self.deadline).await?, self.restores.history.rules().await?);
        names.retain(|name| !erased.contains(name) && !rules.excludes(name));
        let read = futures::stream::iter(names).map(|name| async move {
            let live = self.live(&name).await?;
            Ok::<_, Error>(live.map(|live| (name, live)))
        });
        let read: Vec<_> = read.buffer_unordered(concurrency).collect().await;
        let read = read.into_iter().collect::<Result<Vec<_>, Error>>()?.into_iter().flatten();
        let (names, versions): (Vec<DocumentName>, Vec<Version>) =
            read.filter(|(name, live)| together.is_missing(name, live)).unzip();
        let stored = self.restores.history.store_versions(&versions, concurrency, self.deadline).await?;
        for ((name, version), stored) in names.iter().zip(versions).zip(stored) {
            // What another writer has stored in the meantime may not be exact.
            if stored?.is_some() {
                together.add_saved(name, version);
            }
        }
        Ok(())
    }
}
