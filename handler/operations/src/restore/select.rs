//! Finds the documents that a selection may include: the candidates of a restore within one request.

use changefeed_cosmos::{DocumentName, Error, Key, read_id_and_key, select_id_and_key};
use changefeed_history::Filter;
use futures::TryStreamExt;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::restore_request::{FilterOn, Selection};
use super::restores::Restores;
use crate::scan::query_versions;

/// Selects the name of a version's document. A document may have many versions: the service returns its name about once for each
/// physical partition and page, and the SDK returns it once.
const SELECT_DISTINCT_NAMES: &str = "SELECT DISTINCT VALUE {id: c.sourceId, partitionKey: c.partitionKey}";

/// Names of documents, each once, up to a limit.
struct Candidates {
    names: IndexMap<String, DocumentName>,
    max: usize,
}

impl Candidates {
    fn add(&mut self, name: DocumentName) {
        self.names.entry(name.to_index_key()).or_insert(name);
    }

    fn are_too_many(&self) -> bool {
        self.names.len() > self.max
    }
}

impl Restores {
    /// The documents that the selection may include, live and past; `None` when there are too many for one request.
    /// `last_change` is the second since 1970 of the newest versions that count.
    ///
    /// # Errors
    /// When the partition key value does not match the container, and when the containers cannot be read.
    pub(super) async fn candidates(
        &self,
        selection: &Selection,
        last_change: i64,
    ) -> Result<Option<Vec<DocumentName>>, Error> {
        let mut candidates = Candidates { names: IndexMap::new(), max: self.jobs.options().max_candidates };
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

    /// Adds the documents that have a version not after `last_change` that may meet the filters, until there are too many.
    async fn add_past(
        &self,
        candidates: &mut Candidates,
        filters: &[Filter],
        key: Option<&Key>,
        last_change: i64,
    ) -> Result<(), Error> {
        let changes = self.history.changes().open().await?;
        let mut versions = query_versions(&changes, SELECT_DISTINCT_NAMES.to_owned(), key);
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
        let query = format!("{} FROM c WHERE {}", versions.select, versions.conditions.join(" AND "));
        let mut names = changes.select::<DocumentName>(&query, &versions.parameters, versions.key.as_ref()).await?;
        while !candidates.are_too_many()
            && let Some(name) = names.try_next().await?
        {
            if key.is_none_or(|key| *key == name.partition_key) {
                candidates.add(name);
            }
        }
        Ok(())
    }
}
