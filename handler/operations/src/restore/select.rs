//! Finds the documents that a selection may include: the candidates of a restore within one request.

use changefeed_cosmos::{Container, DocumentName, Error, Key, MAX_PAGE_ITEMS, read_id_and_key, select_id_and_key};
use changefeed_history::Filter;
use changefeed_jobs::PagedQuery;
use futures::TryStreamExt;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::restore_request::{FilterOn, Selection};
use super::restores::Restores;
use super::window_undo::WindowUndo;
use crate::scan::query_versions;

/// The versions that are read for each document that a request may plan. A version costs a part of a request unit, and a plan
/// several. The SDK cannot run a DISTINCT query over all partitions, so a document has a row for each version.
const VERSIONS_PER_CANDIDATE: usize = 5;

/// Names of documents, each once. There are too many when the documents, or the versions that were read to find them, exceed a
/// limit.
struct Candidates {
    names: IndexMap<String, DocumentName>,
    max_names: usize,
    versions: usize,
    max_versions: usize,
}

impl Candidates {
    fn new(max_names: usize) -> Self {
        let max_versions = max_names.saturating_mul(VERSIONS_PER_CANDIDATE);
        Self { names: IndexMap::new(), max_names, versions: 0, max_versions }
    }

    fn add(&mut self, name: DocumentName) {
        self.names.entry(name.to_index_key()).or_insert(name);
    }

    fn are_too_many(&self) -> bool {
        self.names.len() > self.max_names || self.versions > self.max_versions
    }
}

impl Restores {
    /// The documents that the selection may include, live and past; `None` when there are too many, or too many versions of them,
    /// for one request.
    /// `last_change` is the second since 1970 of the newest versions that count.
    ///
    /// # Errors
    /// When the partition key value does not match the container, and when the containers cannot be read.
    pub(super) async fn candidates(
        &self,
        selection: &Selection,
        window: Option<&WindowUndo>,
        last_change: i64,
    ) -> Result<Option<Vec<DocumentName>>, Error> {
        let mut candidates = Candidates::new(self.jobs.options().max_candidates);
        match selection {
            Selection::Documents(documents) => documents.iter().cloned().for_each(|name| candidates.add(name)),
            Selection::Partition(key) => {
                self.history.check_key(key).await?;
                self.add_live(&mut candidates, &[], Some(key)).await?;
                self.add_past(&mut candidates, &[], Some(key), last_change).await?;
            }
            Selection::Filter { filters, on } => {
                self.add_live(&mut candidates, filters, None).await?;
                if *on == FilterOn::Target {
                    self.add_past(&mut candidates, filters, None, last_change).await?;
                }
            }
            Selection::Window(selection) => {
                if let Some(key) = &selection.partition {
                    self.history.check_key(key).await?;
                }
                if let Some(window) = window {
                    self.add_of_window(&mut candidates, window).await?;
                }
            }
            Selection::All => {
                self.add_live(&mut candidates, &[], None).await?;
                self.add_past(&mut candidates, &[], None, last_change).await?;
            }
        }
        Ok((!candidates.are_too_many()).then(|| candidates.names.into_values().collect()))
    }

    /// Adds the live documents that meet the filters, until there are too many.
    async fn add_live(&self, candidates: &mut Candidates, filters: &[Filter], key: Option<&Key>) -> Result<(), Error> {
        let monitored = self.history.monitored().open().await?;
        let mut parameters = Map::new();
        let conditions: Vec<String> = filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let query = format!("SELECT VALUE {} FROM c{condition}", select_id_and_key(monitored.key_paths()));
        let mut rows = monitored.select::<Value>(&query, &parameters, key).await?;
        while !candidates.are_too_many()
            && let Some(row) = rows.try_next().await?
        {
            candidates.add(read_id_and_key(&row, monitored.key_paths())?);
        }
        Ok(())
    }

    /// Adds the documents that have a version in a window, until there are too many.
    async fn add_of_window(&self, candidates: &mut Candidates, window: &WindowUndo) -> Result<(), Error> {
        let changes = self.history.changes().open().await?;
        let versions = window.query(&changes, "SELECT VALUE {id: c.sourceId, partitionKey: c.partitionKey}", None);
        let key = window.selection.partition.as_ref();
        self.add_named(candidates, &changes, versions, key).await
    }

    /// Adds the documents that have a version not after `last_change` that may meet the filters, until there are too many.
    async fn add_past(
        &self,
        candidates: &mut Candidates,
        filters: &[Filter],
        key: Option<&Key>,
        last_change: i64,
    ) -> Result<(), Error> {
        let changes = self.history.changes().open().await?;
        let select = "SELECT VALUE {id: c.sourceId, partitionKey: c.partitionKey}".to_owned();
        let mut versions = query_versions(&changes, select, key);
        versions.conditions.push("c.sourceTs <= @last".to_owned());
        versions.parameters.insert("@last".to_owned(), json!(last_change));
        if !filters.is_empty() {
            let fields: Vec<String> =
                filters.iter().map(|filter| filter.condition("c.document", &mut versions.parameters)).collect();
            // A query cannot see into compressed documents: they may meet the filters.
            let fields = fields.join(" AND ");
            versions
                .conditions
                .push(format!("({fields} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))"));
        }
        self.add_named(candidates, &changes, versions, key).await
    }

    /// Adds the documents with a key whose versions a query selects, until there are too many.
    async fn add_named(
        &self,
        candidates: &mut Candidates,
        changes: &Container,
        versions: PagedQuery<'_>,
        key: Option<&Key>,
    ) -> Result<(), Error> {
        let query = format!("{} FROM c WHERE {}", versions.select, versions.conditions.join(" AND "));
        let page_items = candidates.max_versions.saturating_add(1).min(MAX_PAGE_ITEMS as usize);
        let prefix = versions.key.as_ref();
        let mut names = changes.select_few::<DocumentName>(&query, &versions.parameters, prefix, page_items).await?;
        while !candidates.are_too_many()
            && let Some(name) = names.try_next().await?
        {
            candidates.versions += 1;
            if key.is_none_or(|key| *key == name.partition_key) {
                candidates.add(name);
            }
        }
        Ok(())
    }
}
