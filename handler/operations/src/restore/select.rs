//! From a selection to the names of documents that may be meant.

use changefeed_cosmos::{DocumentName, Error, Key};
use changefeed_history::{Filter, pk_of};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use super::request::{FilterOn, Selection};
use super::restores::Restores;

/// Names of documents, each once, while there are not too many.
struct Names {
    names: indexmap::IndexMap<(String, String), DocumentName>,
    max: usize,
}

impl Names {
    fn add(&mut self, name: DocumentName) {
        self.names.entry((name.partition_key.to_string(), name.id.clone())).or_insert(name);
    }

    fn are_too_many(&self) -> bool {
        self.names.len() > self.max
    }
}

impl Restores {
    /// The documents that the selection may mean, live and past; `None` when they are too many for one request.
    /// `last_change` bounds the versions that are looked at.
    pub(super) async fn candidates(
        &self,
        selection: &Selection,
        last_change: i64,
    ) -> Result<Option<Vec<DocumentName>>, Error> {
        let mut names = Names { names: indexmap::IndexMap::new(), max: self.jobs.options().max_candidates };
        match selection {
            Selection::Documents(documents) => documents.iter().cloned().for_each(|name| names.add(name)),
            Selection::Partition(key) => {
                self.history.check_key(key).await?;
                self.live_names(&mut names, &[], Some(key)).await?;
                self.past_names(&mut names, &[], Some(key), last_change).await?;
            }
            Selection::Filter { filters, on } => {
                self.live_names(&mut names, filters, None).await?;
                if *on == FilterOn::Target {
                    self.past_names(&mut names, filters, None, last_change).await?;
                }
            }
            Selection::All => {
                self.live_names(&mut names, &[], None).await?;
                self.past_names(&mut names, &[], None, last_change).await?;
            }
        }
        Ok((!names.are_too_many()).then(|| names.names.into_values().collect()))
    }

    async fn live_names(&self, names: &mut Names, filters: &[Filter], key: Option<&Key>) -> Result<(), Error> {
        let monitored = self.history.monitored().open().await?;
        let mut parameters = Map::new();
        let conditions: Vec<String> = filters.iter().map(|filter| filter.condition("c", &mut parameters)).collect();
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let query = format!("SELECT * FROM c{condition}");
        let mut documents = monitored.select::<Value>(&query, &parameters, key).await?;
        while let Some(document) = documents.try_next().await? {
            let partition_key = Key::of(&document, monitored.key_paths())?;
            names.add(DocumentName { id: document["id"].as_str().unwrap_or_default().to_owned(), partition_key });
            if names.are_too_many() {
                break;
            }
        }
        Ok(())
    }

    async fn past_names(
        &self,
        names: &mut Names,
        filters: &[Filter],
        key: Option<&Key>,
        last_change: i64,
    ) -> Result<(), Error> {
        let changes = self.history.changes().open().await?;
        let mut parameters = Map::from_iter([("@last".to_owned(), json!(last_change))]);
        let mut conditions = vec!["c.sourceTs <= @last".to_owned()];
        match key.map(pk_of) {
            Some(Some(pk)) => {
                parameters.insert("@pk".to_owned(), pk);
                conditions.push("c.pk = @pk".to_owned());
            }
            Some(None) => conditions.push("NOT IS_DEFINED(c.pk)".to_owned()),
            None => {}
        }
        if !filters.is_empty() {
            let fields: Vec<String> =
                filters.iter().map(|filter| filter.condition("c.document", &mut parameters)).collect();
            conditions.push(format!(
                "({} OR IS_DEFINED(c.documentZstd) OR IS_DEFINED(c.documentParts))",
                fields.join(" AND ")
            ));
        }
        let query = format!("SELECT c.sourceId AS id, c.partitionKey FROM c WHERE {}", conditions.join(" AND "));
        let mut found = changes.select::<DocumentName>(&query, &parameters, None).await?.fuse();
        while let Some(name) = found.try_next().await? {
            if key.is_none_or(|key| *key == name.partition_key) {
                names.add(name);
            }
            if names.are_too_many() {
                break;
            }
        }
        Ok(())
    }
}
