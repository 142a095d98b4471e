//! Plans the documents of a list that a backup does not have. Nothing is written for them; the restore reports them.

use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, Error, PageRequest};
use changefeed_jobs::{Found, Jobs, ListedItems};
use tokio::sync::OnceCell;

use super::plan_scan::list_page;
use super::planned_item::{Action, PlannedItem};
use super::restore_page::{PAGE_KIND, StoredItem};

const NOT_IN_BACKUP: &str =
    "the backup has no document with this id and partition key; check the spelling, which is case-sensitive";

/// The documents that the stored pages of a restore have, by [`DocumentName::to_index_key`]. They are read once.
pub(super) type PlannedNames = OnceCell<HashSet<String>>;

/// Plans pages of a list of documents, after the pages of the backup were stored.
pub(super) struct MissingPlanner<'a> {
    pub jobs: &'a Jobs,
    pub job_id: &'a str,
    pub page_items: usize,
    pub planned: &'a PlannedNames,
}

impl MissingPlanner<'_> {
    /// Plans a page. `continuation` is the index of the first document.
    pub(super) async fn page(
        &self,
        documents: &[DocumentName],
        continuation: Option<&str>,
    ) -> Result<Found<PlannedItem>, Error> {
        let planned = self.planned.get_or_try_init(|| self.read_planned()).await?;
        let (page, next) = list_page(documents, continuation, self.page_items)?;
        let missing = page.iter().filter(|name| !planned.contains(&name.to_index_key()));
        let unknown =
            |name: &DocumentName| PlannedItem::without_write(name.clone(), Action::Unknown).with_message(NOT_IN_BACKUP);
        // Progress counts the lines of the backup.
        Ok(Found { items: missing.map(unknown).collect(), next, processed: 0 })
    }

    /// Reads the names of the documents that lines of the backup are about.
    async fn read_planned(&self) -> Result<HashSet<String>, Error> {
        let (mut names, mut request) = (HashSet::new(), PageRequest::default());
        loop {
            let (items, next) =
                self.jobs.items(ListedItems::<StoredItem>::all(PAGE_KIND, self.job_id, false), &request).await?;
            let items = items.into_iter().map(PlannedItem::from).filter(|item| item.backup_line.is_some());
            names.extend(items.map(|item| item.name().to_index_key()));
            if next.is_none() {
                return Ok(names);
            }
            request.continuation = next;
        }
    }
}
